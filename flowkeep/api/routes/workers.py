"""`/workers`."""

from fastapi import APIRouter

from flowkeep.api.context import Client
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.workers import TaskQueue

router = APIRouter(prefix="/workers", tags=["workers"], responses=documented())


@router.get("")
async def list_workers(client: Client) -> Listing[TaskQueue]:
    """List the task queues that the tenant's latest runs and schedules use, and who polls them.

    At most 50, as Temporal tells them; pollers of the last minutes are known. For admins.
    """
    return await client.workers.list()
