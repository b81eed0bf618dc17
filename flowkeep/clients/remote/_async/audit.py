"""The audit log: who did what, and who was denied what."""

from datetime import datetime

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.audit import AuditEntry, AuditOutcome
from flowkeep.contracts.api.listing import Listing

_LINES = TypeAdapter(Listing[AuditEntry])


class AsyncAuditLog:
    """The audit log; it is `client.audit`. Staff of the tenant read it, nobody changes it.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        subject: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        outcome: AuditOutcome | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        all_tenants: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return a page of the log, newest first."""
        query = {
            "subject": subject,
            "action": action,
            "object_kind": object_kind,
            "object_id": object_id,
            "outcome": None if outcome is None else AuditOutcome(outcome).value,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "all_tenants": all_tenants or None,
            "limit": limit,
            "cursor": cursor,
        }
        return await self._transport.call("GET", "/audit", _LINES, query=query)
