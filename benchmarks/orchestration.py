"""Orchestration with the ledger, against the bare SDK on the same engine.

Four variants, each with its client and its worker in a process of its own, on one embedded
PostgreSQL and one tuned Temporal server:

bare      the SDK alone, tuned as flowkeep tunes it (no compression, eager start, uvloop, …)
plugin    the same program with flowkeep.Plugin on the client
surface   WorkflowClient.start_workflow, Worker, WorkflowInterface.execute
sequence  SequenceWorkflow: two activities more per run (arguments, preflight), not counted

With `--peer dbos` two more stand beside them, in an environment of their own, on the same
PostgreSQL:

dbos          DBOS, the same steps awaited on one event loop
dbos_threads  DBOS, the same steps as plain functions in its threads

Its steps run in the process that runs the workflow, as local activities do, so they are compared
with those.

Phases take turns and the order is reversed in every other repeat, so that noise of the machine
hits all variants. A phase ends when everything it recorded is committed.
"""

import argparse
import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks._orchestration_load import PHASES
from benchmarks._orchestration_summary import (
    PEERS,
    VARIANTS,
    Figure,
    Figures,
    beside_peer,
    per_step,
    summary,
)
from benchmarks._peer import PeerError, install
from benchmarks._support import Child, cpu_seconds, headline, machine, say
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

DBOS = "dbos==3.4.0"
DBOS_CONSTRAINTS = Path(__file__).with_name("dbos-constraints.txt")
CHILD = "from benchmarks._orchestration_load import main; main()"
DBOS_CHILD = "from benchmarks._dbos_load import main; main()"


async def start_child(
    stack: AsyncExitStack, engine: LocalEngine, variant: str, share: float, peer: Path | None
) -> Child:
    if variant in PEERS:
        assert peer is not None
        url = await engine.create_database(variant)
        python = str(peer / "bin" / "python")
        child = await Child.start(DBOS_CHILD, variant, str(share), url, python=python)
    else:
        child = await Child.start(CHILD, variant, str(share), environment=environment_of(engine))
    stack.push_async_callback(child.stop)
    return child


def environment_of(engine: LocalEngine) -> dict[str, str]:
    settings = engine.settings()
    secret_key = settings.database.secret_key
    assert secret_key is not None
    return {
        "TEMPORAL_ADDRESS": engine.temporal_address,
        "FLOWKEEP_DATABASE_URL": engine.database_url,
        "FLOWKEEP_SECRET_KEY": secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
    }


class Servers:
    """What both servers spend.

    Args:
        engine: The engine.
        connection: To its PostgreSQL.
    """

    def __init__(self, engine: LocalEngine, connection: psycopg.AsyncConnection[Any]) -> None:
        self._engine = engine
        self._connection = connection

    async def spent(self) -> Figure:
        """Return processor seconds of each, and bytes of write-ahead log, since they began."""
        found = await self._connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        row = await found.fetchone()
        assert row is not None
        seconds = {
            name: cpu_seconds(server.pid)
            for name, server in self._engine.servers().items()
            if server.pid is not None
        }
        return {**seconds, "wal": float(row[0])}


async def measure_once(servers: Servers, child: Child, phase: str) -> Figure | None:
    before = await servers.spent()
    figure: Figure | None = await child.measure(phase)
    if figure is not None:
        after = await servers.spent()
        figure |= {name: after[name] - before[name] for name in after}
    return figure


async def measure(
    variants: list[str], phases: list[str], repeats: int, share: float, peer: Path | None
) -> Figures:
    """Return all raw figures: phase, variant, one per repeat."""
    figures: Figures = {phase: {variant: [] for variant in variants} for phase in phases}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        connection = await psycopg.AsyncConnection.connect(engine.database_url, autocommit=True)
        servers = Servers(engine, await stack.enter_async_context(connection))
        children = {name: await start_child(stack, engine, name, share, peer) for name in variants}
        for repeat in range(repeats):
            order = variants if repeat % 2 == 0 else variants[::-1]
            for phase in phases:
                for variant in order:
                    figure = await measure_once(servers, children[variant], phase)
                    if figure is not None:
                        figures[phase][variant].append(figure)
            say(f"repeat {repeat + 1} of {repeats} done: {json.dumps(_newest(figures))}")
    return figures


def _newest(figures: Figures) -> dict[str, dict[str, float]]:
    """Return what the last repeat measured, so that an interrupted run is not lost."""
    return {
        phase: {name: round(raw[-1]["figure"], 1) for name, raw in by_variant.items() if raw}
        for phase, by_variant in figures.items()
    }


def show(
    rows: list[dict[str, Any]], steps: list[dict[str, Any]], beside: list[dict[str, Any]]
) -> None:
    print(f"{'':30} {'unit':13} {'variant':12} {'median':>8} {'ratio':>6} {'95 %':>15}", end="")
    print("   per activity: CPU ms of client+worker, Temporal, PostgreSQL; bytes of WAL")
    for row in rows:
        low, high = row["interval"]
        name = row["what"] if row["variant"] == "bare" else ""
        cpu = "  ".join(f"{value:6.2f}" for value in row["cpu_ms"].values())
        print(
            f"{name:30} {row['unit']:13} {row['variant']:12} {row['median']:8} {row['ratio']:6} "
            f"{low:7} …{high:6}   {cpu} {row['wal_bytes']:7}"
        )
    if steps:
        print("\none activity more in a lone run, ms, and how much more than bare (95 %)")
    for row in steps:
        low, high = row["interval"]
        told = f"{row['ms']:6} {row['more_ms']:+6} ({low:+} … {high:+})"
        print(f"{row['what']:30} {row['variant']:12} {told}")
    if beside:
        print("\nbeside the better form of DBOS, repeat by repeat")
    for row in beside:
        low, high = row["interval"]
        print(f"{row['what']:30} {row['variant']:12} {row['ratio']:6} {low:7} …{high:6}")
    print("\nraw figures")
    for row in rows:
        print(f"{row['phase']:12} {row['variant']:12} {row['raw']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, help="interleaved repeats (default 5, quick 2)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    parser.add_argument("--phases", nargs="+", choices=list(PHASES), default=list(PHASES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS[1:], default=VARIANTS[1:])
    parser.add_argument("--peer", choices=["dbos"], help="measure DBOS beside it")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    repeats = (2 if arguments.quick else 5) if arguments.repeat is None else arguments.repeat
    if repeats < 1:
        parser.error("--repeat must be at least 1")
    share = 0.25 if arguments.quick else 1.0
    peer = None
    if arguments.peer:
        try:
            peer = install("dbos-" + DBOS.partition("==")[2], [DBOS, "uvloop"], DBOS_CONSTRAINTS)
        except PeerError as error:
            parser.exit(1, f"{error}\n")
    variants = ["bare", *arguments.variants, *(PEERS if peer else ())]
    figures = asyncio.run(measure(variants, arguments.phases, repeats, share, peer))
    rows, steps, beside = summary(figures), per_step(figures), beside_peer(figures)
    if arguments.output == "json":
        told = {"rows": rows, "steps": steps, "dbos": beside}
        print(json.dumps({"benchmark": "orchestration", "machine": machine(), **told}))
    else:
        print(headline(repeats) + "\n")
        show(rows, steps, beside)


if __name__ == "__main__":
    main()
