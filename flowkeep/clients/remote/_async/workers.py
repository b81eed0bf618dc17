"""Workers: who polls the task queues that the tenant uses."""

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.workers import TaskQueue

_QUEUES = TypeAdapter(Listing[TaskQueue])


class AsyncWorkers:
    """Task queues and their workers; it is `client.workers`. Only for admins of the tenant.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> Listing[TaskQueue]:
        """Return the task queues that the tenant's latest runs and schedules use, by name."""
        return await self._transport.call("GET", "/workers", _QUEUES)
