"""Definitions as the API answers with them: our words, and those of document 5 beside them."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from flowkeep.contracts.definitions import (
    App,
    Component,
    Definition,
    DefinitionSummary,
    Deleted,
    Problem,
)
from flowkeep.contracts.record import Record
from flowkeep.contracts.statistics import UsageCounts

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
STARTED = "Workflow execution started"


class DefinitionAnswer(DefinitionSummary):
    """A definition with its newest content.

    Attributes:
        dag_spec: The canvas it was made from, unchanged; null for one that was written.
        errors: What is wrong with a draft.
        components: The modules and steps it uses, in order.
        molecules_used: Its modules, each once.
        atoms_in_molecules: The steps of each module, each once.
        project_id: The app: a number where its id is one.
        project_name: The app's name; null for an app that is not recorded.
        app_name: What the app belongs to.
        is_active: Whether runs of it may start, as `enabled`.
        user: Whom it belongs to, as `owner`.
    """

    spec: dict[str, Any]
    dag_spec: Any
    param_schema: dict[str, Any]
    out_schema: dict[str, Any]
    errors: tuple[Problem, ...]
    components: tuple[Component, ...]
    molecules_used: tuple[str, ...]
    atoms_in_molecules: dict[str, tuple[str, ...]]
    project_id: int | str | None
    project_name: str | None
    app_name: str | None
    is_active: bool
    user: str | None

    @classmethod
    def of(cls, stored: Definition, app: App | None) -> Self:
        """Return a stored definition as the API tells it.

        Args:
            stored: The definition.
            app: The app it belongs to, where that is recorded and the caller's.
        """
        fields = {name: getattr(stored, name) for name in DefinitionSummary.model_fields}
        kept = ("spec", "param_schema", "out_schema", "errors", "components")
        return cls(
            **fields,
            **{name: getattr(stored, name) for name in kept},
            dag_spec=stored.canvas,
            molecules_used=tuple(stored.modules_used),
            atoms_in_molecules={m: tuple(s) for m, s in stored.steps_in_modules.items()},
            project_id=_project_id(stored.app_id),
            project_name=None if app is None else app.name,
            app_name=None if app is None else app.parent,
            is_active=stored.enabled,
            user=stored.owner,
        )

    @property
    def stored(self) -> Definition:
        """The definition in our words alone."""
        names = set(Definition.model_fields) - {"canvas"}
        fields = {name: getattr(self, name) for name in Definition.model_fields if name in names}
        return Definition(**fields, canvas=self.dag_spec)


class AppliedDefinition(Record):
    """What became of a definition.

    Attributes:
        definition: As it is stored now.
        change: What was done; an unchanged one was not written.
        problems: What was found about it; errors only of a draft.
    """

    definition: DefinitionAnswer
    change: Literal["created", "updated", "unchanged"]
    problems: tuple[Problem, ...] = ()


class DeletedDefinition(Record):
    """What became of a definition that was deleted.

    Attributes:
        id: The definition.
        deleted: Whether it is removed, or hidden while runs pin it.
    """

    id: UUID
    deleted: Deleted


class DefinitionReport(Record):
    """What was found about a text.

    Attributes:
        name: What the text is called.
        ref: The ref it gives; null where it gives none.
        valid: Whether it has no errors; warnings keep nobody from running it.
        problems: All of them, in the order of lines.
    """

    name: str
    ref: str | None
    valid: bool
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, name: str, ref: str | None, problems: Iterable[Problem]) -> Self:
        """Return what was found, with whether that keeps it from being run."""
        found = tuple(problems)
        valid = not any(one.level == "error" for one in found)
        return cls(name=name, ref=ref, valid=valid, problems=found)

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep it from being run."""
        return [one for one in self.problems if one.level == "error"]


class Difference(Record):
    """One thing that changed.

    Attributes:
        path: Where; tasks are called by their names: `tasks.load.retry.count`.
        kind: What became of it; a moved task stands behind another one than before.
        old: What it was, as JSON, shortened; null where it was not there.
        new: What it is.
    """

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        values = [one for one in (self.old, self.new) if one is not None]
        return f"{self.kind} {self.path}{': ' if values else ''}{' → '.join(values)}"


class DefinitionDifferences(Record):
    """How two contents of a definition differ.

    Attributes:
        ref: The definition.
        stored: As it is stored now; null when there is none yet.
        changes: From the older to the newer content.
    """

    ref: str
    stored: DefinitionSummary | None
    changes: tuple[Difference, ...]


class Execution(Record):
    """A run that was started.

    Attributes:
        run_id: The run.
        workflow_id: Temporal's id of it.
        definition_id: What it executes; document 5's `workflow_id`.
        temporal_run_id: Temporal's id of its first execution.
        created: Whether this call started it; else it was open already.
        message: Says so in words.
    """

    run_id: UUID
    workflow_id: str
    definition_id: UUID
    temporal_run_id: str | None = None
    created: bool = True
    message: str = STARTED


class DefinitionUsage(Record):
    """The modules or steps whose definitions have most runs, most first.

    Attributes:
        data: The modules or steps.
        as_of: Runs that were started before are counted; null while they are for the first time.
    """

    data: tuple[UsageCounts, ...]
    as_of: datetime | None


def _project_id(app_id: str | None) -> int | str | None:
    if app_id is None or not _NUMBER.fullmatch(app_id):
        return app_id
    number = int(app_id)
    return number if -(2**63) <= number < 2**63 else app_id
