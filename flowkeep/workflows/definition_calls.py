"""Carries the commands of a plan to Temporal: activities and child runs."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from temporalio import workflow
from temporalio.common import RetryPolicy

from flowkeep.contracts.definition_loading import (
    DEFINITION_KEY,
    DEPTH_KEY,
    PARAMETERS_KEY,
    ActionFacts,
    child_key,
)
from flowkeep.contracts.definition_run import ActionCall, CallRetry
from flowkeep.contracts.identity import DEFINITION_TYPE
from flowkeep.contracts.named_tasks import NamedTask, TaskNote, named_task, started_child
from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import CallAction, RunChild, TaskRef
from flowkeep.definitions.spec import Retry, Task
from flowkeep.errors import InvalidInput
from flowkeep.workflows.definition_results import Room
from flowkeep.workflows.definition_rows import Row, checked_input, failure_of
from flowkeep.workflows.definition_waits import CANCELLED, End, Tell

LONGEST_ATTEMPT = timedelta(hours=2)
"""Longest that one attempt may take when neither task nor action says."""

HEARTBEAT = timedelta(seconds=60)
"""How long a worker may be silent until another attempt takes over."""
_PREPARE = "flowkeep.save_child_arguments"
_PREPARE_TIMEOUT = timedelta(minutes=2)
_PREPARE_RETRIES = RetryPolicy(maximum_interval=timedelta(seconds=5), maximum_attempts=120)
"""The ledger may be away for ten minutes."""
_OURS = "flowkeep."


class CodedInput(BaseModel):
    """What `core.workflow` takes."""

    model_config = ConfigDict(extra="forbid")

    workflow_type: str = Field(min_length=1, max_length=1000)
    arguments: dict[str, Any] = Field(default_factory=dict)
    task_queue: str | None = Field(default=None, min_length=1)
    workflow_id: str | None = Field(default=None, min_length=1, max_length=1000)


class Calls:
    """What a run has under way.

    Args:
        actions: What is known of actions, by ref.
        depth: How many definitions have called each other down to this run.
        room: How big a result may be that stays in the memory of the run.
        tell: Hears every note for the ledger.
        end: Hears how each ended: the task, its status, result and error.
    """

    def __init__(
        self,
        actions: Mapping[str, ActionFacts],
        depth: int,
        room: Room,
        tell: Tell,
        end: End,
    ) -> None:
        self._actions = actions
        self._depth = depth
        self._room = room
        self._tell = tell
        self._end = end
        self._running: dict[TaskRef, asyncio.Task[Any]] = {}
        self._rows: dict[TaskRef, Row] = {}

    def __len__(self) -> int:
        return len(self._running)

    @property
    def notes(self) -> list[TaskNote]:
        """What the ledger was told of child runs that are under way."""
        return [row.opened for row in self._rows.values() if row.opened is not None]

    @property
    def under_way(self) -> Collection[TaskRef]:
        """What has begun and not ended."""
        return self._running.keys()

    def begin(self, command: CallAction | RunChild) -> None:
        """Begin an action or a child run."""
        if isinstance(command, RunChild):
            assert command.task.workflow is not None
            facts = self._actions.get(child_key(command.task.workflow), _UNKNOWN)
            named = facts.definition or command.task.workflow
            self._run(command, command.parameters, self._child, named, command.parameters)
            return
        facts = self._facts(command)
        if facts.kind == "activity":
            self._call(command, facts)
        elif facts.kind == "definition":
            assert command.task.action is not None
            named = facts.definition or command.task.action
            self._run(command, command.input, self._child, named, command.input)
        else:
            self._run(command, command.input, self._coded)

    def is_timer(self, command: CallAction) -> bool:
        """Whether a call is no more than a wait."""
        return self._facts(command).kind == "timer"

    def _facts(self, command: CallAction) -> ActionFacts:
        return self._actions.get(command.task.action or "", _UNKNOWN)

    def cancel(self, ref: TaskRef) -> None:
        """Cancel what was begun; its end is still told."""
        running = self._running.get(ref)
        if running is not None:
            running.cancel()

    def _call(self, command: CallAction, facts: ActionFacts) -> None:
        task, ref = command.task, command.ref
        retry = _retry(task.retry, facts)
        token = named_task.set(_named(command))
        try:
            handle = workflow.start_activity(
                task.action or "",
                ActionCall(
                    task=ref.text,
                    input=command.input,
                    on_error=None if task.retry is None else task.retry.on_error,
                    retry=retry,
                    inline_bytes=self._room.share(command.calls),
                ),
                activity_id=ref.text,
                start_to_close_timeout=_longest(task.timeout, facts),
                heartbeat_timeout=HEARTBEAT,
                retry_policy=_policy(retry),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        finally:
            named_task.reset(token)
        self._watch(ref, handle)

    def _run(
        self, command: CallAction | RunChild, shown: Any, begin: Callable[..., Any], *given: Any
    ) -> None:
        row = Row(self._tell, command, shown)
        task = asyncio.create_task(begin(row, command, *given))
        self._rows[command.ref] = row
        task.add_done_callback(row.end)
        self._watch(command.ref, task)

    def _watch(self, ref: TaskRef, task: "asyncio.Task[Any]") -> None:
        self._running[ref] = task
        task.add_done_callback(lambda ended: self._ended(ref, ended))

    def _ended(self, ref: TaskRef, task: "asyncio.Task[Any]") -> None:
        del self._running[ref]
        self._rows.pop(ref, None)
        if task.cancelled():
            self._end(ref, TaskStatus.CANCELLED, None, CANCELLED)
            return
        error = task.exception()
        if error is None:
            self._end(ref, TaskStatus.SUCCEEDED, task.result(), None)
        else:
            self._end(ref, *failure_of(error))

    async def _child(
        self,
        row: Row,
        command: CallAction | RunChild,
        definition: str,
        parameters: dict[str, Any],
    ) -> Any:
        config = {
            "workflow_id": self._child_id(command),
            DEFINITION_KEY: definition,
            PARAMETERS_KEY: parameters,
            DEPTH_KEY: self._depth + 1,
        }
        return await self._child_run(row, command.task, DEFINITION_TYPE, config)

    async def _coded(self, row: Row, command: CallAction) -> Any:
        given = checked_input(CodedInput, command.input)
        if given.workflow_type.startswith(_OURS):
            raise InvalidInput(
                f"input.workflow_type is {given.workflow_type!r}, which is flowkeep's own",
                hint="name a workflow class of yours; definitions are called by their ref",
            )
        workflow_id = given.workflow_id or self._child_id(command)
        await workflow.execute_local_activity(
            _PREPARE,
            args=[workflow_id, given.arguments],
            start_to_close_timeout=_PREPARE_TIMEOUT,
            retry_policy=_PREPARE_RETRIES,
        )
        config = {"workflow_id": workflow_id}
        return await self._child_run(
            row, command.task, given.workflow_type, config, given.task_queue
        )

    def _child_id(self, command: CallAction | RunChild) -> str:
        return f"{workflow.info().workflow_id}/{command.ref.text}"

    async def _child_run(
        self,
        row: Row,
        task: Task,
        workflow_type: str,
        config: dict[str, Any],
        task_queue: str | None = None,
    ) -> Any:
        begun: list[str] = []
        started_child.set(begun)  # in a task of its own, so nobody else sees it
        limit = None if task.timeout is None else _seconds(task.timeout)
        handle = await workflow.start_child_workflow(
            workflow_type,
            config,
            id=config["workflow_id"],
            task_queue=task_queue,
            execution_timeout=limit,
            retry_policy=None if task.retry is None else _policy(_plain(task.retry)),
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        row.begin(
            child_workflow_id=handle.id,
            child_run_id=begun[0] if begun else None,
            timeout_seconds=task.timeout,
            deadline_at=None if limit is None else workflow.now() + limit,
        )
        return await handle


_UNKNOWN = ActionFacts()


def _named(command: CallAction) -> NamedTask:
    batch = None if command.batch is None else str(command.batch)
    return NamedTask(command.ref.name, command.ref.index, batch)


def _plain(retry: Retry) -> CallRetry:
    return CallRetry(
        count=retry.count,
        delay=retry.delay,
        backoff=retry.backoff.value,
        max_delay=retry.max_delay,
    )


def _retry(wanted: Retry | None, facts: ActionFacts) -> CallRetry:
    return facts.retry if wanted is None else _plain(wanted)


def _policy(retry: CallRetry) -> RetryPolicy:
    """Return Temporal's policy; a linear delay is named by the worker, attempt by attempt."""
    first = timedelta(seconds=max(retry.delay, 0.001))
    longest = None if retry.max_delay is None else max(_seconds(retry.max_delay), first)
    return RetryPolicy(
        initial_interval=first,
        backoff_coefficient=2.0 if retry.backoff == "exponential" else 1.0,
        maximum_interval=longest,
        maximum_attempts=retry.count + 1,
    )


def _longest(seconds: float | None, facts: ActionFacts) -> timedelta:
    wanted = facts.timeout if seconds is None else seconds
    return LONGEST_ATTEMPT if wanted is None else _seconds(wanted)


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
