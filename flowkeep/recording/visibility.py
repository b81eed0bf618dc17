"""Temporal's list of executions: fast, in bulk, and only a hint, because it lags behind."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts import Identity, RunStatus
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import TemporalUnavailable
from flowkeep.recording.rate import Rate

MOST_IDS = 500
"""Executions that one question names."""
_PAGE = 1000

CLOSED: dict[int, RunStatus] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: RunStatus.SUCCEEDED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: RunStatus.FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: RunStatus.CANCELLED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: RunStatus.CANCELLED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: RunStatus.TIMED_OUT,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: RunStatus.RUNNING,
}
"""What an execution that ended says of its run; one that is not here is open."""


class Visibility:
    """Reads Temporal's list.

    Args:
        client: Of the namespace.
        rate: How many pages per second; a server allows ten by default.
    """

    def __init__(self, client: Client, rate: Rate) -> None:
        self._client = client
        self._rate = rate

    async def find(self, ids: Collection[str]) -> dict[str, WorkflowExecutionInfo]:
        """Return executions by Temporal's run id; those that it does not list are left out.

        Args:
            ids: At most `MOST_IDS`.

        Raises:
            TemporalUnavailable: If Temporal does not answer.
        """
        if not ids:
            return {}
        found = await self._page(f"RunId IN ({', '.join(map(quoted, ids))})", b"")
        return {info.execution.run_id: info for info in found[0]}

    async def pages(self, query: str) -> AsyncIterator[Sequence[WorkflowExecutionInfo]]:
        """Yield executions that a query lists, page by page, those that are open first.

        Args:
            query: In Temporal's language of list filters.

        Raises:
            TemporalUnavailable: If Temporal does not answer.
        """
        token = b""
        while True:
            infos, token = await self._page(query, token)
            if infos:
                yield infos
            if not token:
                return

    async def retention(self) -> timedelta | None:
        """Return how long Temporal keeps executions that ended; None when it does not tell."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            found = await self._client.workflow_service.describe_namespace(request, retry=True)
        except RPCError as error:
            if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                return None
            raise unavailable(error) from error
        kept = found.config.workflow_execution_retention_ttl.ToTimedelta()
        return kept or None

    async def _page(
        self, query: str, token: bytes
    ) -> tuple[Sequence[WorkflowExecutionInfo], bytes]:
        await self._rate.wait()
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, query=query, page_size=_PAGE, next_page_token=token
        )
        service = self._client.workflow_service
        try:
            found = await service.list_workflow_executions(request, retry=True)
        except RPCError as error:
            raise unavailable(error) from error
        return found.executions, found.next_page_token


async def memo_identity(client: Client, info: WorkflowExecutionInfo) -> Identity | None:
    """Return what the memo says of an execution; None for one that did not start through us."""
    payload = info.memo.fields.get(HEADER)
    if payload is None:
        return None
    try:
        [value] = await client.data_converter.decode([payload])
    except Exception:  # noqa: BLE001 - a memo of another codec says nothing to us
        return None
    if not isinstance(value, dict):
        return None
    return Identity.from_header(value).said_of(info.execution.workflow_id)


def quoted(text: str) -> str:
    """Return a text as a value of a query."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def moment(at: datetime) -> str:
    """Return a moment as a value of a query."""
    return quoted(at.astimezone(UTC).isoformat())


def unavailable(error: RPCError) -> TemporalUnavailable:
    """Return the error of a server that did not answer."""
    return TemporalUnavailable(f"Temporal did not answer: {error.message}")
