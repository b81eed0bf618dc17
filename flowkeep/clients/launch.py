"""Telling Temporal to start a recorded run.

The SDK draws a new request id per call, so the server cannot tell a repeated start from a new one:
whenever the answer is "already started", or there is no answer, we describe first and decide by
the memo whose run it is.
"""

import asyncio
import logging
from typing import TYPE_CHECKING
from uuid import UUID

from temporalio.client import WorkflowExecutionDescription
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.handle import RunHandle
from flowkeep.clients.options import StartOptions
from flowkeep.clients.request import StartRequest
from flowkeep.contracts import (
    ErrorInfo,
    EventKind,
    FailureReason,
    Identity,
    NewRun,
    Run,
    derive_run_id,
)
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import Conflict, InvalidInput, LedgerUnavailable, TemporalUnavailable
from flowkeep.recording.outcome import described_status

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_START_SECONDS = 10.0


class Launcher:
    """Starts recorded runs.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._temporal = client.temporal
        self._store = client.store

    async def launch(
        self, request: StartRequest, run_id: UUID, options: StartOptions, found: Run | None = None
    ) -> RunHandle | None:
        """Tell Temporal, at most ten seconds in all; None means: the ledger must be asked again."""
        reuse = await self._reuse(request, run_id)
        delay = 0.1
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    try:
                        return await self._call(request, run_id, options, reuse, found)
                    except WorkflowAlreadyStartedError:
                        description = await self.describe(request.workflow_id)
                        if description is not None:
                            if await self.run_id_of(description) == run_id:
                                return await self._accepted(request, run_id, description, found)
                            if not described_status(description).terminal:
                                await self._yield_to_other(request, run_id, description)
                                return None
                            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
                    except RPCError as error:
                        if not _passing(error):
                            raise await self._refused(request, run_id, error) from error
                        description = await self.describe(request.workflow_id)
                        if description is not None and await self.run_id_of(description) == run_id:
                            return await self._accepted(request, run_id, description, found)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 2.0)
        except TimeoutError as error:
            raise TemporalUnavailable(
                f"Temporal did not accept run {run_id} within {_START_SECONDS:.0f} s; it stays "
                "pending",
                hint="start again with the same workflow_id to go on with it",
            ) from error

    async def _reuse(self, request: StartRequest, run_id: UUID) -> WorkflowIDReusePolicy:
        """Allow an id again only when the ledger knows an earlier run of it."""
        if request.workflow_id != str(run_id):  # else it is new, as our ids are
            page = await self._store.runs.find_by_workflow_id(
                request.tenant_id, request.workflow_id, namespace=self._temporal.namespace, limit=2
            )
            if any(run.id != run_id for run in page):
                return WorkflowIDReusePolicy.ALLOW_DUPLICATE
        return WorkflowIDReusePolicy.REJECT_DUPLICATE

    async def _call(
        self,
        request: StartRequest,
        run_id: UUID,
        options: StartOptions,
        reuse: WorkflowIDReusePolicy,
        found: Run | None,
    ) -> RunHandle:
        identity = Identity(
            run_id=str(run_id),
            tenant_id=request.tenant_id,
            app_id=found.app_id if found else request.app_id,
            origin_type=request.workflow_type,
        )
        started = await self._temporal.start_workflow(
            request.workflow_type,
            {"workflow_id": request.workflow_id},
            id=request.workflow_id,
            task_queue=request.task_queue,
            memo={HEADER: identity.to_header()},
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=reuse,
            **options.arguments(),
        )
        temporal_run_id = started.first_execution_run_id or started.result_run_id
        await self._note_running(request.tenant_id, run_id, temporal_run_id)
        return self.handle(
            request.tenant_id, run_id, request.workflow_id, temporal_run_id, created=found is None
        )

    async def _note_running(
        self, tenant_id: str, run_id: UUID, temporal_run_id: str | None
    ) -> None:
        """Say in the ledger that Temporal accepted the run.

        The run goes on without it, and its first record says the same; an error here would make
        the caller start it twice.
        """
        try:
            await self._store.runs.mark_running(tenant_id, run_id, temporal_run_id=temporal_run_id)
        except LedgerUnavailable as error:
            logger.warning("run %s has started; the ledger does not say so yet: %s", run_id, error)

    async def _accepted(
        self,
        request: StartRequest,
        run_id: UUID,
        description: WorkflowExecutionDescription,
        found: Run | None,
    ) -> RunHandle:
        first = first_run_id(description)
        await self._note_running(request.tenant_id, run_id, first)
        return self.handle(
            request.tenant_id, run_id, request.workflow_id, first, created=found is None
        )

    async def _yield_to_other(
        self, request: StartRequest, run_id: UUID, description: WorkflowExecutionDescription
    ) -> None:
        """Give way to an open workflow that was started elsewhere, and adopt it."""
        await self._fail_start(
            request.tenant_id,
            run_id,
            "WORKFLOW_ID_TAKEN",
            f"workflow_id {request.workflow_id!r} is taken by a workflow started elsewhere",
        )
        identity = await self._identity_of(description)
        if identity.tenant_id != request.tenant_id:
            raise Conflict(
                f"workflow_id {request.workflow_id!r} is used by an open run of another tenant",
                hint="use another workflow_id",
            )
        other = await self.run_id_of(description)
        await self._store.runs.create(
            request.tenant_id,
            NewRun(
                id=other,
                app_id=identity.app_id,
                namespace=self._temporal.namespace,
                workflow_id=request.workflow_id,
                workflow_type=description.workflow_type,
                task_queue=description.task_queue,
                triggered_from=identity.triggered_from or "external",
            ),
        )
        await self._store.runs.mark_running(
            request.tenant_id, other, temporal_run_id=first_run_id(description)
        )
        await self._store.runs.append_event(request.tenant_id, other, EventKind.ADOPTED, {})

    async def _refused(self, request: StartRequest, run_id: UUID, error: RPCError) -> Exception:
        await self._fail_start(request.tenant_id, run_id, "START_REFUSED", error.message)
        return InvalidInput(
            f"Temporal refuses to start run {run_id}: {error.message}",
            hint="correct the start options",
        )

    async def _fail_start(self, tenant_id: str, run_id: UUID, code: str, message: str) -> None:
        await self._store.runs.fail(
            tenant_id,
            run_id,
            error=ErrorInfo(code=code, type="StartFailed", message=message, retryable=False),
            failure_reason=FailureReason.START_FAILED,
        )

    async def describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        """Return the newest execution under a workflow_id, or None when there is none.

        Raises:
            TemporalUnavailable: If Temporal cannot be asked.
        """
        try:
            return await self._temporal.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            if _passing(error):
                raise TemporalUnavailable(f"Temporal did not answer: {error.message}") from error
            raise

    async def run_id_of(self, description: WorkflowExecutionDescription) -> UUID:
        """Return our id of a described run: the memo says it, else it is derived."""
        identity = await self._identity_of(description)
        if identity.run_id is not None:
            return UUID(identity.run_id)
        return derive_run_id(self._temporal.namespace, description.id, first_run_id(description))

    async def _identity_of(self, description: WorkflowExecutionDescription) -> Identity:
        memo = (await description.memo()).get(HEADER)
        return Identity.from_header(memo) if isinstance(memo, dict) else Identity()

    def handle(
        self,
        tenant_id: str,
        run_id: UUID,
        workflow_id: str,
        temporal_run_id: str | None,
        *,
        created: bool,
    ) -> RunHandle:
        """Make the handle that a start returns."""
        return RunHandle(
            self._client,
            tenant_id=tenant_id,
            run_id=run_id,
            workflow_id=workflow_id,
            temporal_run_id=temporal_run_id,
            created=created,
        )


def first_run_id(description: WorkflowExecutionDescription) -> str:
    """Return Temporal's id of the first execution of a described chain."""
    first = description.raw_description.workflow_execution_info.first_run_id
    return first or description.run_id


def _passing(error: RPCError) -> bool:
    """Tell an outage, after which the same call may succeed, from a refusal."""
    return error.status in (
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
    )
