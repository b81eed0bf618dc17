"""Noting which task queues workers with flowkeep serve: executions that wait there are ours."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.worker import Worker

from flowkeep.errors import FlowkeepError, LedgerUnavailable
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 15.0


@asynccontextmanager
async def noted_queue(store: Store, worker: Worker) -> AsyncIterator[None]:
    """Note a worker's task queue in the background; a ledger that is away is tried again.

    Args:
        store: The ledger.
        worker: Serves the queue while the block runs.
    """
    noting = asyncio.create_task(
        _note(store, worker.client.namespace, worker.task_queue), name="flowkeep-served-queue"
    )
    try:
        yield
    finally:
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)


async def _note(store: Store, namespace: str, task_queue: str) -> None:
    while True:
        try:
            await store.system.serve_queue(namespace, task_queue)
        except LedgerUnavailable:  # the recorder tells of it
            await asyncio.sleep(_AGAIN_SECONDS)
        except FlowkeepError as error:
            logger.warning("task queue %r is not noted as served: %s", task_queue, error)
            return
        else:
            return
