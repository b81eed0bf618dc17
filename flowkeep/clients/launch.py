"""Telling Temporal to start a recorded run.

The SDK draws a new request id per call, so the server cannot tell a repeated start from a new one:
whenever the answer is "already started", or there is no answer, we describe first and decide by
the memo whose run it is.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from temporalio.client import WorkflowExecutionDescription
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from flowkeep.clients.executions import first_run_id, is_outage
from flowkeep.clients.request import StartRequest
from flowkeep.contracts import (
    ErrorInfo,
    FailureReason,
    Run,
    RunRef,
    RunStarted,
    SegmentClose,
    Source,
)
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import AlreadyTerminal, InvalidInput, TemporalUnavailable
from flowkeep.recording.outcome import described_outcome, described_status
from flowkeep.statestore.repositories.request_answers import taken

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Launched:
    """A run that Temporal has.

    Attributes:
        temporal_run_id: Temporal's id of its first execution.
        started: Whether this call started it; else it was found started.
    """

    temporal_run_id: str
    started: bool


class Launcher:
    """Starts recorded runs.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._temporal = client.temporal
        self._store = client.store
        self._notes = client.notes
        self._executions = client.executions

    async def launch(self, request: StartRequest, *, used_before: bool = False) -> Launched | None:
        """Tell Temporal, at most ten seconds in all.

        Args:
            request: A run that the ledger has as `pending`.
            used_before: Whether the ledger knows that its workflow_id was another run's before.

        Returns:
            None if the workflow_id is taken by a workflow that was started elsewhere: the run has
            failed, the other one is adopted.

        Raises:
            InvalidInput: If Temporal refuses the start; the run has failed.
            TemporalUnavailable: If Temporal does not answer; the run stays pending.
        """
        reuse = WorkflowIDReusePolicy.REJECT_DUPLICATE
        if used_before:
            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
        delay = 0.1
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    try:
                        return await self._call(request, reuse)
                    except WorkflowAlreadyStartedError:
                        pass
                    except RPCError as error:
                        if not is_outage(error):
                            raise await self._refused(request, error) from error
                    description = await self._executions.describe(request.workflow_id)
                    if description is not None:
                        if await self._executions.run_id_of(description) == request.run_id:
                            return await self.adopt_own(request, description)
                        if not described_status(description).terminal:
                            await self._yield_to_other(request, description)
                            return None
                        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 2.0)
        except TimeoutError as error:
            raise TemporalUnavailable(
                f"Temporal did not accept run {request.run_id} within {_START_SECONDS:.0f} s; it "
                "stays pending",
                hint="it is started when Temporal is back; the same start goes on with it, too",
            ) from error

    async def adopt_own(
        self, request: StartRequest, description: WorkflowExecutionDescription
    ) -> Launched:
        """Say in the ledger that Temporal has a recorded run, and how it ended if it has."""
        first = first_run_id(description)
        await self._notes.write(self._started(request, first))
        exact = self._temporal.get_workflow_handle(description.id, run_id=description.run_id)
        outcome = await described_outcome(exact, description)
        if outcome is not None:
            close = SegmentClose(
                run=await self._executions.ref_of(description),
                status=outcome.status,
                closed_at=outcome.closed_at,
                error=outcome.error,
                failure_reason=outcome.failure_reason,
                source=Source.SERVER,
            )
            await self._store.system.record((), closes=[close])
        return Launched(first, started=False)

    async def note_accepted(self, run: Run, description: WorkflowExecutionDescription) -> None:
        """Say in the ledger, now, that Temporal has a run that is recorded as pending."""
        note = self._started(StartRequest.of(run), first_run_id(description))
        await self._notes.write(note)

    async def fail(self, tenant_id: str, run_id: UUID, code: str, message: str) -> None:
        """Fail a run that cannot be started."""
        await self._store.runs.fail(
            tenant_id,
            run_id,
            error=ErrorInfo(code=code, type="StartFailed", message=message, retryable=False),
            failure_reason=FailureReason.START_FAILED,
        )

    async def _call(self, request: StartRequest, reuse: WorkflowIDReusePolicy) -> Launched:
        started = await self._temporal.start_workflow(
            request.workflow_type,
            {"workflow_id": request.workflow_id},
            id=request.workflow_id,
            task_queue=request.task_queue,
            memo={HEADER: request.identity.to_header()},
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=reuse,
            **request.options.arguments(),
        )
        temporal_run_id = started.first_execution_run_id or started.result_run_id
        assert temporal_run_id is not None
        self._notes.add(self._started(request, temporal_run_id))
        return Launched(temporal_run_id, started=True)

    def _started(self, request: StartRequest, temporal_run_id: str) -> RunStarted:
        """Return the note that Temporal accepted a run."""
        run = RunRef(
            run_id=request.run_id,
            tenant_id=request.tenant_id,
            namespace=self._temporal.namespace,
            workflow_id=request.workflow_id,
            temporal_run_id=temporal_run_id,
            workflow_type=request.workflow_type,
            task_queue=request.task_queue,
            app_id=request.app_id,
            first_run_id=temporal_run_id,
        )
        return RunStarted(run=run, started_at=datetime.now(UTC))

    async def _yield_to_other(
        self, request: StartRequest, description: WorkflowExecutionDescription
    ) -> None:
        """Give way to an open workflow that was started elsewhere, and adopt it."""
        await self.fail(
            request.tenant_id,
            request.run_id,
            "WORKFLOW_ID_TAKEN",
            f"workflow_id {request.workflow_id!r} is taken by a workflow started elsewhere",
        )
        other = await self._executions.ref_of(description)
        if other.tenant_id != request.tenant_id:
            raise taken(request.workflow_id)
        started_at = description.start_time
        await self._store.system.record((), starts=[RunStarted(run=other, started_at=started_at)])

    async def _refused(self, request: StartRequest, error: RPCError) -> Exception:
        with suppress(AlreadyTerminal):  # somebody else was refused the same
            await self.fail(request.tenant_id, request.run_id, "START_REFUSED", error.message)
        return InvalidInput(
            f"Temporal refuses to start run {request.run_id}: {error.message}",
            hint="correct the start options",
        )
