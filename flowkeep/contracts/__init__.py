"""What crosses a border: ids, statuses, inputs, outputs and records.

Nothing here imports Temporal or a database: only the standard library and pydantic, so workflow
code, clients and repositories can all share these types. Behaviour that needs I/O does not belong
here.
"""

from flowkeep.contracts.identity import Identity, RunRef, derive_run_id
from flowkeep.contracts.messages import (
    CheckResult,
    MapChunkInput,
    MapResult,
    PauseRequest,
    PreflightResult,
    Progress,
)
from flowkeep.contracts.page import Page
from flowkeep.contracts.records import (
    Attempt,
    ErrorInfo,
    Event,
    NewRun,
    Pause,
    Run,
    RunSummary,
    SegmentClose,
    StateEntry,
    Task,
)
from flowkeep.contracts.segment import Segment
from flowkeep.contracts.status import (
    EventKind,
    FailureReason,
    RunKind,
    RunStatus,
    SegmentKind,
    Source,
    StateType,
    TaskStatus,
    TaskType,
    check_move,
    run_status,
    task_status,
)

__all__ = [
    "Attempt",
    "CheckResult",
    "ErrorInfo",
    "Event",
    "EventKind",
    "FailureReason",
    "Identity",
    "MapChunkInput",
    "MapResult",
    "NewRun",
    "Page",
    "Pause",
    "PauseRequest",
    "PreflightResult",
    "Progress",
    "Run",
    "RunKind",
    "RunRef",
    "RunStatus",
    "RunSummary",
    "Segment",
    "SegmentClose",
    "SegmentKind",
    "Source",
    "StateEntry",
    "StateType",
    "Task",
    "TaskStatus",
    "TaskType",
    "check_move",
    "derive_run_id",
    "run_status",
    "task_status",
]
