"""Definitions as the API takes them; `definition_answers` has what it answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from flowkeep.contracts.api.runs import Trigger
from flowkeep.contracts.definitions import Visibility
from flowkeep.contracts.record import Record

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""A name of something."""
Prose = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")]
"""A text for people."""
Label = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Text = Annotated[str, Field(max_length=2_000_000)]
"""A document; what is longer than 1 MiB is refused with its line."""
ProjectId = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | Word
"""Document 5's id of a project, which is the id of our app."""

Beside = Annotated[tuple[dict[str, Any], ...], Field(max_length=1_000)]
Actions = Annotated[dict[Word, Word], Field(max_length=10_000)]
Order = Literal["newest", "most_executed"]


class DefinitionSource(Record):
    """A definition as it is written, and where it is to belong.

    Attributes:
        text: YAML or JSON, see the format of definitions.
        name: What problems call it, for example the name of its file.
        beside: Other documents that count as stored while it is checked.
        draft: Store it with its errors; a draft cannot be executed.
        app_id: The app it belongs to; as it is when left out.
        owner: Whom it belongs to, said by staff; the caller, or as it is, when left out.
        visibility: Who sees it; as it is when left out.
    """

    text: Text
    name: Word = "definition"
    beside: Beside = ()
    draft: bool = False
    app_id: Word | None = None
    owner: Word | None = None
    visibility: Visibility | None = None


class Drawn(Record):
    """What describes a drawing: the fields of document 5 and ours.

    Attributes:
        project_id: The app, as `app_id`.
        project_name: The name of the app, which is recorded when it is new.
        app_name: The application it belongs to: the `parent` of the app.
        slug: Name within the app, for addresses; made from the name when left out.
        dag_spec: The canvas: nodes with steps inside modules, and edges; kept unchanged.
        molecules_used: The modules it uses; they must agree with `dag_spec`.
        atoms_in_molecules: The steps by module; likewise.
        is_active: Whether runs of it may start, as `enabled`.
        version: A label for people. The number that counts changes is `revision`.
        draft: Whether it may have errors; a draft cannot be executed.
        owner: Whom it belongs to; others than the caller are named by staff.
        actions: Action by `module.step` or `step`; wins over the state entry `actions/<app>`.
        default_action: Action of other steps.
    """

    slug: Word | None = None
    description: Prose | None = None
    version: Word | None = None
    tags: Annotated[tuple[Word, ...], Field(max_length=64)] | None = None
    project_id: ProjectId | None = None
    app_id: Word | None = None
    project_name: Word | None = None
    app_name: Word | None = None
    dag_spec: Any = None
    molecules_used: Annotated[tuple[Word, ...], Field(max_length=10_000)] | None = None
    atoms_in_molecules: dict[Word, tuple[Word, ...]] | None = None
    enabled: bool | None = None
    is_active: bool | None = None
    draft: bool | None = None
    owner: Word | None = None
    visibility: Visibility | None = None
    actions: Actions = Field(default_factory=dict)
    default_action: Word = "{app}.{step}"

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if None not in (self.project_id, self.app_id) and str(self.project_id) != self.app_id:
            raise ValueError("project_id and app_id are the same thing: give one of them")
        if None not in (self.enabled, self.is_active) and self.enabled != self.is_active:
            raise ValueError("is_active and enabled are the same thing: give one of them")
        return self

    @property
    def app(self) -> str | None:
        """The app it is to belong to."""
        return self.app_id if self.project_id is None else str(self.project_id)

    @property
    def names_app(self) -> bool:
        """Whether an app is given; null takes it out of its app."""
        return bool(self.model_fields_set & {"app_id", "project_id"})

    @property
    def columns(self) -> dict[str, Any]:
        """The given fields of a stored definition that do not depend on its content."""
        plain = ("name", "slug", "description", "version", "tags", "draft", "owner", "visibility")
        given = {name: getattr(self, name) for name in plain if name in self.model_fields_set}
        if self.names_app:
            given["app_id"] = self.app
        active = self.is_active if self.enabled is None else self.enabled
        if active is not None:
            given["enabled"] = active
        if self.molecules_used is not None:
            given["modules_used"] = self.molecules_used
        if self.atoms_in_molecules is not None:
            given["steps_in_modules"] = self.atoms_in_molecules
        return given


class DrawnDefinition(Drawn):
    """A new definition that was drawn, as document 5 sends it.

    Attributes:
        name: What people call it.
        ref: Name within the tenant; made from the name when left out.
    """

    name: Word
    ref: Word | None = None


class DefinitionChange(Drawn):
    """What is to change about a definition: fields not given stay, null clears.

    The content of a definition that was written as a text is replaced as a whole, not here.
    """

    name: Word | None = None

    @model_validator(mode="after")
    def _required(self) -> Self:
        needed = ("name", "slug", "enabled", "is_active", "draft", "visibility")
        null = [n for n in needed if n in self.model_fields_set and getattr(self, n) is None]
        if null:
            raise ValueError(f"{', '.join(null)} cannot be null: leave it out, or set a value")
        return self


class CanvasImport(Record):
    """A canvas that is to become the definition of a ref: a new one, or a new version of it.

    Attributes:
        canvas: Plain JSON with `nodes` and `edges`; kept unchanged.
        ref: Ref of the definition.
        label: Name for people; the one in the canvas' `metadata` when left out.
        actions: Action by `module.step` or `step`; wins over the state entry `actions/<app>`.
        default_action: Action of other steps; `{app}`, `{module}` and `{step}` stand for names.
        draft: Store it with its errors; a draft cannot be executed.
        app_id: The app it belongs to; as it is when left out.
        owner: Whom it belongs to, said by staff; the caller, or as it is, when left out.
        visibility: Who sees it; as it is when left out.
    """

    canvas: Any
    ref: Word
    label: Word | None = None
    actions: Actions = Field(default_factory=dict)
    default_action: Word = "{app}.{step}"
    draft: bool = False
    app_id: Word | None = None
    owner: Word | None = None
    visibility: Visibility | None = None


class ExecuteRequest(Record):
    """How a definition is to be executed.

    Attributes:
        parameters: By name; defaults of the definition are filled in.
        revision: The version; the newest when left out.
        workflow_id: Temporal's id and the idempotency key; the run id when left out.
        task_queue: Where workers listen; that of the service when left out.
        labels: For filters of lists.
        goal: What the run is meant to achieve, in words.
        on_conflict: What happens when a run with this `workflow_id` is open.
        app_id: The app that the run belongs to; that of the definition when left out.
        owner: Whom the run is for; somebody else than the caller only for staff.
        triggered_from: What started it.
    """

    parameters: dict[str, Any] = Field(default_factory=dict)
    revision: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    workflow_id: Word | None = None
    task_queue: Word | None = None
    labels: Annotated[dict[Word, Label], Field(max_length=64)] = Field(default_factory=dict)
    goal: Prose | None = None
    on_conflict: Literal["existing", "reject", "replace"] = "existing"
    app_id: Word | None = None
    owner: Word | None = None
    triggered_from: Trigger = "api"
