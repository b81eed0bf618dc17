"""The ledger's rows of child runs, and how what a definition runs ends."""

import asyncio
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
)
from temporalio.exceptions import TimeoutError as TemporalTimeout

from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.definitions.plan_commands import CallAction, RunChild
from flowkeep.errors import FlowkeepError, InvalidInput
from flowkeep.workflows.definition_waits import CANCELLED, Open, Tell

M = TypeVar("M", bound=BaseModel)


class Row:
    """The ledger's row of a child run, from its begin to its end.

    Args:
        tell: Hears every note for the ledger.
        command: What it is begun for.
        shown: Its input.

    Attributes:
        opened: What the ledger was told when it began; None until then.
    """

    def __init__(self, tell: Tell, command: CallAction | RunChild, shown: Any) -> None:
        self._tell = tell
        self._place = Open.of(command)
        self._more: dict[str, Any] = {"input": shown}
        self.opened: TaskNote | None = None

    def begin(self, **more: Any) -> None:
        """Say that it has begun."""
        self._more |= more
        self.opened = self._note(TaskStatus.RUNNING)
        self._tell(self.opened)

    def end(self, task: "asyncio.Task[Any]") -> None:
        """Say how it ended, whether or not it ever began."""
        if task.cancelled():
            never = {} if self.opened else {"started_at": None}
            self._tell(self._note(TaskStatus.CANCELLED, error=CANCELLED, **never))
        elif (error := task.exception()) is None:
            self._tell(self._note(TaskStatus.SUCCEEDED, output=task.result()))
        else:
            status, _, told = failure_of(error)
            self._tell(self._note(status, error=told))

    def _note(self, status: TaskStatus, **more: Any) -> TaskNote:
        return self._place.row(TaskType.CHILD, status, **self._more, **more)


def checked_input(model: type[M], values: dict[str, Any]) -> M:
    """Return the rendered input of what the workflow carries out itself, checked.

    Args:
        model: What it takes.
        values: The input.

    Raises:
        InvalidInput: If it does not fit; names each field, never a value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(
            f"input.{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in told
        )
        raise InvalidInput(text, hint=f"it takes {', '.join(model.model_fields)}") from None


def failure_of(error: BaseException) -> tuple[TaskStatus, None, dict[str, Any] | None]:
    """Return how something ended that raised."""
    cause = error
    while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
        cause = cause.cause
    if isinstance(cause, asyncio.CancelledError | CancelledError):
        return TaskStatus.CANCELLED, None, CANCELLED
    if isinstance(cause, TemporalTimeout):
        told = {"code": "TIMEOUT", "type": "TimeoutError", "message": str(cause)}
        return TaskStatus.TIMED_OUT, None, told
    kind = (cause.type or "") if isinstance(cause, ApplicationError) else type(cause).__name__
    message = cause.message if isinstance(cause, FailureError) else str(cause)
    told = {"code": _code(cause) or kind or "FAILED", "type": kind or "Error", "message": message}
    return TaskStatus.FAILED, None, told


def _code(error: BaseException) -> str | None:
    """Return the stable code that flowkeep's errors carry."""
    if isinstance(error, FlowkeepError):
        return error.code
    details = error.details if isinstance(error, ApplicationError) else ()
    first = details[0] if details else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, str) else None
