"""The reconciler as people run it: once, beside the workers, and after a kill."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from temporalio.client import Client

from flowkeep.cli.app import CALL_FAILED
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.cli.calling import Ask, Call
from tests.support import eventually

pytestmark = pytest.mark.slow

FLOWS = Path(__file__).parent
PATIENCE = 180
"""Seconds; starting a process takes long on a busy machine."""


async def start(environment: dict[str, str], log: Path, *words: str) -> Process:
    """Start a command line as a process of its own, in the folder of the workflows."""
    quick = {"FLOWKEEP_RECONCILER_INTERVAL_SECONDS": "1", "FLOWKEEP_RECONCILER_GRACE_SECONDS": "1"}
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flowkeep", *words),
            cwd=FLOWS,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment, **quick, "FLOWKEEP_LOG_FORMAT": "json"},
        )


async def end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


def told(log: Path, words: str) -> list[dict[str, Any]]:
    """Return the log records that hold some words."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [one for one in map(json.loads, lines) if words in one["event"]]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with await connect(settings=settings) as store:
        yield store


async def status(store: Store, workflow_id: str) -> str:
    page = await store.runs.find_by_workflow_id("default", workflow_id)
    assert page.data, f"{workflow_id} is not in the ledger"
    return page.data[0].status.value


async def test_once_decides_everything(
    store: Store, ask: Ask, call: Call, temporal_client: Client, task_queue: str
) -> None:
    """One look takes up what nobody recorded, ends what ended, and says what it did."""
    await store.system.serve_queue(temporal_client.namespace, task_queue)
    name = f"once-{uuid4().hex}"
    handle = await temporal_client.start_workflow("Nobody", id=name, task_queue=task_queue)

    async def running() -> None:
        done = await ask("ledger", "reconcile", "--once")
        assert await status(store, name) == "running"
        assert done["executions"]["undecided"] == 0

    await eventually(running, timeout=30)
    await handle.terminate()
    done = await ask("ledger", "reconcile", "--once")
    assert await status(store, name) == "cancelled"
    assert done["executions"]["repaired"]["not_ended"] == 1
    assert done["requests"] == dict.fromkeys(
        ("started", "adopted", "failed", "cancelled", "left"), 0
    )
    table = await call("ledger", "reconcile", "--once")
    assert (table.exit_code, "executions examined" in table.stdout) == (0, True)


async def test_a_server_that_is_away_is_an_error(call: Call) -> None:
    """Without Temporal nothing can be said: one line, exit code 3."""
    done = await call("ledger", "reconcile", "--once", "--temporal-address", "127.0.0.1:1")
    assert done.exit_code == CALL_FAILED
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.timeout(400)
async def test_alone_it_refuses_a_ledger_of_another_release(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """Without --once, too, a ledger at another migration is one line and exit code 3."""
    url, schema = settings.database_url(), settings.database.schema_name
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(f"SET search_path = {schema}")
        await connection.execute("UPDATE alembic_version SET version_num = '0001'")
    log = tmp_path / "reconcile.log"
    process = await start(environment, log, "ledger", "reconcile")
    assert await asyncio.wait_for(process.wait(), PATIENCE) == CALL_FAILED
    text = log.read_text()
    assert "is at migration 0001" in text
    assert "flowkeep db upgrade" in text
    assert "Traceback" not in text


@pytest.mark.timeout(400)
async def test_beside_a_worker_and_after_a_kill(
    store: Store,
    environment: dict[str, str],
    temporal_client: Client,
    task_queue: str,
    tmp_path: Path,
) -> None:
    """Beside a worker runs that nobody can report end; killed, it comes back; it goes with it."""
    log = tmp_path / "worker.log"
    worker = await start(
        environment, log, "worker", "start", "served_flows", "--task-queue", task_queue
    )
    try:

        def reconciling() -> int:
            found = told(log, "flowkeep-reconciler started, pid")
            assert found
            assert len(told(log, "this process reconciles")) == len(found)
            return int(found[-1]["event"].rpartition(" ")[2])

        pid = await eventually(reconciling, timeout=PATIENCE)
        terminated, late = f"terminated-{uuid4().hex}", f"late-{uuid4().hex}"
        ended = await temporal_client.start_workflow("Nobody", id=terminated, task_queue=task_queue)
        await ended.terminate()
        await eventually(lambda: ends(store, terminated, "cancelled"), timeout=PATIENCE)
        os.kill(pid, signal.SIGKILL)
        await temporal_client.start_workflow(
            "Nobody", id=late, task_queue=task_queue, run_timeout=timedelta(seconds=1)
        )
        await eventually(lambda: ends(store, late, "timed_out"), timeout=PATIENCE)
        again = await eventually(reconciling, timeout=PATIENCE)
        assert again != pid
    finally:
        await end(worker)
    assert worker.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(again, 0)


async def ends(store: Store, workflow_id: str, wanted: str) -> None:
    assert await status(store, workflow_id) == wanted


@pytest.mark.timeout(400)
async def test_another_takes_over_from_a_killed_leader(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Of two processes one reconciles; when it is killed, the other does within seconds."""
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    both: list[Process] = []
    try:
        for log in logs:
            both.append(await start(environment, log, "ledger", "reconcile"))
            if log is logs[0]:
                await eventually(lambda: leads(logs[0]), timeout=PATIENCE)
        await eventually(lambda: waits(logs[1]), timeout=PATIENCE)
        assert not told(logs[1], "this process reconciles")
        both[0].kill()
        await eventually(lambda: leads(logs[1]), timeout=PATIENCE)
    finally:
        for process in both:
            await end(process)
    assert both[1].returncode == 0


def waits(log: Path) -> None:
    assert told(log, "this one stands by")


def leads(log: Path) -> None:
    assert told(log, "this process reconciles")
