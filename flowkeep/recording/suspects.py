"""What may differ between ledger and Temporal: each can be looked at again and be mended."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import Client

from flowkeep.contracts import RunStatus
from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.contracts.verification import (
    OpenRequest,
    Skipped,
    VerificationCounts,
)
from flowkeep.recording.describing import Unreadable, described
from flowkeep.recording.examination import Examiner
from flowkeep.recording.visibility import memo_identity
from flowkeep.statestore.store import Store

Sweep = Callable[[], Awaitable[object]]
"""Starts the requests that Temporal never heard of, or gives them up."""


class Suspect(Protocol):
    """Something whose two sides may disagree."""

    remote: bool
    """Whether looking at it asks Temporal."""

    async def look(self) -> list[Difference]:
        """Compare now, changing nothing."""
        ...

    async def mend(self) -> None:
        """Correct the ledger."""
        ...


class Execution:
    """One execution that the ledger knows, compared by the examiner.

    Args:
        client: Of the namespace.
        examiner: Compares.
        counts: Where it is noted that it was compared, or why not.
        workflow_id: Of the execution.
        temporal_run_id: Of the execution.
        deep: By its history.
        patience: How long an execution that began is not missed.
        forgettable: Whether Temporal may have forgotten it without being wrong: the ledger has
            its end, and Temporal's list does not show it.
    """

    remote = True

    def __init__(
        self,
        client: Client,
        examiner: Examiner,
        counts: VerificationCounts,
        workflow_id: str,
        temporal_run_id: str,
        *,
        deep: bool,
        patience: timedelta,
        forgettable: bool = False,
    ) -> None:
        self._patience = patience
        self._client = client
        self._examiner = examiner
        self._counts = counts
        self._names = workflow_id, temporal_run_id
        self._deep = deep
        self._forgettable = forgettable
        self._counted = False

    async def look(self) -> list[Difference]:
        """Compare now, changing nothing."""
        found = [
            one
            for one in await self._examiner.examine(*self._names, deep=self._deep, repair=False)
            if not await self._has_just_followed(one)
        ]
        if not self._counted:
            self._counted = True
            await self._count(found)
        return found

    async def mend(self) -> None:
        """Correct the ledger."""
        await self._examiner.examine(*self._names, deep=self._deep, repair=True)

    async def _has_just_followed(self, one: Difference) -> bool:
        """Tell whether what is missed is an execution that has just begun behind this one."""
        if one.kind is not DifferenceKind.SEGMENT_MISSING or one.temporal_run_id == self._names[1]:
            return False
        next_one = await described(self._client, self._names[0], one.temporal_run_id)
        if next_one is None or next_one.close_time is not None:
            return False
        return next_one.start_time > datetime.now(UTC) - self._patience

    async def _count(self, found: list[Difference]) -> None:
        if not found and self._forgettable and await described(self._client, *self._names) is None:
            self._counts.skipped[Skipped.PAST_RETENTION] += 1
        else:
            self._counts.compared += 1


class UnknownExecution(Execution):
    """One execution that Temporal lists and the ledger does not know.

    Args:
        client: Of the namespace.
        store: The ledger.
        examiner: Compares.
        counts: Where it is noted when it need not be known.
        info: What Temporal lists.
        tenant_id: The only tenant that was asked for; None for all.
        deep: By its history.
        patience: How long an execution that began is not missed.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        examiner: Examiner,
        counts: VerificationCounts,
        info: WorkflowExecutionInfo,
        *,
        tenant_id: str | None,
        deep: bool,
        patience: timedelta,
    ) -> None:
        names = info.execution.workflow_id, info.execution.run_id
        super().__init__(client, examiner, counts, *names, deep=deep, patience=patience)
        self._store = store
        self._tenant_id = tenant_id
        self._foreign = False

    async def look(self) -> list[Difference]:
        """Compare now; that of another tenant is no matter."""
        found = await super().look()
        return [] if self._foreign else found

    async def _count(self, found: list[Difference]) -> None:
        asked = (None, self._tenant_id)
        self._foreign = self._tenant_id is not None and any(
            one.tenant_id not in asked for one in found
        )
        if self._foreign:
            self._counts.skipped[Skipped.OTHER_TENANT] += 1
        elif not found and await self._store.system.unknown_executions(
            self._client.namespace, [self._names[1]]
        ):
            self._counts.skipped[Skipped.GONE] += 1


class Request:
    """A run that was requested and that the ledger has not seen start.

    Args:
        client: Of the namespace.
        store: The ledger.
        examiner: Compares it when Temporal has it.
        request: The run.
        sweep: Starts it or gives it up; None where nobody can.
    """

    remote = True

    def __init__(
        self,
        client: Client,
        store: Store,
        examiner: Examiner,
        request: OpenRequest,
        sweep: Sweep | None,
    ) -> None:
        self._client = client
        self._store = store
        self._examiner = examiner
        self._request = request
        self._sweep = sweep

    async def look(self) -> list[Difference]:
        """Ask the ledger whether it still waits, and Temporal whether it knows it."""
        request = self._request
        run = await self._store.runs.get_run_by_id(request.tenant_id, None, request.id)
        if run is None or run.status is not RunStatus.PENDING:
            return []
        execution = await self._execution()
        if execution is not None:
            return await self._examiner.examine(
                request.workflow_id, execution, deep=False, repair=False
            )
        return [
            Difference(
                kind=DifferenceKind.NEVER_STARTED,
                namespace=self._client.namespace,
                workflow_id=request.workflow_id,
                tenant_id=request.tenant_id,
                run_id=request.id,
                ledger=f"requested at {request.created_at:%Y-%m-%dT%H:%M:%SZ}",
            )
        ]

    async def mend(self) -> None:
        """Adopt what Temporal has, else let the request be started or given up."""
        execution = await self._execution()
        if execution is not None:
            await self._examiner.examine(
                self._request.workflow_id, execution, deep=False, repair=True
            )
        elif self._sweep is not None:
            await self._sweep()

    async def _execution(self) -> str | None:
        """Return Temporal's id of the execution that this request began."""
        try:
            description = await described(self._client, self._request.workflow_id)
        except Unreadable:  # Temporal takes no such id, so it began nothing
            return None
        if description is None:
            return None
        identity = await memo_identity(self._client, description.raw_info)
        ours = identity is not None and identity.run_id == str(self._request.id)
        return description.run_id if ours else None
