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
    ErrorInfo,
    Event,
    NewRun,
    Pause,
    Run,
    RunSummary,
    SegmentClose,
    StateEntry,
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
from flowkeep.contracts.tasks import (
    NO_EXECUTION,
    Attempt,
    NewTask,
    Task,
    TaskKey,
    TaskSummary,
    check_task_move,
    task_activity_id,
)

__all__ = [
    "NO_EXECUTION",
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
    "NewTask",
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
    "TaskKey",
    "TaskStatus",
    "TaskSummary",
    "TaskType",
    "check_move",
    "check_task_move",
    "derive_run_id",
    "run_status",
    "task_activity_id",
    "task_status",
]
