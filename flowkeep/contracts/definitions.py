"""Stored definitions, the actions tasks call, and the apps both lie in.

Patches tell three things apart: a field that is not given stays as it is, a value is set, and null
clears. What cannot be empty refuses null.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import Field, model_validator

from flowkeep.contracts.record import Record

Patch = TypeVar("Patch", bound=Record)


class Visibility(StrEnum):
    """Who may see a definition."""

    PRIVATE = "private"
    """Its owner."""
    TENANT = "tenant"
    """Everybody in its tenant."""
    SHARED = "shared"
    """Every tenant may read and execute it; only its own may change it."""


class Deleted(StrEnum):
    """What became of a definition that was deleted."""

    REMOVED = "removed"
    """Nothing of it is left."""
    HIDDEN = "hidden"
    """Runs pin it: it is out of every list, and its versions can still be read."""


class Problem(Record):
    """What is wrong with a definition, and where.

    Attributes:
        path: For example `canvas.nodes[2].id`.
        message: What is wrong there.
        hint: What to do about it.
        line: Line of the document, from 1, where it was read from a text.
        level: A `warning` keeps nobody from running it.
    """

    path: str
    message: str
    hint: str | None = None
    line: int | None = None
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}: "
        advice = "" if self.hint is None else f" ({self.hint})"
        return f"{where}{self.path} {self.message}{advice}"


class Component(Record):
    """A module or a step that a definition uses.

    Attributes:
        position: Where it stands among the definition's components, from 0.
        module: The module; null for a step outside of modules.
        step: The step; null for a module without steps.
        node_id: The node of the canvas, or the name of the task, that uses it.
    """

    position: int
    module: str | None
    step: str | None
    node_id: str | None = None


class NewDefinition(Record):
    """What it takes to store a definition.

    Attributes:
        id: Makes repeating the request safe; chosen when left out.
        ref: Name within the tenant; made from `name` when left out.
        slug: Name within the app, for addresses; made from `name` when left out.
        version: Free text, for people.
        canvas: The drawing it came from, kept and returned as it is.
        modules_used: What the caller says it uses; it must agree with the canvas.
        steps_in_modules: The steps by module that the caller says it uses; likewise.
        draft: Whether it may have errors; then it cannot be executed.
        errors: What a validation found; only a draft may have any.
    """

    id: UUID | None = None
    name: str
    ref: str | None = None
    slug: str | None = None
    app_id: str | None = None
    description: str | None = None
    version: str | None = None
    spec: dict[str, Any] = Field(default_factory=dict)
    canvas: Any = None
    param_schema: dict[str, Any] = Field(default_factory=dict)
    out_schema: dict[str, Any] = Field(default_factory=dict)
    modules_used: Sequence[str] | None = None
    steps_in_modules: dict[str, Sequence[str]] | None = None
    tags: Sequence[str] = ()
    enabled: bool = True
    draft: bool = False
    errors: Sequence[Problem] = ()
    owner: str | None = None
    visibility: Visibility = Visibility.TENANT
    created_by: str | None = None


class DefinitionPatch(Record):
    """What is to change about a definition: fields not given stay, null clears.

    Attributes:
        modules_used: As in `NewDefinition`; compared with the new canvas, stored nowhere else.
        errors: What a validation of the new content found; replaces what was listed.
    """

    name: str | None = None
    ref: str | None = None
    slug: str | None = None
    app_id: str | None = None
    description: str | None = None
    version: str | None = None
    spec: dict[str, Any] | None = None
    canvas: Any = None
    param_schema: dict[str, Any] | None = None
    out_schema: dict[str, Any] | None = None
    modules_used: Sequence[str] | None = None
    steps_in_modules: dict[str, Sequence[str]] | None = None
    tags: Sequence[str] | None = None
    enabled: bool | None = None
    draft: bool | None = None
    errors: Sequence[Problem] | None = None
    owner: str | None = None
    visibility: Visibility | None = None

    @model_validator(mode="after")
    def _required(self) -> Self:
        return _refuse_null(self, "name", "ref", "slug", "enabled", "draft", "visibility")


class DefinitionSummary(Record):
    """The columns of a definition that lists show.

    Attributes:
        revision: Bumped by every change.
        version_revision: The newest saved version; what runs pin when they name none.
        execution_count: Runs that were started with it, exact.
    """

    id: UUID
    tenant_id: str
    app_id: str | None
    ref: str
    slug: str
    name: str
    description: str | None
    version: str | None
    revision: int
    version_revision: int
    tags: tuple[str, ...]
    enabled: bool
    draft: bool
    owner: str | None
    visibility: Visibility
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    execution_count: int
    last_executed_at: datetime | None


class Definition(DefinitionSummary):
    """A stored definition with its newest content.

    Attributes:
        errors: What is wrong with a draft.
        components: The modules and steps it uses, in order.
    """

    spec: dict[str, Any]
    canvas: Any
    param_schema: dict[str, Any]
    out_schema: dict[str, Any]
    errors: tuple[Problem, ...]
    components: tuple[Component, ...]

    @property
    def modules_used(self) -> list[str]:
        """Its modules, each once, in order."""
        return list(self.steps_in_modules)

    @property
    def steps_in_modules(self) -> dict[str, list[str]]:
        """The steps of each module, each once, in order."""
        found: dict[str, list[str]] = {}
        for component in self.components:
            if component.module is not None:
                steps = found.setdefault(component.module, [])
                if component.step is not None and component.step not in steps:
                    steps.append(component.step)
        return found


class VersionSummary(Record):
    """One saved version, as lists show it.

    Attributes:
        revision: The definition's revision that made it; what runs pin.
        version: The label it was saved under.
        draft: Whether it is a draft's, which runs cannot pin.
    """

    definition_id: UUID
    revision: int
    version: str | None
    draft: bool
    created_by: str | None
    created_at: datetime


class DefinitionVersion(VersionSummary):
    """One saved version; its content never changes.

    Attributes:
        tenant_id: Whose definition it is.
    """

    tenant_id: str
    spec: dict[str, Any]
    canvas: Any
    param_schema: dict[str, Any]
    out_schema: dict[str, Any]


class NewAction(Record):
    """What it takes to record something that a task can call.

    Attributes:
        id: Chosen when left out.
        ref: Name within the tenant, for example `files.copy`.
        label: Name for people; the ref when left out.
        definition_id: The definition it stands for; null for one that code serves.
    """

    id: UUID | None = None
    ref: str
    label: str | None = None
    app_id: str | None = None
    description: str | None = None
    param_schema: dict[str, Any] = Field(default_factory=dict)
    out_schema: dict[str, Any] = Field(default_factory=dict)
    definition_id: UUID | None = None


class ActionPatch(Record):
    """What is to change about an action: fields not given stay, null clears."""

    label: str | None = None
    app_id: str | None = None
    description: str | None = None
    param_schema: dict[str, Any] | None = None
    out_schema: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _required(self) -> Self:
        return _refuse_null(self, "label")


class Action(Record):
    """Something that a task can call.

    Attributes:
        registered_by: The worker that offered it last.
        last_seen_at: When that was.
    """

    id: UUID
    tenant_id: str
    app_id: str | None
    ref: str
    label: str
    description: str | None
    param_schema: dict[str, Any]
    out_schema: dict[str, Any]
    definition_id: UUID | None
    revision: int
    registered_by: str | None
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_workflow(self) -> bool:
        """Whether it stands for a definition."""
        return self.definition_id is not None


class NewApp(Record):
    """What it takes to record an app.

    Attributes:
        id: What runs and definitions name; never changes.
        ref: Name within the tenant; the id when left out.
        name: Name for people; the id when left out.
        parent: What it belongs to, in the caller's words: an application, a folder.
    """

    id: str
    ref: str | None = None
    name: str | None = None
    parent: str | None = None


class AppPatch(Record):
    """What is to change about an app: fields not given stay, null clears."""

    ref: str | None = None
    name: str | None = None
    parent: str | None = None

    @model_validator(mode="after")
    def _required(self) -> Self:
        return _refuse_null(self, "ref", "name")


class App(Record):
    """A container inside a tenant."""

    tenant_id: str
    id: str
    ref: str
    name: str
    parent: str | None
    created_at: datetime
    updated_at: datetime


def _refuse_null(patch: Patch, *names: str) -> Patch:
    null = [n for n in names if n in patch.model_fields_set and getattr(patch, n) is None]
    if null:
        raise ValueError(f"{', '.join(null)} cannot be null: leave it out, or set a value")
    return patch
