# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Workers: who polls the task queues that the tenant uses."""

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.workers import TaskQueue

_QUEUES = TypeAdapter(Listing[TaskQueue])


class Workers:
    """Task queues and their workers; it is `client.workers`. Only for admins of the tenant.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Listing[TaskQueue]:
        """Return the task queues that the tenant's latest runs and schedules use, by name."""
        return self._transport.call("GET", "/workers", _QUEUES)
