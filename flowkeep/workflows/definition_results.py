"""How runs of definitions end, and the ledger's rows of what nothing is called for."""

import asyncio
from typing import Any

from temporalio import workflow

from flowkeep.contracts.definition_run import INLINE_BYTES
from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.definitions import schemas
from flowkeep.definitions.plan_commands import Finish, Note
from flowkeep.definitions.spec import DefinitionSpec, Kind
from flowkeep.errors import FlowkeepError, InvalidInput

ROOM_BYTES = 4 * 1024 * 1024
"""About how many bytes of JSON the results of all tasks, or of all items of one, may have that stay
in the memory of a run; the rest is kept by reference."""

LEAST_BYTES = 1024
"""A result of no more bytes stays in any case: a reference to it would hardly be smaller."""

_TYPES = {Kind.HUMAN: TaskType.HUMAN, Kind.WORKFLOW: TaskType.CHILD}


class DefinitionFailed(FlowkeepError):
    """A run of a definition failed; the message names the task.

    It may be tried again as a whole where a task says so that runs it as a child.
    """

    code = "DEFINITION_FAILED"
    retryable = True


class Room:
    """How big a result may be that stays in the memory of its run.

    Tasks, and the calls of a task with items, have equal shares. So it does not matter which of
    them ends first, and what templates can look into does not change from run to run.

    Args:
        spec: The definition.
    """

    def __init__(self, spec: DefinitionSpec) -> None:
        self._tasks = sum(1 for _ in spec.all_tasks())

    def share(self, calls: int) -> int:
        """Return the most bytes of JSON of one result.

        Args:
            calls: How many calls the task has: items or batches.
        """
        share = ROOM_BYTES // max(calls, self._tasks, 1)
        return max(LEAST_BYTES, min(INLINE_BYTES, share))


def note_of(command: Note) -> TaskNote:
    """Return the ledger's row of a task that nothing is called for."""
    now = workflow.now()
    error = command.error
    return TaskNote(
        activity_id=command.ref.text,
        task_name=command.ref.name,
        task_index=command.ref.index,
        batch=None if command.batch is None else str(command.batch),
        type=_TYPES.get(command.task.kind, TaskType.ITEM),
        status=command.status,
        at=now,
        started_at=None if command.status is TaskStatus.SKIPPED else now,
        input=command.input,
        output=command.output,
        error=None
        if error is None
        else ErrorInfo(
            code=error.get("code") or "FAILED",
            type=error.get("type") or "Error",
            message=error.get("message") or "failed",
        ),
        event=f"task_{command.reason}" if command.reason else None,
    )


def result_of(spec: DefinitionSpec, finish: Finish) -> Any:
    """Return the result of a run, or raise what it ends with.

    Args:
        spec: The definition.
        finish: How its plan ended.

    Raises:
        CancelledError: If it was cancelled.
        DefinitionFailed: If a task failed and nothing handles it.
        InvalidInput: If the result does not fit the output schema; names the path.
    """
    if finish.status == "cancelled":
        raise asyncio.CancelledError
    if finish.status == "failed":
        error = finish.error or {}
        raise DefinitionFailed(error.get("message") or "failed", code=error.get("code"))
    if spec.output:
        try:
            schemas.require(spec.output, finish.result, "output")
        except InvalidInput as error:
            raise InvalidInput(
                error.message, hint="see output and output_map", code="OUTPUT_MISMATCH"
            ) from None
    return finish.result
