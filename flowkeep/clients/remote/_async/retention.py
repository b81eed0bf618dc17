"""Retention: how long runs are kept, and their removal."""

from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.clients.remote.headers import if_match
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.retention import (
    HoldRequest,
    PolicyContent,
    RetentionSlice,
    RunHold,
)
from flowkeep.contracts.retention import RetentionPolicy, RetentionReport

_POLICY = TypeAdapter(RetentionPolicy)
_POLICIES = TypeAdapter(Listing[RetentionPolicy])
_REPORT = TypeAdapter(RetentionReport)
_HOLD = TypeAdapter(RunHold)
_NOTHING = TypeAdapter(None)
_USUAL = RetentionSlice()


class AsyncRetention:
    """Retention; it is `client.retention`. For staff: of an app, what concerns the app alone.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self, *, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[RetentionPolicy]:
        """Return a page of policies, the tenant's own first."""
        query = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", "/retention/policies", _POLICIES, query=query)

    async def get(
        self, *, app_id: str | None = None, definition_id: UUID | None = None
    ) -> RetentionPolicy:
        """Return the policy of exactly one scope: an app's, a definition's, else the tenant's."""
        query = {"app_id": app_id, "definition_id": definition_id}
        return await self._transport.call("GET", "/retention/policy", _POLICY, query=query)

    async def set(
        self,
        content: PolicyContent,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> RetentionPolicy:
        """Set the policy of a scope as a whole."""
        return await self._transport.call(
            "PUT",
            "/retention/policy",
            _POLICY,
            query={"app_id": app_id, "definition_id": definition_id},
            body=content,
            headers=if_match(expected_revision),
        )

    async def remove(
        self,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> None:
        """Remove the policy of exactly one scope."""
        await self._transport.call(
            "DELETE",
            "/retention/policy",
            _NOTHING,
            query={"app_id": app_id, "definition_id": definition_id},
            headers=if_match(expected_revision),
        )

    async def plan(self, *, max_seconds: float | None = None) -> RetentionReport:
        """Count what the policies would remove now; nothing is locked or changed."""
        query = {"max_seconds": max_seconds}
        return await self._transport.call("GET", "/retention/plan", _REPORT, query=query)

    async def apply(self, part: RetentionSlice = _USUAL) -> RetentionReport:
        """Remove what the policies say, for some seconds."""
        return await self._transport.call("POST", "/retention/apply", _REPORT, body=part)

    async def hold(self, run_id: UUID, until: datetime | None = None) -> RunHold:
        """Hold a run against every removal."""
        body = HoldRequest(until=until)
        return await self._transport.call("PUT", f"/retention/holds/{run_id}", _HOLD, body=body)

    async def release(self, run_id: UUID) -> RunHold:
        """Release the hold of a run."""
        return await self._transport.call("DELETE", f"/retention/holds/{run_id}", _HOLD)
