"""Starts one run and waits for it."""

import asyncio
import sys

from temporalio.client import Client

from examples.plain_temporal.worker import TASK_QUEUE, connect
from examples.plain_temporal.workflows import PlaceOrder


async def place(order: str, client: Client, task_queue: str = TASK_QUEUE) -> str:
    return await client.execute_workflow(
        PlaceOrder.run, order, id=f"order-{order}", task_queue=task_queue
    )


async def main(order: str) -> None:
    print(await place(order, await connect()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
