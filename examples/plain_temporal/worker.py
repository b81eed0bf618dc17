"""The worker as it was, with flowkeep.Plugin added to its client."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from examples.plain_temporal.activities import charge, send_receipt
from examples.plain_temporal.workflows import PlaceOrder
from flowkeep import Plugin, Settings

TASK_QUEUE = "orders"


async def connect(settings: Settings | None = None) -> Client:
    """Connect as the plain SDK does; the plugin is what is new."""
    settings = settings or Settings.load()
    return await Client.connect(
        settings.temporal.address or "localhost:7233",
        namespace=settings.temporal.namespace or "default",
        plugins=[Plugin(settings)],
    )


def make_worker(client: Client, part: str = "both", task_queue: str = TASK_QUEUE) -> Worker:
    """Make a worker that serves `workflows`, `activities` or `both`."""
    options: dict[str, Any] = {}
    if part in ("both", "workflows"):
        options["workflows"] = [PlaceOrder]
    if part in ("both", "activities"):
        options["activities"] = [charge, send_receipt]
        options["activity_executor"] = ThreadPoolExecutor(10)
    return Worker(client, task_queue=task_queue, **options)


async def main(part: str) -> None:
    await make_worker(await connect(), part).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "both"))
