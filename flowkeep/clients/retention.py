"""The schedule that applies retention policies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts import StateType
from flowkeep.contracts.identity import HEADER, Identity
from flowkeep.contracts.retention_run import RETENTION_TYPE, RetentionArguments
from flowkeep.errors import InvalidInput, NotFound, TemporalUnavailable

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_SHORTEST = timedelta(minutes=1)
_CATCH_UP = timedelta(hours=1)
"""How late a firing may come that the server missed; the next one does the same work anyway."""


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule as Temporal has it.

    Attributes:
        schedule_id: Its id in Temporal, and the key of its arguments in the state store.
        every: Time between two firings.
        task_queue: Where a worker must serve `flowkeep.workflows.retention`.
        paused: Whether it fires.
        running: Workflow ids of its firings that run now.
        last_at: When it fired last.
        next_at: When it fires next.
    """

    schedule_id: str
    every: timedelta | None
    task_queue: str
    paused: bool
    running: list[str]
    last_at: datetime | None
    next_at: datetime | None


class RetentionSchedule:
    """The schedule of one tenant, or the one for all tenants.

    Args:
        client: A connected client.
        tenant_id: Whose policies; also who the runs belong to.
        all_tenants: Apply the policies of every tenant instead.
    """

    def __init__(
        self, client: "WorkflowClient", tenant_id: str = "default", *, all_tenants: bool = False
    ) -> None:
        self._client = client
        self._tenant_id = tenant_id
        self._all_tenants = all_tenants
        self.schedule_id = (
            "flowkeep-retention" if all_tenants else f"flowkeep-retention:{tenant_id}"
        )

    async def put(
        self,
        every: timedelta,
        *,
        task_queue: str | None = None,
        batch_size: int = 500,
        max_runs_per_second: float | None = None,
    ) -> bool:
        """Create the schedule, or bring the existing one to these values; a pause stays.

        Args:
            every: Time between two firings, a minute at least.
            task_queue: Where a worker serves it; the setting `FLOWKEEP_TASK_QUEUE` when left out.
            batch_size: Most runs per transaction.
            max_runs_per_second: Throttle; None for none.

        Returns:
            Whether it was created.

        Raises:
            InvalidInput: If `every` is too short.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        if every < _SHORTEST:
            raise InvalidInput(f"every is {every}", hint="use a minute or more")
        arguments = RetentionArguments(
            all_tenants=self._all_tenants,
            batch_size=batch_size,
            max_runs_per_second=max_runs_per_second,
        )
        await self._client.store.state.save_state(
            self._tenant_id,
            self.schedule_id,
            arguments.model_dump(mode="json"),
            StateType.WORKFLOWS,
        )
        wanted = self._schedule(every, task_queue or self._client.settings.worker.task_queue)
        with self._translated():
            try:
                await self._client.temporal.create_schedule(self.schedule_id, wanted)
            except ScheduleAlreadyRunningError:
                await self._handle.update(lambda current: _changed(current, wanted))
                return False
        return True

    async def show(self) -> ScheduleInfo:
        """Return the schedule.

        Raises:
            NotFound: If there is none.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        with self._translated():
            return _info(await self._handle.describe())

    async def pause(self, note: str | None = None) -> None:
        """Let it fire no more until `resume`; raises as `show` does."""
        with self._translated():
            await self._handle.pause(note=note)

    async def resume(self) -> None:
        """Let it fire again; raises as `show` does."""
        with self._translated():
            await self._handle.unpause()

    async def trigger(self) -> None:
        """Fire once, now; raises as `show` does."""
        with self._translated():
            await self._handle.trigger()

    async def delete(self) -> None:
        """Remove the schedule; runs of it go on. Raises as `show` does."""
        with self._translated():
            await self._handle.delete()
        await self._client.store.state.delete_state(
            self._tenant_id, self.schedule_id, StateType.WORKFLOWS
        )

    @property
    def _handle(self) -> ScheduleHandle:
        return self._client.temporal.get_schedule_handle(self.schedule_id)

    def _schedule(self, every: timedelta, task_queue: str) -> Schedule:
        identity = Identity(tenant_id=self._tenant_id)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                RETENTION_TYPE,
                {"workflow_id": self.schedule_id},
                id=self.schedule_id,
                task_queue=task_queue,
                memo={HEADER: identity.to_header()},
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
            policy=SchedulePolicy(
                overlap=ScheduleOverlapPolicy.SKIP, catchup_window=min(every, _CATCH_UP)
            ),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound(
                    f"there is no schedule {self.schedule_id!r}",
                    hint="create it: flowkeep retention schedule --every 1d",
                ) from None
            raise TemporalUnavailable(f"Temporal did not answer: {error.message}") from error


def _changed(current: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    wanted.state = current.description.schedule.state
    return ScheduleUpdate(wanted)


def _info(found: ScheduleDescription) -> ScheduleInfo:
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    intervals = found.schedule.spec.intervals
    recent, ahead = found.info.recent_actions, found.info.next_action_times
    return ScheduleInfo(
        schedule_id=found.id,
        every=intervals[0].every if intervals else None,
        task_queue=action.task_queue,
        paused=found.schedule.state.paused,
        running=[
            one.workflow_id for one in found.info.running_actions if hasattr(one, "workflow_id")
        ],
        last_at=recent[-1].started_at if recent else None,
        next_at=ahead[0] if ahead and not found.schedule.state.paused else None,
    )
