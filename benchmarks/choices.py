"""What one more piece of work costs as an activity, a local activity, a step or a child workflow.

Runs of 2 and of 22 pieces, one after the other; what 20 more cost, divided by 20. Alone: the time a
run takes longer. Eight at once: the processor time, of client and worker and of the two servers.
The forms take turns in one process, on embedded servers, with the ledger.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import uvloop
from temporalio.client import Client
from temporalio.service import GrpcCompression
from temporalio.worker import Worker

from benchmarks._choice_flows import Choice, PieceOfWork, piece_of_work, pieces_in_steps
from benchmarks._support import cpu_seconds, headline, machine, say
from flowkeep import Plugin
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

FORMS = ("activity", "local activity", "step", "child workflow")
FEW, MANY = 2, 22
AT_ONCE = 8

Figures = dict[str, list[dict[str, float]]]


class Bench:
    """A worker on servers of its own.

    Args:
        engine: The servers.
        client: Has the plugin.
        plugin: Records.
        queue: The worker's task queue.
    """

    def __init__(self, engine: LocalEngine, client: Client, plugin: Plugin, queue: str) -> None:
        self._client = client
        self._plugin = plugin
        self._queue = queue
        self._url = engine.database_url
        self._pids = {n: s.pid for n, s in engine.servers().items() if s.pid is not None}

    async def measure(self, form: str) -> dict[str, float]:
        """Return what one piece more costs."""
        few, many = await self._runs(form, FEW, 1), await self._runs(form, MANY, 1)
        few_at_once = await self._runs(form, FEW, AT_ONCE)
        many_at_once = await self._runs(form, MANY, AT_ONCE)
        more = MANY - FEW
        cost = {"ms": (many["seconds"] - few["seconds"]) * 1000 / more}
        for key in ("own", *self._pids, "wal"):
            cost[key] = (many_at_once[key] - few_at_once[key]) / more / AT_ONCE
        return cost

    async def _runs(self, form: str, count: int, at_once: int) -> dict[str, float]:
        before, begin = await self._spent(), time.perf_counter()
        await asyncio.gather(*(self._run(form, count) for _ in range(at_once)))
        seconds = time.perf_counter() - begin
        assert self._plugin.recorder is not None
        await self._plugin.recorder.flush()
        after = await self._spent()
        return {key: after[key] - before[key] for key in after} | {"seconds": seconds}

    async def _run(self, form: str, count: int) -> None:
        await self._client.execute_workflow(
            Choice.run,
            args=[form, count],
            id=uuid4().hex,
            task_queue=self._queue,
            request_eager_start=True,
        )

    async def _spent(self) -> dict[str, float]:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            found = await connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            row = await found.fetchone()
        assert row is not None
        seconds = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return {"own": time.process_time(), **seconds, "wal": float(row[0])}


async def measure(repeats: int) -> Figures:
    figures: Figures = {form: [] for form in FORMS}
    with tempfile.TemporaryDirectory() as folder:
        async with LocalEngine(Path(folder), progress=say) as engine:
            await upgrade(engine.database_url)
            plugin = Plugin(engine.settings())
            client = await Client.connect(
                str(engine.temporal_address),
                grpc_compression=GrpcCompression.NONE,
                plugins=[plugin],
            )
            queue = "choices"
            async with Worker(
                client,
                task_queue=queue,
                workflows=[Choice, PieceOfWork],
                activities=[piece_of_work, pieces_in_steps],
            ):
                bench = Bench(engine, client, plugin, queue)
                for form in FORMS:  # warm up
                    await bench.measure(form)
                for repeat in range(repeats):
                    for form in FORMS if repeat % 2 == 0 else FORMS[::-1]:
                        figures[form].append(await bench.measure(form))
                    say(f"repeat {repeat + 1} of {repeats} done")
            await plugin.close()
    return figures


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per form: medians."""
    rows = []
    for form, found in figures.items():
        cpu = [
            statistics.median(one[key] for one in found) * 1000
            for key in ("own", "Temporal", "PostgreSQL")
        ]
        rows.append(
            {
                "form": form,
                "ms": round(statistics.median(one["ms"] for one in found), 2),
                "cpu_ms": [round(one, 2) for one in cpu],
                "wal_bytes": round(statistics.median(one["wal"] for one in found)),
                "raw_ms": [round(one["ms"], 2) for one in found],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=10, help="interleaved repeats")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    rows = summary(uvloop.run(measure(arguments.repeat)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "choices", "machine": machine(), "rows": rows}))
        return
    print(headline(arguments.repeat) + "\n")
    print("one piece more: ms alone; CPU ms of worker, Temporal, PostgreSQL; bytes of WAL")
    for row in rows:
        print(f"{row['form']:15} {row['ms']:8} {row['cpu_ms']} {row['wal_bytes']:8}")
    print("\nraw figures, ms")
    for row in rows:
        print(f"{row['form']:15} {row['raw_ms']}")


if __name__ == "__main__":
    main()
