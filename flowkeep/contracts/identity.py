"""Who a run is: the identity in the header, and the id of runs that came without one."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.contracts.status import RunKind, SegmentKind

HEADER = "flowkeep"
"""Name of the Temporal header, and of the memo field with the same content."""

MAP_CHUNK_TYPE = "flowkeep.MapChunk"
"""Workflow type of the child that executes one chunk of a `map`."""

DEFINITION_TYPE = "flowkeep.Definition"
"""Workflow type of the runs of definitions."""

RECORD_PAUSE = "flowkeep.record_pause"
"""Flowkeep's own local activity: a run paused or resumed."""

RECORD_TASKS = "flowkeep.record_tasks"
"""Flowkeep's own local activity: tasks that no activity carries out."""

RECORD_ACTIVITIES = frozenset({RECORD_PAUSE, RECORD_TASKS})
"""What workflow code tells the recorder by; never counted and never recorded as tasks."""

VERSION = 1
"""Version of the header. It fixes which commands the workflow interceptor issues, so that older
histories replay."""

_MOST_TASKS = 2**53


UNCOUNTED = -1
"""Count of a chain that only its histories can prove."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the header `flowkeep` says of a run; absent values are null.

    Attributes:
        run_id: Our id of the run, as text; null in a schedule, whose firings derive their own.
        tenant_id: Owner boundary.
        app_id: Container inside the tenant.
        workflow_id: Whom the run id is for: header and memo that were copied to another workflow
            name another. Null in a schedule, whose firings have ids of their own.
        root_run_id: The topmost run of the tree, null for the root itself.
        parent_run_id: The run that started this one.
        first_run_id: Temporal's id of the first execution of the chain.
        origin_type: The user's workflow type; a `map` chunk passes its parent's on.
        count: Tasks counted by the earlier executions of this chain; `UNCOUNTED` where not all of
            them succeeded.
        triggered_from: What started a run that no client recorded beforehand: `schedule`; null
            where a client or a parent did, or nobody knows.
        schedule_id: The schedule of ours that it is a firing of.
        v: Version of the header.
    """

    run_id: str | None = None
    tenant_id: str = "default"
    app_id: str | None = None
    workflow_id: str | None = None
    root_run_id: str | None = None
    parent_run_id: str | None = None
    first_run_id: str | None = None
    origin_type: str | None = None
    count: int = 0
    triggered_from: str | None = None
    schedule_id: str | None = None
    v: int = VERSION

    def to_header(self) -> dict[str, Any]:
        """Return the plain JSON object that travels."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_header(cls, value: dict[str, Any]) -> "Identity":
        """Read a header; keys that a later version added are ignored.

        One that cannot be ours says nothing: whoever set it must not fail what carries it.
        """
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        said = cls(**known)
        return said if said._is_possible() else cls()

    def _is_possible(self) -> bool:
        texts = (
            self.app_id,
            self.workflow_id,
            self.first_run_id,
            self.origin_type,
            self.triggered_from,
        )
        return (
            all(
                map(
                    _is_run_id,
                    (self.run_id, self.root_run_id, self.parent_run_id, self.schedule_id),
                )
            )
            and all(text is None or isinstance(text, str) for text in texts)
            and isinstance(self.tenant_id, str)
            and isinstance(self.count, int)
            and UNCOUNTED <= self.count < _MOST_TASKS
        )

    def said_of(self, workflow_id: str) -> "Identity":
        """Return what this says of a workflow; copied from another, it says only whose it is."""
        if self.workflow_id in (None, workflow_id):
            return self
        return Identity(tenant_id=self.tenant_id, app_id=self.app_id)

    def evolve(self, **changes: Any) -> "Identity":
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def _is_run_id(value: Any) -> bool:
    if value is None:
        return True
    try:
        UUID(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class RunRef:
    """Everything a record must say of the Temporal execution it belongs to.

    Enough to create the run and its segment when this is the first record of them.

    Attributes:
        segment_kind: Why Temporal began this execution; null where whoever reports cannot tell.
        began_at: When it began, where its id does not say: only a run's first execution has an id
            with a time in it. It orders the executions of a run, however late they are reported.
        schedule_id: The schedule of ours that it is a firing of.
    """

    run_id: UUID
    tenant_id: str
    namespace: str
    workflow_id: str
    temporal_run_id: str
    workflow_type: str
    task_queue: str
    app_id: str | None = None
    first_run_id: str | None = None
    root_run_id: UUID | None = None
    parent_run_id: UUID | None = None
    kind: RunKind = RunKind.RUN
    triggered_from: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    segment_kind: SegmentKind | None = None
    began_at: datetime | None = None
    schedule_id: UUID | None = None


def derive_run_id(namespace: str, workflow_id: str, first_run_id: str) -> UUID:
    """Derive the id of a run that came without our header, alike wherever it is derived.

    The result is shaped like a UUIDv7 (RFC 9562, section 5.7): its 48-bit time is taken from the
    first run id where that is itself a UUIDv7 and is zero otherwise; the rest is a SHA-256 of
    namespace, workflow id and first run id, so that two namespaces never share an id.

    Args:
        namespace: Temporal namespace.
        workflow_id: Temporal workflow id.
        first_run_id: Temporal id of the first execution of the chain.
    """
    digest = hashlib.sha256("\x00".join((namespace, workflow_id, first_run_id)).encode()).digest()
    try:
        first = UUID(first_run_id)
        millis = first.int >> 80 if first.version == 7 else 0
    except ValueError:
        millis = 0
    rest = int.from_bytes(digest[:10], "big")
    value = (millis << 80) | rest
    value = (value & ~(0xF << 76)) | (0x7 << 76)  # version 7
    value = (value & ~(0x3 << 62)) | (0x2 << 62)  # variant of RFC 9562
    return UUID(int=value)
