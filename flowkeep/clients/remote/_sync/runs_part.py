# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""What the parts of the noun `runs` share."""

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts import Run

RUN = TypeAdapter(Run)


class RunsPart:
    """A part of `client.runs`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _of(
        self, run_id: UUID, path: str, kind: TypeAdapter[Any], query: dict[str, Any] | None = None
    ) -> Any:
        return self._transport.call("GET", f"/runs/{run_id}/{path}", kind, query=query)
