"""A handle on one run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.executions import first_run_id, unavailable
from flowkeep.clients.outcome import pending_activities, why_it_failed
from flowkeep.clients.watched_tasks import WatchedTasks
from flowkeep.contracts import Run, RunStatus, Source
from flowkeep.contracts.progress import RunProgress, compute_progress
from flowkeep.errors import AlreadyTerminal, Conflict, RunFailed
from flowkeep.recording.outcome import described_outcome, described_status

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_CLOSE_RECORD_SECONDS = 1.0


class RunHandle:
    """One run: its result, its status, and what can be done to it.

    Attributes:
        tenant_id: Whose run it is.
        run_id: Our id.
        workflow_id: Temporal's workflow id.
        temporal_run_id: Temporal's id of the execution that was started or found.
        created: Whether the call that returned this handle started the run.
    """

    def __init__(
        self,
        client: "WorkflowClient",
        *,
        tenant_id: str,
        run_id: UUID,
        workflow_id: str,
        temporal_run_id: str | None,
        created: bool,
    ) -> None:
        self._client = client
        self.tenant_id = tenant_id
        self.run_id = run_id
        self.workflow_id = workflow_id
        self.temporal_run_id = temporal_run_id
        self.created = created

    def __repr__(self) -> str:
        return f"RunHandle(run_id={self.run_id}, workflow_id={self.workflow_id!r})"

    async def run(self) -> Run:
        """Return the run; while the ledger has it open, Temporal is asked whether it still is.

        Raises:
            NotFound: If the ledger has no such run.
            TemporalUnavailable: If the run is open and Temporal cannot be asked;
                `client.store.runs.get` reads the ledger alone.
        """
        run, _ = await self._look()
        return run

    async def result(self) -> Any:
        """Wait for the end and return the result; of a run that Temporal forgot, the ledger's.

        Raises:
            RunFailed: If it did not succeed; says why.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        execution = await self._await_start()
        if execution is None:
            return await self._recorded_result()
        try:
            return await self._await_end(execution)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise unavailable(error) from error
            return await self._recorded_result()

    async def _await_start(self) -> str | None:
        """Wait until Temporal has the run; None if it ended without."""
        delay = 0.02
        while True:
            execution = await self._some_execution()
            if execution is not None:
                return execution
            if (await self._ledger()).status.terminal:
                return None
            description = await self._settle()
            if description is not None:
                return first_run_id(description)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)

    async def _await_end(self, execution: str | None) -> Any:
        awaited = {execution}
        while True:
            try:
                return await self._temporal(execution).result(follow_runs=True)
            except WorkflowFailureError as error:
                description = await self._settle()
                if description is None or description.run_id in awaited:
                    raise RunFailed(self.run_id, *why_it_failed(error)) from error
                # A reset ends one execution and goes on in another, which nothing points to.
                execution = description.run_id
                awaited.add(execution)

    async def status(self) -> RunStatus:
        """Return the status of `run`."""
        return (await self.run()).status

    async def watch(self, interval_seconds: float = 0.5) -> AsyncIterator[RunProgress]:
        """Yield snapshots until the run has ended; the last one shows the end.

        Args:
            interval_seconds: Time between two snapshots.
        """
        tasks = WatchedTasks(self._client.store)
        while True:
            run, description = await self._look()
            pending = [] if description is None else pending_activities(description)
            yield compute_progress(run, await tasks.of(run), pending, datetime.now(UTC))
            if run.status.terminal:
                return
            await asyncio.sleep(interval_seconds)

    async def pause(self, reason: str | None = None) -> None:
        """Let no further activity start.

        Args:
            reason: Why; shown in the ledger.

        Raises:
            AlreadyTerminal: If the run has ended.
        """
        await self._signal("pause", reason)

    async def resume(self, patch: dict[str, Any] | None = None) -> None:
        """Let activities start again.

        Args:
            patch: Merged into the run's state.

        Raises:
            AlreadyTerminal: If the run has ended.
        """
        await self._signal("resume", patch)

    async def cancel(self, reason: str | None = None) -> None:
        """Ask the run to cancel itself; its cleanup code runs.

        Args:
            reason: Why; kept in the ledger and in Temporal.

        Raises:
            AlreadyTerminal: If the run has ended.
            Conflict: If Temporal does not know the run, because its start was lost.
        """
        handle = await self._open()
        await self._client.store.runs.request_cancel(self.tenant_id, self.run_id, reason=reason)
        with self._translated():
            await handle.cancel(reason=reason or "")

    async def terminate(self, reason: str | None = None, *, record: bool = True) -> None:
        """End the run at once; its code does not get to clean up.

        Args:
            reason: Why; kept in the ledger and in Temporal.
            record: Whether to write the end into the ledger; False for a run that is deleted next.

        Raises:
            AlreadyTerminal: If the run has ended.
        """
        handle = await self._open()
        with self._translated():
            await handle.terminate(reason=reason)
        if record:
            await self._settle()

    async def _open(self) -> WorkflowHandle[Any, Any]:
        """Return Temporal's handle on the execution that is open now."""
        description = await self._settle()
        if description is None:
            status = (await self._ledger()).status
            if not status.terminal:
                raise Conflict(
                    f"run {self.run_id} is {status} and Temporal does not know it",
                    hint="it is started within a minute, or by a start with the same workflow_id",
                )
        if description is None or described_status(description).terminal:
            raise self._ended()
        return self._temporal(description.run_id)

    def _temporal(self, temporal_run_id: str | None) -> WorkflowHandle[Any, Any]:
        return self._client.temporal.get_workflow_handle(self.workflow_id, run_id=temporal_run_id)

    async def _signal(self, name: str, argument: Any) -> None:
        handle = await self._open()
        with self._translated():
            await handle.signal(name, args=[argument])

    async def _ledger(self) -> Run:
        return await self._client.store.runs.get(self.tenant_id, self.run_id)

    async def _look(self) -> tuple[Run, WorkflowExecutionDescription | None]:
        """Return the run as it is, and what Temporal says of it while it is open."""
        run = await self._ledger()
        if run.status.terminal:
            return run, None
        description = await self._settle()
        run = await self._ledger()
        if description is not None and run.status is RunStatus.PENDING:
            # Accepted, and neither its starter nor a worker has said so yet.
            await self._client.launcher.note_accepted(run, description)
            run = await self._ledger()
        return run, description

    async def _settle(self) -> WorkflowExecutionDescription | None:
        """Describe the newest execution and record an end that nobody has reported yet."""
        description = await self._client.executions.describe(self.workflow_id)
        if description is not None and not await self._is_ours(description):
            # Another run uses the workflow_id by now, so ours has ended; Temporal may know how.
            execution = await self._some_execution()
            if execution is None:
                return None
            description = await self._client.executions.describe(self.workflow_id, execution)
        if description is None:
            return None
        if self.temporal_run_id is None:
            self.temporal_run_id = first_run_id(description)
        outcome = await described_outcome(self._temporal(description.run_id), description)
        if outcome is not None and await self._unreported(outcome.status):
            await self._client.store.runs.record_outcome(
                self.tenant_id,
                self.run_id,
                outcome.status,
                source=Source.SERVER,
                closed_at=outcome.closed_at,
                error=outcome.error,
                failure_reason=outcome.failure_reason,
            )
        return description

    async def _unreported(self, status: RunStatus) -> bool:
        """Tell whether the ledger still lacks this outcome; its own report may be on its way."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSE_RECORD_SECONDS
        while True:
            recorded = (await self._ledger()).status
            if recorded is status:
                return False
            if recorded.terminal or loop.time() > deadline:
                return True
            await asyncio.sleep(0.02)

    async def _is_ours(self, description: WorkflowExecutionDescription) -> bool:
        found = {first_run_id(description), description.run_id}
        if self.temporal_run_id in found:
            return True
        if await self._client.executions.run_id_of(description) == self.run_id:
            return True
        segments = await self._client.store.runs.list_segments(self.tenant_id, self.run_id)
        return any(segment.temporal_run_id in found for segment in segments)

    async def _some_execution(self) -> str | None:
        """Return any execution of this run; Temporal follows the chain from there."""
        if self.temporal_run_id is not None:
            return self.temporal_run_id
        segments = await self._client.store.runs.list_segments(self.tenant_id, self.run_id)
        return segments[-1].temporal_run_id if segments else None

    async def _recorded_result(self) -> Any:
        run = await self._ledger()
        if run.status is RunStatus.SUCCEEDED:
            return run.outputs
        message = run.error.message if run.error else "Temporal no longer knows the run"
        raise RunFailed(self.run_id, run.status, message)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what Temporal answers to a message into our errors."""
        try:
            yield
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise unavailable(error) from error
            raise self._ended() from error

    def _ended(self) -> AlreadyTerminal:
        return AlreadyTerminal(f"run {self.run_id} has already ended", hint="start a new run")
