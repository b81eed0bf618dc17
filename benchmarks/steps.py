"""Durable steps inside an activity, against those of DBOS and of Restate.

Each has its client and its worker in a process of its own, and all wait for the disk at every
commit:

flowkeep        a Temporal activity with `flowkeep.steps()`; every step is a row of the ledger
flowkeep_local  the same in a local activity
dbos            DBOS, the same steps awaited on one event loop, on the same PostgreSQL
dbos_threads    DBOS, as plain functions in its threads
restate         Restate's server and Python SDK, each step a `ctx.run_typed`

The peers are installed into environments of their own on first use; `--peers` leaves some out.
Phases are named by steps of a run and runs at once. They take turns, and the order is reversed in
every other repeat, so that noise of the machine hits all.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks._peer import PeerError, install
from benchmarks._restate_server import binary, restate_server
from benchmarks._step_phases import PHASES
from benchmarks._support import Child, cpu_seconds, headline, interval, machine, say
from benchmarks.orchestration import DBOS, DBOS_CONSTRAINTS, environment_of
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

RESTATE = ["restate-sdk==1.3.0", "hypercorn==0.18.0", "httpx==0.28.1", "uvloop"]
RESTATE_CONSTRAINTS = Path(__file__).with_name("restate-constraints.txt")
PEERS = ("dbos", "dbos_threads", "restate")
OWN = ("flowkeep", "flowkeep_local")
STANDARD = [name for name in PHASES if name != "1000x16"]
CHILDREN = {
    "flowkeep": "from benchmarks._step_load import main; main()",
    "flowkeep_local": "from benchmarks._step_load import main; main()",
    "dbos": "from benchmarks._step_dbos_load import main; main()",
    "dbos_threads": "from benchmarks._step_dbos_load import main; main()",
    "restate": "from benchmarks._step_restate_load import main; main()",
}

Figures = dict[str, dict[str, list[dict[str, float]]]]


class Bench:
    """The servers, and a process per variant.

    Args:
        stack: Ends them.
        share: Share of the runs to make.
        homes: The peers' environments.
    """

    def __init__(self, stack: AsyncExitStack, share: float, homes: dict[str, Path]) -> None:
        self._stack = stack
        self._share = str(share)
        self._homes = homes
        self._children: dict[str, Child] = {}
        self._pids: dict[str, int] = {}
        self._connection: psycopg.AsyncConnection[Any]

    async def start(self, variants: list[str]) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await self._stack.enter_async_context(LocalEngine(folder / "engine", progress=say))
        await upgrade(engine.database_url)
        connection = await psycopg.AsyncConnection.connect(engine.database_url, autocommit=True)
        self._connection = await self._stack.enter_async_context(connection)
        for name, server in engine.servers().items():
            if server.pid is not None:
                self._pids[name] = server.pid
        for name in variants:
            child = await self._child(name, engine, folder)
            self._stack.push_async_callback(child.stop)
            self._children[name] = child

    async def _child(self, name: str, engine: LocalEngine, folder: Path) -> Child:
        if name in OWN:
            return await Child.start(
                CHILDREN[name], name, self._share, environment=environment_of(engine)
            )
        python = str(self._homes[name] / "bin" / "python")
        if name == "restate":
            server = await self._stack.enter_async_context(restate_server(folder / "restate"))
            self._pids["Restate"] = server.pid
            where = (self._share, server.ingress, server.admin)
            return await Child.start(CHILDREN[name], *where, python=python)
        url = await engine.create_database(name)
        return await Child.start(CHILDREN[name], name, self._share, url, python=python)

    async def measure(self, variant: str, phase: str) -> dict[str, float]:
        before = await self._spent()
        figure: dict[str, float] = await self._children[variant].measure(phase)
        after = await self._spent()
        servers = {name: after[name] - before[name] for name in after}
        wal = servers.pop("wal")
        return {**figure, "servers": sum(servers.values()), "wal": wal}

    async def _spent(self) -> dict[str, float]:
        found = await self._connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        row = await found.fetchone()
        assert row is not None
        seconds = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        return {**seconds, "wal": float(row[0])}


async def measure(
    variants: list[str], phases: list[str], repeats: int, share: float, homes: dict[str, Path]
) -> Figures:
    figures: Figures = {phase: {variant: [] for variant in variants} for phase in phases}
    async with AsyncExitStack() as stack:
        bench = Bench(stack, share, homes)
        await bench.start(variants)
        for repeat in range(repeats):
            order = variants if repeat % 2 == 0 else variants[::-1]
            for phase in phases:
                for variant in order:
                    figures[phase][variant].append(await bench.measure(variant, phase))
            newest = {
                phase: {name: round(raw[-1]["rate"]) for name, raw in by_variant.items()}
                for phase, by_variant in figures.items()
            }
            say(f"repeat {repeat + 1} of {repeats} done: {json.dumps(newest)}")
    return figures


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and variant; ratios are flowkeep's rate to the variant's."""
    rows = []
    for phase, by_variant in figures.items():
        ours = [one["rate"] for one in by_variant["flowkeep"]]
        both = [by_variant[name] for name in ("dbos", "dbos_threads") if by_variant.get(name)]
        measured = dict(by_variant)
        if both:
            best = [max(pair, key=lambda one: one["rate"]) for pair in zip(*both, strict=True)]
            measured["best of dbos"] = best
        for variant, found in measured.items():
            ratios = [one / peer["rate"] for one, peer in zip(ours, found, strict=True)]
            rows.append(
                {
                    "phase": phase,
                    "variant": variant,
                    "steps_per_second": round(statistics.median(one["rate"] for one in found)),
                    "ms": round(statistics.median(one["ms"] for one in found), 1),
                    "ratio": round(statistics.median(ratios), 2),
                    "interval": [round(bound, 2) for bound in interval(ratios)],
                    "cpu_us": [round(_per_step(found, key) * 1e6) for key in ("cpu", "servers")],
                    "wal_bytes": round(_per_step(found, "wal")),
                    "raw": [round(one["rate"]) for one in found],
                }
            )
    return rows


def _per_step(found: list[dict[str, float]], key: str) -> float:
    return statistics.median(one[key] / one["steps"] for one in found)


def show(rows: list[dict[str, Any]]) -> None:
    print(
        f"{'steps x runs':13} {'variant':14} {'steps/s':>8} {'ms a run':>9} {'ratio':>6} "
        f"{'95 %':>15}   per step: CPU us of its process and of the servers, bytes of WAL"
    )
    for row in rows:
        low, high = row["interval"]
        own, servers = row["cpu_us"]
        print(
            f"{row['phase']:13} {row['variant']:14} {row['steps_per_second']:8} {row['ms']:9} "
            f"{row['ratio']:6} {low:7} …{high:6}   {own:7} {servers:7} {row['wal_bytes']:7}"
        )
    print("\nraw figures, steps per second")
    for row in rows:
        print(f"{row['phase']:13} {row['variant']:14} {row['raw']}")


def homes_of(peers: list[str]) -> dict[str, Path]:
    homes = {}
    if "restate" in peers:
        homes["restate"] = install("restate-sdk", RESTATE, RESTATE_CONSTRAINTS)
        binary()
    for name in ("dbos", "dbos_threads"):
        if name in peers:
            version = DBOS.partition("==")[2]
            homes[name] = install(f"dbos-{version}", [DBOS, "uvloop"], DBOS_CONSTRAINTS)
    return homes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repeats")
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    parser.add_argument("--phases", nargs="+", choices=list(PHASES), default=STANDARD)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    try:
        homes = homes_of(arguments.peers)
    except PeerError as error:
        parser.exit(1, f"{error}\n")
    share = 0.25 if arguments.quick else 1.0
    variants = [*OWN, *arguments.peers]
    figures = asyncio.run(measure(variants, arguments.phases, arguments.repeat, share, homes))
    rows = summary(figures)
    if arguments.output == "json":
        print(json.dumps({"benchmark": "steps", "machine": machine(), "rows": rows}))
    else:
        print(headline(arguments.repeat) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
