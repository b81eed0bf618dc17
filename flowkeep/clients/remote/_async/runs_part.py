"""What the parts of the noun `runs` share."""

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts import Run

RUN = TypeAdapter(Run)


class AsyncRunsPart:
    """A part of `client.runs`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def _of(
        self, run_id: UUID, path: str, kind: TypeAdapter[Any], query: dict[str, Any] | None = None
    ) -> Any:
        return await self._transport.call("GET", f"/runs/{run_id}/{path}", kind, query=query)
