"""The ledger's side of the recorder alone: whole flushes into a PostgreSQL server of its own.

Two ledgers on one server: `all` as it is, and `two` whose table of attempts keeps only its primary
key and the index by time. One process writes on one connection, as a worker's recorder does,
through `store.system.record`. Ledgers and batch sizes take turns, so noise of the machine hits
them alike.

known   attempts of runs that the ledger knows already
fresh   runs of one activity that nobody requested: adoption, attempt and close in one flush
asked   runs of one activity that a client requested: start, attempt and close in one flush
"""

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import uuid_utils.compat
import uvloop
from pydantic import SecretStr

from benchmarks._ledger_server import MEASURED
from benchmarks._source_server import configure
from benchmarks._support import cpu_seconds, headline, machine, say
from flowkeep.contracts import (
    Attempt,
    NewRun,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    TaskStatus,
)
from flowkeep.local_engine.files import private_folder
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.settings import DatabaseSettings, Settings
from flowkeep.statestore import Store, connect, migrate

LEDGERS = ("two", "all")
KEPT = ("task_pk", "task_by_time_ix")
BATCHES = (500, 1000)
RUNS_PER_FLUSH = (4, 32)
ROWS = 20_000
RUNS = 640
RUNS_KNOWN = 64
TENANT = "bench"

Figure = dict[str, float]


def new_ref() -> RunRef:
    run_id = uuid_utils.compat.uuid7()
    return RunRef(
        run_id=UUID(int=run_id.int),
        tenant_id=TENANT,
        namespace="default",
        workflow_id=f"order-{run_id}",
        temporal_run_id=str(uuid_utils.compat.uuid7()),
        workflow_type="Extraction",
        task_queue="extraction",
        app_id="orders",
    )


def attempt(ref: RunRef, n: int) -> Attempt:
    """One attempt as a worker without payloads reports it."""
    now = datetime.now(UTC)
    return Attempt(
        run=ref,
        activity_id=str(n),
        attempt=1,
        task_name="fetch_columns",
        status=TaskStatus.SUCCEEDED,
        max_attempts=3,
        timeout_seconds=600.0,
        deadline_at=now + timedelta(seconds=600),
        worker="41332@extraction-7d9f",
        scheduled_at=now - timedelta(milliseconds=9),
        started_at=now - timedelta(milliseconds=6),
        finished_at=now,
        recorded_at=now,
    )


def close(ref: RunRef) -> SegmentClose:
    return SegmentClose(
        run=ref,
        status=RunStatus.SUCCEEDED,
        closed_at=datetime.now(UTC),
        outputs={"size": 41, "type": "json/plain", "sha256": "5" * 64},
        expected_tasks=1,
    )


class Ledger:
    """One ledger and what a worker writes to it.

    Args:
        store: Its store, with one connection.
        admin: A connection beside it, for what PostgreSQL counts.
        pid: The server's process.
    """

    def __init__(self, store: Store, admin: psycopg.AsyncConnection[Any], pid: int) -> None:
        self._store = store
        self._admin = admin
        self._pid = pid
        self._refs = [new_ref() for _ in range(RUNS_KNOWN)]
        self._numbers: Iterator[int] = itertools.count(1)

    async def known(self, batch: int) -> Figure:
        """Write attempts of known runs; the next batch is made while nothing is measured."""
        batches = []
        for _ in range(ROWS // batch):
            numbers = [next(self._numbers) for _ in range(batch)]
            batches.append([attempt(self._refs[n % RUNS_KNOWN], n) for n in numbers])
        await self._store.system.record([attempt(ref, 0) for ref in self._refs])
        return await self._measure([{"attempts": one} for one in batches], ROWS)

    async def fresh(self, runs: int) -> Figure:
        flushes = []
        for _ in range(RUNS // runs):
            refs = [new_ref() for _ in range(runs)]
            attempts = [attempt(ref, 1) for ref in refs]
            flushes.append({"attempts": attempts, "closes": [close(ref) for ref in refs]})
        return await self._measure(flushes, RUNS)

    async def asked(self, runs: int) -> Figure:
        flushes = []
        for _ in range(RUNS // runs):
            refs = [new_ref() for _ in range(runs)]
            for ref in refs:
                await self._store.runs.create(TENANT, _request(ref))
            flush: dict[str, Any] = {"attempts": [attempt(ref, 1) for ref in refs]}
            flush["closes"] = [close(ref) for ref in refs]
            flush["starts"] = [RunStarted(run=ref, started_at=datetime.now(UTC)) for ref in refs]
            flushes.append(flush)
        return await self._measure(flushes, RUNS)

    async def sizes(self) -> Figure:
        """Return bytes of one attempt's row, its indexes included."""
        found = await self._admin.execute(
            "SELECT pg_total_relation_size('flowkeep.task')::float / count(*),"
            " pg_relation_size('flowkeep.task')::float / count(*) FROM flowkeep.task"
        )
        row = await found.fetchone()
        assert row is not None
        return {"bytes": row[0], "without indexes": row[1]}

    async def _measure(self, flushes: list[dict[str, Any]], things: int) -> Figure:
        rows, wal = await self._rows(), await self._wal()
        server, own, began = cpu_seconds(self._pid), time.process_time(), time.perf_counter()
        for flush in flushes:
            attempts = flush.pop("attempts")
            await self._store.system.record(attempts, **flush, durable=False)
        took = time.perf_counter() - began
        own, server = time.process_time() - own, cpu_seconds(self._pid) - server
        return {
            "per second": things / took,
            "CPU us": own / things * 1e6,
            "PostgreSQL us": server / things * 1e6,
            "WAL bytes": (await self._wal() - wal) / things,
            "rows": (await self._rows() - rows) / things,
        }

    async def _wal(self) -> float:
        found = await self._admin.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        row = await found.fetchone()
        assert row is not None
        return float(row[0])

    async def _rows(self) -> int:
        """Return the rows of all tables."""
        found = await self._admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'flowkeep'::regnamespace"
            " AND relkind = 'r'"
        )
        tables = [row[0] for row in await found.fetchall()]
        counts = " + ".join(f"(SELECT count(*) FROM flowkeep.{table})" for table in tables)
        counted = await self._admin.execute(f"SELECT {counts}")  # type: ignore[arg-type]
        row = await counted.fetchone()
        assert row is not None
        return int(row[0])


def _request(ref: RunRef) -> NewRun:
    return NewRun(
        id=ref.run_id,
        workflow_id=ref.workflow_id,
        workflow_type=ref.workflow_type,
        task_queue=ref.task_queue,
        app_id=ref.app_id,
    )


async def provide(server: PostgresServer, name: str) -> str:
    """Return the URL of a new ledger with the indexes that its name says."""
    url = server.url(name)
    async with await psycopg.AsyncConnection.connect(
        server.url("postgres"), autocommit=True
    ) as admin:
        await admin.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    await migrate.upgrade(url)
    if name == "two":
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            found = await admin.execute(
                "SELECT indexname FROM pg_indexes WHERE schemaname = 'flowkeep'"
                " AND tablename = 'task' AND NOT indexname = ANY(%s)",
                (list(KEPT),),
            )
            for (index,) in await found.fetchall():
                await admin.execute(f"DROP INDEX flowkeep.{index}")  # type: ignore[arg-type]
    return url


async def measure(repeats: int, folder: Path) -> dict[str, list[Figure]]:
    """Return all raw figures by what was measured."""
    private_folder(folder / "logs")
    server = PostgresServer(folder)
    await server.start()
    try:
        if await asyncio.to_thread(configure, server, MEASURED):
            await server.restart()
        assert server.pid is not None
        ledgers = {}
        connections = []
        for name in LEDGERS:
            url = await provide(server, name)
            database = DatabaseSettings(url=SecretStr(url), pool_size=1)
            store = await connect(settings=Settings(database=database))
            admin = await psycopg.AsyncConnection.connect(url, autocommit=True)
            connections += [store.close, admin.close]
            ledgers[name] = Ledger(store, admin, server.pid)
        figures = await _in_turns(ledgers, repeats)
        for release in connections:
            await release()
        return figures
    finally:
        await server.stop()


async def _in_turns(ledgers: dict[str, Ledger], repeats: int) -> dict[str, list[Figure]]:
    figures: dict[str, list[Figure]] = {}
    for repeat in range(-1, repeats):  # the first one warms up
        order = LEDGERS if repeat % 2 == 0 else LEDGERS[::-1]
        for batch, name in itertools.product(BATCHES, order):
            figure = await ledgers[name].known(batch)
            if repeat >= 0:
                key = f"known, {name} indexes, batches of {batch}"
                figures.setdefault(key, []).append(figure)
        for kind, runs in itertools.product(("fresh", "asked"), RUNS_PER_FLUSH):
            figure = await getattr(ledgers["all"], kind)(runs)
            if repeat >= 0:
                figures.setdefault(f"{kind}, {runs} runs per flush", []).append(figure)
        say(f"repeat {repeat + 1} of {repeats} done")
    for name in LEDGERS:
        figures[f"size, {name} indexes"] = [await ledgers[name].sizes()]
    return figures


def show(figures: dict[str, list[Figure]]) -> None:
    for what, raw in figures.items():
        medians = ", ".join(
            f"{name} {statistics.median(one[name] for one in raw):,.1f}" for name in raw[0]
        )
        print(f"{what}: {medians}")
    print("\nraw figures, per second (attempts, or runs of one activity)")
    for what, raw in figures.items():
        if "per second" in raw[0]:
            print(f"{what:42} {[round(one['per second']) for one in raw]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repeats (default 5)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    begin = headline(arguments.repeat)
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        figures = runner.run(measure(arguments.repeat, Path(folder)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "recorder", "machine": machine(), "figures": figures}))
        return
    print(f"{begin}; load average {machine()['load_average']} at the end\n")
    show(figures)


if __name__ == "__main__":
    main()
