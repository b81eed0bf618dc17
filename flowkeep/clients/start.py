"""Starting a run without a gap between the ledger and Temporal.

One SQL transaction records the run and its arguments; then Temporal is told. The SDK draws a new
request id per call, so the server cannot tell a repeated start from a new one: whenever the answer
is "already started", or there is no answer, we describe first and decide by the memo whose run it
is.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from pydantic_core import to_jsonable_python
from temporalio.client import WorkflowExecutionDescription
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.handle import RunHandle
from flowkeep.clients.options import StartOptions
from flowkeep.clients.outcome import described_outcome, described_status
from flowkeep.contracts import (
    ErrorInfo,
    EventKind,
    FailureReason,
    Identity,
    NewRun,
    Run,
    RunStatus,
    Source,
    StateType,
    derive_run_id,
)
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    OpenRunExists,
    TemporalUnavailable,
)
from flowkeep.statestore.secrets import extract_secrets, replace_references

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

OnConflict = Literal["existing", "reject", "replace"]

_START_SECONDS = 10.0
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """Everything a start needs.

    Attributes:
        arguments: Arguments of the run; None to use those stored under `workflow_id`.
    """

    run_id: UUID
    tenant_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    arguments: dict[str, Any] | None
    app_id: str | None
    triggered_from: str
    owner: str | None
    labels: dict[str, str]
    goal: str | None
    retry_of: UUID | None
    options: StartOptions
    on_conflict: OnConflict


class Starter:
    """Carries one start through, whatever it meets.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._temporal = client.temporal
        self._store = client.store

    async def start(self, request: StartRequest) -> RunHandle:
        """Record the run, then start it.

        Raises:
            InvalidInput: If no arguments are given and none are stored under `workflow_id`.
            Conflict: If another run is open under `workflow_id` and `on_conflict` says `reject`,
                or `existing` and its arguments differ.
            LedgerUnavailable: If the ledger cannot be reached; nothing was started.
            TemporalUnavailable: If Temporal cannot be reached; the run stays `pending`, and
                starting it again with the same `workflow_id` goes on with it.
        """
        if request.arguments is None:
            await self._require_stored_arguments(request)
        for _ in range(_ROUNDS):
            try:
                await self._record(request)
            except OpenRunExists as error:
                handle = await self._answer_open(request, error.run_id)
            else:
                handle = await self._drive(request, request.run_id, request.options)
            if handle is not None:
                return handle
            request = replace(request, run_id=uuids.uuid7())
        raise Conflict(
            f"workflow_id {request.workflow_id!r} keeps being taken by other runs",
            hint="start again, or use another workflow_id",
        )

    async def _require_stored_arguments(self, request: StartRequest) -> None:
        try:
            await self._store.state.get_state(
                request.tenant_id, request.workflow_id, StateType.WORKFLOWS
            )
        except NotFound:
            raise InvalidInput(
                f"no arguments were given and none are stored under workflow_id "
                f"{request.workflow_id!r}",
                hint="pass workflow_args, or save them with StateStore.save_state_object",
            ) from None

    async def _record(self, request: StartRequest) -> Run:
        """Write secrets, arguments, run and event in one transaction."""
        async with self._store.transaction() as tx:
            clean = request.arguments
            if clean is not None:
                clean, found = extract_secrets(clean)
                for secret_id, value in found.items():
                    await tx.secrets.put(request.tenant_id, value, secret_id=secret_id)
            return await tx.runs.create(
                request.tenant_id,
                NewRun(
                    id=request.run_id,
                    namespace=self._temporal.namespace,
                    workflow_id=request.workflow_id,
                    workflow_type=request.workflow_type,
                    task_queue=request.task_queue,
                    app_id=request.app_id,
                    labels=request.labels,
                    start_options=request.options.plain(),
                    triggered_from=request.triggered_from,
                    owner=request.owner,
                    created_by=request.owner,
                    goal=request.goal,
                    retry_of=request.retry_of,
                    inputs=clean,
                    arguments=clean,
                ),
            )

    async def _answer_open(self, request: StartRequest, run_id: UUID) -> RunHandle | None:
        """Deal with an open run of this workflow_id; None means: try again."""
        run = await self._store.runs.get(request.tenant_id, run_id)
        description = await self._describe(run.workflow_id)
        if description is None or await self._run_id_of(description) != run.id:
            if run.status is not RunStatus.PENDING:
                await self._close_lost(request.tenant_id, run)
                return None
            # Recorded, but Temporal never heard of it: its starter died. Go on with it.
            handle = await self._drive(
                replace(request, task_queue=run.task_queue, workflow_type=run.workflow_type),
                run.id,
                StartOptions.of(run.start_options),
                found=run,
            )
            if handle is None:
                return None
        elif described_status(description).terminal:
            await self._close_stale(request.tenant_id, run, description)
            return None
        else:
            await self._store.runs.mark_running(
                request.tenant_id, run.id, temporal_run_id=_first_run_id(description)
            )
        return await self._apply_policy(request, run)

    async def _apply_policy(self, request: StartRequest, run: Run) -> RunHandle | None:
        if request.on_conflict == "reject":
            raise OpenRunExists(run.workflow_id, run_id=run.id)
        handle = self._handle(request.tenant_id, run.id, run.workflow_id, None, created=False)
        if request.on_conflict == "existing":
            await self._require_same_arguments(request, run)
            return handle
        await handle.cancel("replaced by a new start")
        await self._ended(handle)
        return None

    async def _require_same_arguments(self, request: StartRequest, run: Run) -> None:
        if request.arguments is None:
            return
        stored = await self._store.secrets.resolve(request.tenant_id, run.inputs)
        clean, found = extract_secrets(request.arguments)
        given = to_jsonable_python(replace_references(clean, found), serialize_unknown=True)
        if stored != given:
            raise Conflict(
                f"workflow_id {run.workflow_id!r} runs with other arguments (run {run.id})",
                hint="wait for it, pass on_conflict='replace', or use another workflow_id",
            )

    async def _ended(self, handle: RunHandle) -> None:
        async for progress in handle.watch(0.1):
            if progress.run.status.terminal:
                return

    async def _drive(
        self, request: StartRequest, run_id: UUID, options: StartOptions, found: Run | None = None
    ) -> RunHandle | None:
        """Tell Temporal, at most ten seconds in all; None means: the ledger must be asked again."""
        page = await self._store.runs.find_by_workflow_id(
            request.tenant_id, request.workflow_id, namespace=self._temporal.namespace, limit=2
        )
        known_before = any(run.id != run_id for run in page)
        reuse = (
            WorkflowIDReusePolicy.ALLOW_DUPLICATE
            if known_before
            else WorkflowIDReusePolicy.REJECT_DUPLICATE
        )
        delay = 0.1
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    try:
                        return await self._call(request, run_id, options, reuse, found)
                    except WorkflowAlreadyStartedError:
                        description = await self._describe(request.workflow_id)
                        if description is None:
                            continue
                        if await self._run_id_of(description) == run_id:
                            return await self._accepted(request, run_id, description, found)
                        if described_status(description).terminal:
                            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
                            continue
                        await self._yield_to_other(request, run_id, description)
                        return None
                    except RPCError as error:
                        if not _passing(error):
                            raise await self._refused(request, run_id, error) from error
                        description = await self._describe(request.workflow_id)
                        if description is not None and await self._run_id_of(description) == run_id:
                            return await self._accepted(request, run_id, description, found)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 2.0)
        except TimeoutError as error:
            raise TemporalUnavailable(
                f"Temporal did not accept run {run_id} within {_START_SECONDS:.0f} s; it stays "
                "pending",
                hint="start again with the same workflow_id to go on with it",
            ) from error

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
        await self._store.runs.mark_running(
            request.tenant_id, run_id, temporal_run_id=temporal_run_id
        )
        return self._handle(
            request.tenant_id, run_id, request.workflow_id, temporal_run_id, created=found is None
        )

    async def _accepted(
        self,
        request: StartRequest,
        run_id: UUID,
        description: WorkflowExecutionDescription,
        found: Run | None,
    ) -> RunHandle:
        first = _first_run_id(description)
        await self._store.runs.mark_running(request.tenant_id, run_id, temporal_run_id=first)
        return self._handle(
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
        other = await self._run_id_of(description)
        await self._store.runs.create(
            request.tenant_id,
            NewRun(
                id=other,
                namespace=self._temporal.namespace,
                workflow_id=request.workflow_id,
                workflow_type=description.workflow_type,
                task_queue=description.task_queue,
                triggered_from="external",
            ),
        )
        await self._store.runs.mark_running(
            request.tenant_id, other, temporal_run_id=_first_run_id(description)
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

    async def _close_lost(self, tenant_id: str, run: Run) -> None:
        """Temporal no longer knows the run and nobody recorded its end."""
        await self._store.runs.record_outcome(
            tenant_id,
            run.id,
            RunStatus.UNKNOWN,
            source=Source.SERVER,
            closed_at=run.updated_at,
            failure_reason=FailureReason.LOST,
        )

    async def _close_stale(
        self, tenant_id: str, run: Run, description: WorkflowExecutionDescription
    ) -> None:
        exact = self._temporal.get_workflow_handle(run.workflow_id, run_id=description.run_id)
        outcome = await described_outcome(exact, description)
        assert outcome is not None
        await self._store.runs.record_outcome(
            tenant_id,
            run.id,
            outcome.status,
            source=Source.SERVER,
            closed_at=outcome.closed_at,
            error=outcome.error,
            failure_reason=outcome.failure_reason,
        )

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._temporal.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            if _passing(error):
                raise TemporalUnavailable(f"Temporal did not answer: {error.message}") from error
            raise

    async def _run_id_of(self, description: WorkflowExecutionDescription) -> UUID:
        """Return our id of a described run: the memo says it, else it is derived."""
        memo = (await description.memo()).get(HEADER)
        if isinstance(memo, dict) and memo.get("run_id"):
            return UUID(memo["run_id"])
        return derive_run_id(
            self._temporal.namespace, description.id, _first_run_id(description)
        )

    def _handle(
        self,
        tenant_id: str,
        run_id: UUID,
        workflow_id: str,
        temporal_run_id: str | None,
        *,
        created: bool,
    ) -> RunHandle:
        return RunHandle(
            self._client,
            tenant_id=tenant_id,
            run_id=run_id,
            workflow_id=workflow_id,
            temporal_run_id=temporal_run_id,
            created=created,
        )


def _first_run_id(description: WorkflowExecutionDescription) -> str:
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
