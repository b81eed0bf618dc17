"""Starting a run without a gap between the ledger and Temporal.

One SQL transaction records the run and its arguments; then Temporal is told.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import uuid_utils.compat as uuids

from flowkeep.clients.executions import first_run_id
from flowkeep.clients.handle import RunHandle
from flowkeep.clients.launch import Launched
from flowkeep.clients.request import StartRequest
from flowkeep.contracts import FailureReason, Run, RunStatus, Source
from flowkeep.errors import AlreadyTerminal, Conflict, OpenRunExists
from flowkeep.recording.outcome import described_status
from flowkeep.statestore.repositories.request_answers import (
    require_same,
    require_stored,
    taken,
)
from flowkeep.statestore.repositories.requests import Written
from flowkeep.statestore.secrets import extract_secrets
from flowkeep.telemetry.lines import Lines

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient
    from flowkeep.statestore.gathered import Transaction

_lines = Lines(__name__)

_ROUNDS = 5
_REPLACE_SECONDS = 30.0


class Starter:
    """Carries one start through, whatever it meets.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._launcher = client.launcher
        self._executions = client.executions
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
            stored = require_stored(request.tenant_id, request.workflow_id)
            await self._store.requests.answer(stored)
        for _ in range(_ROUNDS):
            try:
                written = await self._record(request)
            except OpenRunExists as error:
                handle = await self._answer_open(request, error.run_id)
                spent = False
            else:
                handle = await self._go_on(request, written)
                spent = True
            if handle is not None:
                fields = {"run_id": str(handle.run_id), "workflow_id": handle.workflow_id}
                _lines.write(
                    "run started" if handle.created else "run is open already",
                    {**fields, "tenant_id": request.tenant_id},
                )
                return handle
            if spent:
                request = replace(request, run_id=uuids.uuid7())
        raise Conflict(
            f"workflow_id {request.workflow_id!r} keeps being taken by other runs",
            hint="start again, or use another workflow_id",
        )

    async def _go_on(self, request: StartRequest, written: Written) -> RunHandle | None:
        """Start what is recorded, unless the same start was made before and got that far."""
        if not written.created:
            known = await self._store.runs.get(request.tenant_id, request.run_id)
            if known.status is not RunStatus.PENDING:
                return self._started(request, known.temporal_run_id)
        launched = await self._launcher.launch(request, used_before=written.used_before)
        return None if launched is None else self._started(request, launched.temporal_run_id)

    def _started(self, request: StartRequest, temporal_run_id: str | None) -> RunHandle:
        return self._handle(
            request.tenant_id, request.run_id, request.workflow_id, temporal_run_id, created=True
        )

    async def _record(self, request: StartRequest) -> Written:
        """Write secrets, arguments, run and event.

        Raises:
            OpenRunExists: If another run is open under it.
        """
        clean, found = extract_secrets(request.arguments)
        new = request.new_run(self._temporal.namespace, clean)
        if request.arguments is not None or request.allowed is None:
            return await self._store.requests.record(request.tenant_id, new, secrets=found)
        async with self._store.transaction() as tx:
            written = await tx.requests.record(request.tenant_id, new, secrets=found)
            await _require_own_arguments(tx, request)
            return written

    async def _answer_open(self, request: StartRequest, run_id: UUID) -> RunHandle | None:
        """Deal with an open run of this workflow_id; None means: try again."""
        run = await self._store.runs.get_run_by_id(request.tenant_id, None, run_id)
        if run is None or not request.allows(run):
            raise taken(request.workflow_id)
        description = await self._executions.describe(run.workflow_id)
        if description is None or await self._executions.run_id_of(description) != run.id:
            if run.status is not RunStatus.PENDING:
                await self._close_gone(request.tenant_id, run)
                return None
            # Recorded, but Temporal has not heard of it: its starter is slow, or died.
            launched = await self._launcher.launch(StartRequest.of(run))
            if launched is None:
                return None
        elif described_status(description).terminal:
            # The handle writes down how it ended, unless a worker's report is on its way.
            await self._handle(
                request.tenant_id, run.id, run.workflow_id, description.run_id, created=False
            ).status()
            return None
        else:
            launched = Launched(first_run_id(description), started=False)
            if run.status is RunStatus.PENDING:
                launched = await self._launcher.adopt_own(StartRequest.of(run), description)
        return await self._apply_policy(request, run, launched.temporal_run_id)

    async def _apply_policy(
        self, request: StartRequest, run: Run, temporal_run_id: str
    ) -> RunHandle | None:
        if request.on_conflict == "reject":
            raise OpenRunExists(run.workflow_id, run_id=run.id)
        handle = self._handle(
            request.tenant_id, run.id, run.workflow_id, temporal_run_id, created=False
        )
        if request.on_conflict == "existing":
            _require_same_definition(request, run)
            given = request.plain_arguments()
            same = require_same(
                request.tenant_id, run.workflow_id, run.id, given, self._store.keyring
            )
            await self._store.requests.answer(same)
            return handle
        with suppress(AlreadyTerminal):  # it ended by itself in the meantime
            await handle.cancel("replaced by a new start")
        await self._ended(handle)
        return None

    async def _ended(self, handle: RunHandle) -> None:
        """Wait until a run that was asked to cancel has ended."""
        try:
            async with asyncio.timeout(_REPLACE_SECONDS):
                while not (await handle.status()).terminal:  # noqa: ASYNC110 - it ends elsewhere
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Conflict(
                f"run {handle.run_id} was asked to cancel and has not ended within "
                f"{_REPLACE_SECONDS:.0f} s",
                hint="see that a worker serves its task queue, or terminate it",
            ) from None

    async def _close_gone(self, tenant_id: str, run: Run) -> None:
        """Close a run whose workflow_id is another's by now, or that Temporal no longer knows."""
        handle = self._handle(tenant_id, run.id, run.workflow_id, None, created=False)
        if (await handle.status()).terminal:
            return
        await self._store.runs.record_outcome(
            tenant_id,
            run.id,
            RunStatus.UNKNOWN,
            source=Source.SERVER,
            closed_at=run.updated_at,
            failure_reason=FailureReason.LOST,
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


async def _require_own_arguments(tx: "Transaction", request: StartRequest) -> None:
    """Raise Conflict unless what is stored under the workflow_id comes from an allowed run.

    Nobody else starts under it until the transaction ends, nor while the run is open.
    """
    page = await tx.runs.find_by_workflow_id(request.tenant_id, request.workflow_id, limit=2)
    before = [one.id for one in page.data if one.id != request.run_id]
    if not before or not request.allows(await tx.runs.get(request.tenant_id, before[0])):
        raise taken(request.workflow_id)


def _require_same_definition(request: StartRequest, run: Run) -> None:
    """Raise Conflict unless an open run is of the definition and version that are asked for."""
    same = request.definition_id == run.definition_id
    if request.definition_revision is not None:
        same = same and request.definition_revision == run.definition_revision
    if not same:
        raise Conflict(
            f"run {run.id} is open under workflow_id {run.workflow_id!r} with another definition"
            " or version",
            hint="use another workflow_id, or on_conflict='replace'",
        )
