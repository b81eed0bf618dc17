"""The ways in which ledger and Temporal are gone through to find what may differ.

What agrees by Temporal's list is done with; everything else is a suspect that is looked at by
itself, because the list is only a hint.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import Client

from flowkeep.contracts.verification import (
    ListedExecution,
    OpenRequest,
    Skipped,
    VerificationCounts,
)
from flowkeep.errors import InvalidInput
from flowkeep.recording.examination import Examiner
from flowkeep.recording.rate import Rate
from flowkeep.recording.row_checks import Rows
from flowkeep.recording.suspects import (
    Execution,
    Request,
    Suspect,
    Sweep,
    UnknownExecution,
)
from flowkeep.recording.visibility import CLOSED, Visibility, memo_identity, moment, quoted
from flowkeep.settings import ReconcilerSettings
from flowkeep.statestore.store import Store

_FORGETS_LATER = timedelta(days=1)
"""How much longer than its retention Temporal may still know an execution."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is compared.

    Attributes:
        since: Leave out executions that had ended before; None for none.
        until: Leave out executions that began later.
        tenant_id: Whose; None for all tenants.
        workflow_id: Only of this workflow id.
        deep: By history.
    """

    since: datetime | None
    until: datetime
    tenant_id: str | None
    workflow_id: str | None
    deep: bool

    @classmethod
    def of(
        cls,
        since: datetime | None,
        until: datetime | None,
        tenant_id: str | None,
        workflow_id: str | None,
        *,
        deep: bool,
    ) -> Self:
        """Check what a caller passed; nothing later than now is compared.

        Raises:
            InvalidInput: If a moment has no time zone, or the period ends before it begins.
        """
        for name, value in (("since", since), ("until", until)):
            if value is not None and value.tzinfo is None:
                raise InvalidInput(f"{name} has no time zone", hint="use datetime.now(UTC)")
        now = datetime.now(UTC)
        end = now if until is None else min(until, now)
        if since is not None and since > end:
            raise InvalidInput(f"since ({since}) is later than until ({end})")
        return cls(since, end, tenant_id, workflow_id, deep)

    def query(self) -> str:
        """Return the filter of Temporal's list."""
        parts = [f"StartTime <= {moment(self.until)}"]
        if self.since is not None:
            parts.append(f"(CloseTime >= {moment(self.since)} OR ExecutionStatus = 'Running')")
        if self.workflow_id is not None:
            parts.append(f"WorkflowId = {quoted(self.workflow_id)}")
        return " AND ".join(parts)


class Walk:
    """Goes through ledger and Temporal once.

    Args:
        client: Of the namespace.
        store: The ledger.
        examiner: Compares executions.
        settings: What ought to be in the ledger, sizes of pages.
        span: What is compared.
        counts: Where it is noted what was looked at.
        sweep: Starts requests.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        examiner: Examiner,
        settings: ReconcilerSettings,
        span: Span,
        counts: VerificationCounts,
        sweep: Sweep | None,
    ) -> None:
        self._client = client
        self._store = store
        self._examiner = examiner
        self._settings = settings
        self._span = span
        self._counts = counts
        self._sweep = sweep
        self._visibility = Visibility(client, Rate(settings.lists_per_second))
        self._patience = timedelta(seconds=settings.overlap_seconds)

    async def suspects(self) -> AsyncIterator[Sequence[Suspect]]:
        """Yield what has to be looked at by itself, in batches."""
        async for batch in self._of_the_ledger():
            yield batch
        async for batch in self._of_requests():
            yield batch
        async for batch in self._of_temporal():
            yield batch

    async def _of_the_ledger(self) -> AsyncIterator[Sequence[Suspect]]:
        """Look up every execution of the ledger in Temporal."""
        span = self._span
        retention = await self._visibility.retention()
        after: str | None = None
        while True:
            page = await self._store.system.list_executions(
                self._client.namespace,
                until=span.until,
                since=span.since,
                tenant_id=span.tenant_id,
                workflow_id=span.workflow_id,
                after=after,
                limit=self._settings.batch,
            )
            listed = await self._visibility.find([one.temporal_run_id for one in page.data])
            suspects: list[Suspect] = []
            for one in page.data:
                suspects += self._judge(one, listed.get(one.temporal_run_id), retention)
            # A run's rows are looked at once, with its newest execution.
            if runs := {one.run_id for one in page.data if one.newest}:
                suspects.append(Rows(self._store, self._client.namespace, runs))
            yield suspects
            if page.after is None:
                return
            after = page.after

    def _judge(
        self,
        one: ListedExecution,
        info: WorkflowExecutionInfo | None,
        retention: timedelta | None,
    ) -> Sequence[Suspect]:
        """Return an execution if it has to be looked at by itself."""
        forgettable = info is None and one.closed_at is not None
        if forgettable and retention is not None and _past(one.closed_at, retention):
            self._counts.skipped[Skipped.PAST_RETENTION] += 1
            return []
        if not self._span.deep and info is not None and _agree(one, info):
            self._counts.compared += 1
            return []
        return [
            Execution(
                self._client,
                self._examiner,
                self._counts,
                one.workflow_id,
                one.temporal_run_id,
                deep=self._span.deep,
                patience=self._patience,
                forgettable=forgettable,
            )
        ]

    async def _of_requests(self) -> AsyncIterator[Sequence[Suspect]]:
        """Look up every request that nobody has told to be running."""
        span, now = self._span, datetime.now(UTC)
        after: OpenRequest | None = None
        while True:
            page = await self._store.system.list_requests(
                self._client.namespace,
                until=span.until,
                since=span.since,
                tenant_id=span.tenant_id,
                workflow_id=span.workflow_id,
                after=after,
                limit=self._settings.batch,
            )
            overdue = [one for one in page if one.created_at < now - self._patience]
            self._counts.requests += len(page)
            self._counts.skipped[Skipped.JUST_STARTED] += len(page) - len(overdue)
            yield [
                Request(self._client, self._store, self._examiner, one, self._sweep)
                for one in overdue
            ]
            if len(page) < self._settings.batch:
                return
            after = page[-1]

    async def _of_temporal(self) -> AsyncIterator[Sequence[Suspect]]:
        """Look up every execution that Temporal lists in the ledger."""
        served = None
        if self._settings.adopt == "served":
            served = await self._store.system.served_queues(self._client.namespace)
        async for infos in self._visibility.pages(self._span.query()):
            self._counts.listed += len(infos)
            unknown = await self._store.system.unknown_executions(
                self._client.namespace, [info.execution.run_id for info in infos]
            )
            strangers = [info for info in infos if info.execution.run_id in unknown]
            yield [
                UnknownExecution(
                    self._client,
                    self._store,
                    self._examiner,
                    self._counts,
                    info,
                    tenant_id=self._span.tenant_id,
                    deep=self._span.deep,
                    patience=self._patience,
                )
                for info in await self._missed(strangers, served)
            ]

    async def _missed(
        self, infos: Sequence[WorkflowExecutionInfo], served: set[str] | None
    ) -> Sequence[WorkflowExecutionInfo]:
        """Leave out what the ledger need not know, and note why."""
        identities = [await memo_identity(self._client, info) for info in infos]
        named = [_run_id(one.run_id) if one is not None else None for one in identities]
        gone = await self._store.system.gone_runs([one for one in named if one is not None])
        young = datetime.now(UTC) - self._patience
        missed = []
        for info, identity, run_id in zip(infos, identities, named, strict=True):
            tenant = identity.tenant_id if identity is not None else "default"
            if self._span.tenant_id not in (None, tenant):
                why = Skipped.OTHER_TENANT
            elif run_id in gone:
                why = Skipped.GONE
            elif identity is None and not self._adopts(info, served):
                why = Skipped.NOT_ADOPTED
            elif info.status not in CLOSED and info.start_time.ToDatetime(UTC) > young:
                why = Skipped.JUST_STARTED
            else:
                missed.append(info)
                continue
            self._counts.skipped[why] += 1
        return missed

    def _adopts(self, info: WorkflowExecutionInfo, served: set[str] | None) -> bool:
        """Tell whether an execution that nobody recorded ought to be in the ledger."""
        if self._settings.adopt == "none":
            return False
        return served is None or info.task_queue in served


def _agree(one: ListedExecution, info: WorkflowExecutionInfo) -> bool:
    """Tell whether both say that an execution ended, and how; then there is nothing to doubt."""
    if one.closed_at is None or CLOSED.get(info.status) is not one.status:
        return False
    # An end that was not written to its run, or a run that goes on without an execution.
    return not one.newest or not one.status.terminal or one.run_status is one.status


def _past(closed_at: datetime | None, retention: timedelta) -> bool:
    return closed_at is not None and closed_at < datetime.now(UTC) - retention - _FORGETS_LATER


def _run_id(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
