"""Requests written in somebody's own transaction, whatever it is connected with."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import create_async_engine

from flowkeep.clients.starter_loop import StarterLoop
from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import RunStatus, StateType
from flowkeep.errors import Conflict, InvalidInput, NotFound, OpenRunExists
from flowkeep.local_engine import LocalEngine
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows

Write = Callable[[WorkflowClient, str, dict[str, Any], bool], Coroutine[Any, Any, RunHandle]]

ORDERS = "CREATE TABLE IF NOT EXISTS orders (id int)"


def driver_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


async def by_sqlalchemy_async(
    client: WorkflowClient, url: str, args: dict[str, Any], keep: bool
) -> RunHandle:
    engine = create_async_engine(driver_url(url))
    async with engine.connect() as connection:
        await connection.execute(sql(ORDERS))
        await connection.execute(sql("INSERT INTO orders VALUES (1)"))
        handle = await client.start_in(connection, args, flows.InheritsRun)
        await (connection.commit() if keep else connection.rollback())
    await engine.dispose()
    return handle


async def by_psycopg_async(
    client: WorkflowClient, url: str, args: dict[str, Any], keep: bool
) -> RunHandle:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(ORDERS)
        await connection.execute("INSERT INTO orders VALUES (1)")
        handle = await client.start_in(connection, args, flows.InheritsRun)
        await (connection.commit() if keep else connection.rollback())
    return handle


async def by_sqlalchemy(
    client: WorkflowClient, url: str, args: dict[str, Any], keep: bool
) -> RunHandle:
    def write() -> RunHandle:
        engine = create_engine(driver_url(url))
        with engine.connect() as connection:
            connection.execute(sql(ORDERS))
            connection.execute(sql("INSERT INTO orders VALUES (1)"))
            handle = client.start_in_sync(connection, args, flows.InheritsRun)
            connection.commit() if keep else connection.rollback()
        engine.dispose()
        return handle

    return await asyncio.to_thread(write)


async def by_psycopg(
    client: WorkflowClient, url: str, args: dict[str, Any], keep: bool
) -> RunHandle:
    def write() -> RunHandle:
        with psycopg.connect(url, row_factory=psycopg.rows.namedtuple_row) as connection:
            connection.execute(ORDERS)
            connection.execute("INSERT INTO orders VALUES (1)")
            handle = client.start_in_sync(connection, args, flows.InheritsRun)
            connection.commit() if keep else connection.rollback()
        return handle

    return await asyncio.to_thread(write)


KINDS = [by_sqlalchemy_async, by_psycopg_async, by_sqlalchemy, by_psycopg]


@pytest.mark.parametrize("write", KINDS)
async def test_commit_starts_the_run_at_once(
    client: WorkflowClient, worker: Worker, starter: StarterLoop, ledger_url: str, write: Write
) -> None:
    """A request is started within a moment of its commit, with its arguments and secrets."""
    args = {"suffix": "in", "credentials": {"password": "canary-pw"}, "big": "x" * 20_000}
    handle = await write(client, ledger_url, args, True)
    began = time.monotonic()
    assert (handle.created, handle.temporal_run_id) == (True, None)
    result = await asyncio.wait_for(handle.result(), 60)
    assert time.monotonic() - began < 15  # the sweeper would come after thirty seconds
    assert result["suffix"] == "in"
    assert result["big"] == args["big"]
    assert "secret_ref" in result["credentials"]
    resolved = await client.store.secrets.resolve("default", result["credentials"])
    assert resolved == {"password": "canary-pw"}
    run = await handle.run()
    assert run.status is RunStatus.SUCCEEDED
    assert run.inputs["big"] == args["big"]
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        rows = await connection.execute("SELECT count(*) FROM orders")
        assert await rows.fetchone() == (1,)


@pytest.mark.parametrize("write", KINDS)
async def test_rollback_leaves_nothing(
    client: WorkflowClient, starter: StarterLoop, ledger_url: str, write: Write
) -> None:
    """A request whose transaction is rolled back has never been."""
    args = {"suffix": "out", "credentials": {"password": "canary-pw"}}
    handle = await write(client, ledger_url, args, False)
    with pytest.raises(NotFound):
        await handle.run()
    with pytest.raises(NotFound):
        await handle.result()
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        for table in ("run", "run_event", "state_entry", "secret", "secret_ref"):
            rows = await connection.execute(f"SELECT count(*) FROM flowkeep.{table}")
            assert await rows.fetchone() == (0,), table
    assert await client.executions.describe(handle.workflow_id) is None


async def test_what_nobody_heard_is_started_by_the_next_listener(
    client: WorkflowClient, worker: Worker, ledger_url: str
) -> None:
    """A request that was committed while no starter listened is started once one does."""
    handle = await by_psycopg_async(client, ledger_url, {"suffix": "late"}, True)
    assert await handle.status() is RunStatus.PENDING
    await eventually(lambda: _older(client, handle, 2))
    loop = StarterLoop(client)
    task = asyncio.create_task(loop.run())
    try:
        assert (await asyncio.wait_for(handle.result(), 60))["suffix"] == "late"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _older(client: WorkflowClient, handle: RunHandle, seconds: float) -> None:
    run = await client.store.runs.get("default", handle.run_id)
    assert time.time() - run.created_at.timestamp() > seconds


async def test_several_starters_start_it_once(
    client: WorkflowClient, worker: Worker, starter: StarterLoop, ledger_url: str
) -> None:
    """Of several loops that hear of a request one takes it up."""
    loops = [StarterLoop(client) for _ in range(3)]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    await asyncio.gather(*(loop.listening() for loop in loops))
    handles = [
        await by_psycopg_async(client, ledger_url, {"suffix": str(n)}, True) for n in range(4)
    ]
    for number, handle in enumerate(handles):
        assert (await asyncio.wait_for(handle.result(), 60))["suffix"] == str(number)
        run = await handle.run()
        assert run.start_attempts == 1
        kinds = [event.kind for event in await client.store.runs.list_events("default", run.id)]
        assert kinds == ["succeeded", "started", "created"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_connection_that_is_lost_is_made_again(
    client: WorkflowClient, worker: Worker, starter: StarterLoop, ledger_url: str
) -> None:
    """A listener whose connection breaks listens again."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as other:
        killed = await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            " AND datname = current_database()"
        )
        assert await killed.fetchall() == [(True,)]

    async def deaf() -> None:
        assert not starter._listening.is_set()

    await eventually(deaf, interval=0.001)
    await asyncio.wait_for(starter.listening(), 60)
    handle = await by_psycopg_async(client, ledger_url, {"suffix": "again"}, True)
    assert (await asyncio.wait_for(handle.result(), 60))["suffix"] == "again"


async def test_conflicts_inside_a_transaction(
    client: WorkflowClient, worker: Worker, ledger_url: str
) -> None:
    """An open run is returned, rejected or called a conflict, and the transaction goes on."""
    args = {"a": 1, "token": SecretStr("canary-pw")}
    first = await client.start_workflow(args, flows.Holding, workflow_id="mine")
    theirs = await client.start_workflow(
        {"a": 1}, flows.Holding, workflow_id="acme", tenant_id="acme"
    )
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:

        async def again(args: dict[str, Any], **options: Any) -> RunHandle:
            return await client.start_in(connection, args, flows.Holding, **options)

        await connection.execute(ORDERS)
        same = await again(args, workflow_id="mine")
        assert (same.run_id, same.created) == (first.run_id, False)
        with pytest.raises(Conflict, match="runs with other arguments"):
            await again({"a": 2}, workflow_id="mine")
        with pytest.raises(OpenRunExists, match=str(first.run_id)):
            await again(args, workflow_id="mine", on_conflict="reject")
        with pytest.raises(InvalidInput, match="cancel the open run first"):
            await again(args, workflow_id="mine", on_conflict="replace")
        with pytest.raises(Conflict, match="workflow_id 'acme' is taken") as found:
            await again({"a": 1}, workflow_id="acme", on_conflict="reject")
        assert str(theirs.run_id) not in str(found.value)
        with pytest.raises(InvalidInput, match="'nowhere'"):
            await again({"workflow_id": "nowhere"})
        await connection.commit()
        rows = await connection.execute("SELECT count(*) FROM orders")
        assert await rows.fetchone() == (0,)
    await first.terminate()
    await theirs.terminate()


async def test_several_transactions_make_one_run(
    client: WorkflowClient, worker: Worker, starter: StarterLoop, ledger_url: str
) -> None:
    """Transactions that request one workflow_id at the same time make one run."""

    async def request() -> RunHandle:
        async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
            return await client.start_in(
                connection, {"suffix": "1"}, flows.InheritsRun, workflow_id="once"
            )

    handles = await asyncio.gather(*(request() for _ in range(12)))
    assert len({handle.run_id for handle in handles}) == 1
    assert [handle.created for handle in handles].count(True) == 1
    assert (await handles[0].result())["suffix"] == "1"


async def test_stored_arguments(
    client: WorkflowClient, worker: Worker, starter: StarterLoop, ledger_url: str
) -> None:
    """With nothing but a workflow_id the request uses what is stored under it."""
    await client.store.state.save_state("default", "key", {"suffix": "s"}, StateType.WORKFLOWS)
    handle = await by_psycopg_async(client, ledger_url, {"workflow_id": "key"}, True)
    assert (await handle.result())["suffix"] == "s"


async def test_connections_that_cannot_be(
    client: WorkflowClient, engine: LocalEngine, ledger_url: str
) -> None:
    """Another database, autocommit, the wrong form and no connection at all are named."""
    args = {"a": 1}
    async with await psycopg.AsyncConnection.connect(engine.database_url) as other:
        with pytest.raises(InvalidInput, match="the ledger lies in"):
            await client.start_in(other, args, flows.InheritsRun)
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        with pytest.raises(InvalidInput, match="autocommit"):
            await client.start_in(connection, args, flows.InheritsRun)
        async with connection.transaction():
            await client.start_in(connection, args, flows.InheritsRun)
        with pytest.raises(InvalidInput, match="await start_in"):
            client.start_in_sync(connection, args, flows.InheritsRun)  # type: ignore[arg-type]
    with psycopg.connect(ledger_url) as plain, pytest.raises(InvalidInput, match="start_in_sync"):
        await client.start_in(plain, args, flows.InheritsRun)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"connection is a builtins\.str"):
        await client.start_in("postgresql://u:canary-pw@h/d", args, flows.InheritsRun)  # type: ignore[arg-type]
    page = await client.store.runs.get_paginated_runs("default")
    assert [run.status for run in page] == [RunStatus.PENDING]
