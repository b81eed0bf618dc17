"""What the code of runs logged."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.task_logs import LogLevel, LogLine

_LINES = TypeAdapter(Listing[LogLine])


class AsyncRunLogs:
    """Log lines of runs; it is `client.run_logs`. Who sees a run sees its lines.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self,
        run_id: UUID,
        *,
        activity_id: str | None = None,
        attempt: int | None = None,
        level: LogLevel | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[LogLine]:
        """Return a page of the lines of a run, in the order in which they were written."""
        query = {
            "activity_id": activity_id,
            "attempt": attempt,
            "level": level,
            "limit": limit,
            "cursor": cursor,
        }
        return await self._transport.call("GET", f"/runs/{run_id}/logs", _LINES, query=query)
