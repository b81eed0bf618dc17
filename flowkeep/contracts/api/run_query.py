"""Lists and counts of runs: what is asked."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from flowkeep.contracts.api.texts import TemporalName, Text, Time
from flowkeep.contracts.record import Record
from flowkeep.contracts.status import RunStatus

_ANYWHERE = frozenset({"limit", "cursor", "order"})
_ALONE = ("parent_run_id", "workflow_id", "paused", "stuck")


class RunQuery(Record):
    """Which runs a list holds, and which page of it.

    `parent_run_id`, `workflow_id`, `paused` and `stuck` are lists of their own: no other filter
    goes with them.

    Attributes:
        app_id: Only this app's.
        triggered_from: Only these triggers.
        status: Only runs in this status; other systems' words for it will do.
        definition_id: Only runs of this definition.
        owner: Only this owner's.
        workflow_type: Only this class.
        label: Only runs that carry all of these, each `key=value`.
        since: Created then or later.
        until: Created before.
        chunks: Whether chunks of large maps are shown too.
        parent_run_id: What this run started.
        workflow_id: Runs that used this id.
        paused: Runs with an open pause, latest pause first.
        stuck: Open runs that do not move.
        order: `updated` gives those of a status by what has rested longest.
        limit: Rows per page.
        cursor: `next` of the page before.
    """

    app_id: Text | None = None
    triggered_from: list[Text] = Field(default_factory=list, max_length=32)
    status: Text | None = None
    definition_id: UUID | None = None
    owner: Text | None = None
    workflow_type: TemporalName | None = None
    label: list[Text] = Field(default_factory=list, max_length=5)
    since: Time | None = None
    until: Time | None = None
    chunks: bool = False
    parent_run_id: UUID | None = None
    workflow_id: TemporalName | None = None
    paused: bool = False
    stuck: bool = False
    order: Literal["created", "updated"] = "created"
    limit: int = Field(20, ge=1, le=100)
    cursor: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fields = type(self).model_fields if self.model_fields_set - _ANYWHERE else ()
        given = [name for name in fields if name not in _ANYWHERE and getattr(self, name)]
        alone = [name for name in given if name in _ALONE]
        if alone and len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")
        if self.order == "updated" and given != ["status"]:
            raise ValueError("order=updated goes with status, and with no other filter")
        self.labels()
        return self

    def labels(self) -> dict[str, str]:
        """Return the labels that runs must carry.

        Raises:
            ValueError: If one is not of the form `key=value`, or a key stands twice.
        """
        found: dict[str, str] = {}
        for pair in self.label:
            key, separator, value = pair.partition("=")
            if not (key and separator) or key in found:
                raise ValueError(f"label {pair!r} is not key=value, or stands twice")
            found[key] = value
        return found


class RunCounts(Record):
    """How many runs are in each status.

    Attributes:
        window: How far back, for example `7d`.
        counts: Number of runs created since then, by status; every status is there.
    """

    window: str
    counts: dict[RunStatus, int]
