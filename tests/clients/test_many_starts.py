"""Many processes start one workflow_id at the same time."""

import asyncio
import multiprocessing
from multiprocessing.synchronize import Barrier
from typing import Any

from pydantic import SecretStr

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.settings import DatabaseSettings, Settings, TemporalSettings
from flowkeep.worker import Worker
from tests.workflows.flows import Letters

PROCESSES = 50
Found = tuple[str, bool, str]


def start_one(
    database_url: str, address: str, task_queue: str, together: Barrier, found: Any
) -> None:
    """Body of one process: connect, wait for the others, start."""

    async def start() -> Found:
        settings = Settings(
            database=DatabaseSettings(url=SecretStr(database_url), pool_size=1),
            temporal=TemporalSettings(address=address),
        )
        async with await WorkflowClient.connect(settings) as client:
            await asyncio.to_thread(together.wait, 60)
            handle = await client.start_workflow(
                {"suffix": "one"}, "Holding", workflow_id="from-fifty", task_queue=task_queue
            )
            return str(handle.run_id), handle.created, str(await handle.status())

    try:
        found.put(asyncio.run(start()))
    except BaseException as error:
        found.put(("failed", False, f"{type(error).__name__}: {error}"))
        raise


async def test_fifty_processes_make_one_run(
    client: WorkflowClient,
    worker: Worker,
    letters: Letters,
    engine: LocalEngine,
    ledger_url: str,
) -> None:
    """Fifty processes that start one workflow_id at once get one run, which one of them created."""
    # The run is held until all have started: the id of one that has ended may be used again.
    # Children of a server that has imported everything and connected nothing: real processes, and
    # fifty times less to import.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    together, found = context.Barrier(PROCESSES), context.Queue()
    task_queue = client.settings.worker.task_queue
    arguments = (ledger_url, engine.temporal_address, task_queue, together, found)
    processes = [context.Process(target=start_one, args=arguments) for _ in range(PROCESSES)]
    try:
        for process in processes:
            process.start()
        told: list[Found] = [
            await asyncio.to_thread(found.get, timeout=60) for _ in range(PROCESSES)
        ]
        for process in processes:
            await asyncio.to_thread(process.join, 20)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
    assert {run_id for run_id, _, _ in told} == {told[0][0]}, told
    assert [created for _, created, _ in told].count(True) == 1
    assert {status for _, _, status in told} == {"running"}
    assert {process.exitcode for process in processes} == {0}
    handle = await client.get_handle("default", "from-fifty")
    assert str(handle.run_id) == told[0][0]
    letters.release.set()
    assert (await handle.result())["hold"] == "released"
    page = await client.store.runs.get_paginated_runs("default")
    assert len(page.data) == 1
    assert len(await client.store.runs.list_segments("default", handle.run_id)) == 1
