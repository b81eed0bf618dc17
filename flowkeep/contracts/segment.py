"""One Temporal execution of a run, as stored."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import RunStatus, SegmentKind, Source


class Segment(BaseModel):
    """One Temporal execution of a run.

    Attributes:
        seq: Assigned by the database; grows with every segment it learns of.
        status: `running` while the execution is open and where it continued as new.
        expected_tasks: Tasks the workflow counted over its chain; null where nobody counted.
        error: Why this execution failed, also when a retry followed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    temporal_run_id: str
    run_id: UUID
    tenant_id: str
    seq: int
    kind: SegmentKind
    status: RunStatus
    expected_tasks: int | None
    error: ErrorInfo | None
    failure_reason: str | None
    started_at: datetime | None
    closed_at: datetime | None
    source: Source
