"""Why tasks and runs fail, as plans write it down."""

from collections.abc import Mapping
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import Finish
from flowkeep.errors import FlowkeepError

Failure = dict[str, Any] | None
"""Why a task failed: `{code, type, message}` and what else was told; None if it did not."""

FAILING = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED})
"""How a task ends that did not do what it was for."""

_DEFAULTS = {
    TaskStatus.FAILED: ("TASK_FAILED", "no reason was given"),
    TaskStatus.TIMED_OUT: ("TASK_TIMED_OUT", "it took longer than it may"),
    TaskStatus.CANCELLED: ("TASK_CANCELLED", "nobody cancelled the run"),
}
_ENDED_AS = {
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMED_OUT: "timed out",
    TaskStatus.CANCELLED: "was cancelled",
}


def failure_of(error: FlowkeepError) -> dict[str, Any]:
    """Return an error as tasks carry it."""
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}


def complete_failure(status: TaskStatus, error: Mapping[str, Any] | None) -> Failure:
    """Return why a task failed with code, type and message, whatever was told of them.

    Args:
        status: How it ended.
        error: What was told.

    Returns:
        The reason; None if it did not fail.
    """
    if status not in FAILING:
        return None
    code, message = _DEFAULTS[status]
    told = {name: value for name, value in (error or {}).items() if value is not None}
    return {"code": code, "type": None, "message": message, **told}


def failed_run(error: Mapping[str, Any], task: str | None = None) -> Finish:
    """Return the end of a run that failed.

    Args:
        error: Why, with code and message.
        task: The task to blame; None where there is none.
    """
    return Finish(
        "failed", error={"code": error["code"], "message": error["message"], "task": task}
    )


def failed_by(task: str, status: TaskStatus, error: Mapping[str, Any]) -> Finish:
    """Return the end of a run in which a task failed and nothing took care of that."""
    message = f"task {task!r} {_ENDED_AS[status]}: {error['message']}"
    return failed_run({"code": error["code"], "message": message}, task)
