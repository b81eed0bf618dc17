"""Contents go when Temporal has forgotten everything that refers to them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts.large_payloads import DueNeed, SweptPayloads
from flowkeep.errors import TemporalUnavailable
from flowkeep.statestore.store import Store

MARGIN = timedelta(hours=1)
"""How long Temporal must not know something before it counts as forgotten."""
RECHECK = timedelta(days=1)
"""How long something that has not ended is left alone."""

_PAGE = 500


async def sweep(
    client: Client, store: Store, *, margin: timedelta = MARGIN, objects: bool = False
) -> SweptPayloads:
    """Delete contents that nothing in Temporal can ask for any more.

    An execution needs what its history refers to until Temporal deletes it, a schedule what its
    firings start with. What Temporal does not know is looked at again after the margin, and only
    then forgotten, so that a start that is under way loses nothing. May run in several processes.

    Args:
        client: To the namespace whose executions are compared; needs of others are left alone.
        store: The ledger.
        margin: See `MARGIN`.
        objects: Also delete objects that an interrupted store or sweep left a day ago, which
            lists all contents in object storage.

    Raises:
        TemporalUnavailable: If Temporal cannot be reached.
        LedgerUnavailable: If the ledger cannot be reached.
        SourceUnavailable: If the object storage cannot be reached; the rows are gone, the objects
            go with the next sweep that looks at them.
    """
    sweeper = _Sweeper(client, store, margin)
    try:
        await sweeper.check_due()
    except RPCError as error:
        raise TemporalUnavailable(f"Temporal cannot say what it still knows: {error}") from None
    deleted, stored = await store.large_payloads.collect()
    if objects:
        deleted += await store.large_payloads.collect_objects()
    return SweptPayloads(sweeper.checked, sweeper.released, deleted, stored)


class _Sweeper:
    def __init__(self, client: Client, store: Store, margin: timedelta) -> None:
        self._service = client.workflow_service
        self._namespace = client.namespace
        self._contents = store.large_payloads
        self._margin = margin
        self._retention = timedelta()
        self.checked = self.released = 0

    async def check_due(self) -> None:
        """Compare every need whose check has come with Temporal."""
        due = await self._contents.due(self._namespace, _PAGE)
        if due:
            # Asked first: where the namespace itself is not known, nothing counts as forgotten.
            self._retention = await self._asked_retention()
        while due:
            await self._check(due)
            due = await self._contents.due(self._namespace, _PAGE) if len(due) == _PAGE else ()

    async def _check(self, due: Sequence[DueNeed]) -> None:
        for one in due:
            self.checked += 1
            wait = await self._known_for(one)
            if wait is not None:
                await self._contents.postpone(one.need, wait)
            elif one.gone:
                self.released += await self._contents.release(one) > 0
                await self._contents.postpone(one.need, RECHECK)  # what was renewed meanwhile
            else:
                await self._contents.postpone(one.need, self._margin, gone=True)

    async def _known_for(self, due: DueNeed) -> timedelta | None:
        """Return how long Temporal surely keeps what needs a content; None if it is not known."""
        if due.need.kind == "schedule":
            return await self._schedule_known_for(due.need.id)
        if due.need.kind == "workflow":
            return await self._workflow_known_for(due.need.id)
        return RECHECK

    async def _workflow_known_for(self, workflow_id: str) -> timedelta | None:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        try:
            answer = await self._service.describe_workflow_execution(request)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        info = answer.workflow_execution_info
        if not info.HasField("close_time"):
            return RECHECK
        ended = info.close_time.ToDatetime(tzinfo=UTC)
        left = ended + self._retention + self._margin - datetime.now(UTC)
        return max(left, self._margin)

    async def _schedule_known_for(self, schedule_id: str) -> timedelta | None:
        """A schedule that is gone may have left executions, which start with the same value."""
        request = DescribeScheduleRequest(namespace=self._namespace, schedule_id=schedule_id)
        try:
            await self._service.describe_schedule(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            query = f"TemporalScheduledById = '{schedule_id.replace(chr(39), chr(92) + chr(39))}'"
            count = await self._service.count_workflow_executions(
                CountWorkflowExecutionsRequest(namespace=self._namespace, query=query)
            )
            return RECHECK if count.count else None
        return RECHECK

    async def _asked_retention(self) -> timedelta:
        request = DescribeNamespaceRequest(namespace=self._namespace)
        answer = await self._service.describe_namespace(request)
        kept: Duration = answer.config.workflow_execution_retention_ttl
        return kept.ToTimedelta()
