"""Reads and writes of the ledger at several sizes, and how fast runs leave it.

A PostgreSQL server of its own gets one ledger per size, filled by COPY with seeded rows: see
`_ledger_rows`. All sizes are measured in one run, call by call in turns, through the public
repositories on one connection each; so noise hits all of them, and the ratio between two sizes
means more than either figure. Then runs of the oldest tenth are removed, published, verified and
deleted, which is measured size by size.

Calls whose p95 is not in single digits of a millisecond, or whose median is more than 1.5 times
that of the smallest size, are named with the plans of their statements.
"""

import argparse
import asyncio
import gc
import json
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import text

from benchmarks._ledger_calls import Call, Ledger, in_turns, prepare
from benchmarks._ledger_fill import repeat_lately
from benchmarks._ledger_plans import explain
from benchmarks._ledger_report import outliers, show_facts, show_times, summary
from benchmarks._ledger_rows import SPAN
from benchmarks._ledger_server import MEASURED, LedgerServer, leaving
from benchmarks._ledger_sizes import sizes_of
from benchmarks._ledger_throughput import throughput
from benchmarks._support import headline, machine, say
from flowkeep.errors import FlowkeepError
from flowkeep.statestore import Store, connect

WARM_UP = 10
LEAVING = ("archive", "retention")


async def measure(sizes: list[int], calls: int, kept: Path | None, only: str) -> dict[str, Any]:
    """Return times, plans and facts by size.

    Args:
        sizes: Runs of each ledger.
        calls: How often each call is timed, per size.
        kept: Folder of the server that outlives the benchmark; None for one that does not.
        only: Regular expression that a call's name must hold.
    """
    async with AsyncExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(LedgerServer(folder).running())
        spend = any(re.search(only, name) for name in LEAVING)
        filled = await server.provide(sizes, spend=spend)
        facts: dict[int, dict[str, Any]] = {runs: {} for runs in sizes}
        ledgers = {}
        for runs in sizes:
            population, _ = server.population(runs)
            if runs in filled:
                facts[runs]["fill: COPY, s"] = filled[runs].copy_seconds
                facts[runs]["fill: indexes, s"] = filled[runs].index_seconds
            facts[runs] |= await asyncio.to_thread(sizes_of, server.url(runs))
            await asyncio.to_thread(repeat_lately, server.url(runs), population)
            store = await connect(settings=server.settings(runs))
            await stack.enter_async_context(store)
            ledgers[runs] = Ledger(store, population)
            facts[runs]["all runs counted for statistics, s"] = await _counted(store)
        times, slow = await _times(ledgers, calls, only)
        if spend:
            for runs in sizes:
                facts[runs] |= await _leave(server, runs, folder / "archive")
        return {"times": times, "plans": slow, "facts": facts}


async def _counted(store: Store) -> float:
    began = time.monotonic()
    await store.system.fold_rollups(rebuild=True)
    took = time.monotonic() - began
    async with store.transaction() as tx:  # as autovacuum does by itself within a minute
        await tx.connection.execute(text("ANALYZE flowkeep.run_rollup"))
    return took


async def _leave(server: LedgerServer, runs: int, folder: Path) -> dict[str, Any]:
    """Archive and remove some of the oldest runs; return how fast that went."""
    say(f"archiving and removing {leaving(runs):,} of {runs:,} runs each")
    population, spent = server.population(runs)
    before = population.since + SPAN / 10
    await asyncio.to_thread(server.mark, runs, population, spent + 2 * leaving(runs))
    return await throughput(server.url(runs), before, leaving(runs), folder / str(runs))


async def _times(
    ledgers: dict[int, Ledger], calls: int, only: str
) -> tuple[dict[str, dict[int, list[float]]], dict[str, str]]:
    say("preparing arguments: paging to page 1,000 of every list")
    prepared = {runs: await prepare(ledger, calls, only) for runs, ledger in ledgers.items()}
    gc.collect()
    gc.freeze()
    times = {}
    for name in next(iter(prepared.values())):
        times[name] = await _timed({runs: of_size[name] for runs, of_size in prepared.items()})
        say(f"{name}: " + ", ".join(f"{sorted(t)[len(t) // 2]:.2f}" for t in times[name].values()))
    slow = {}
    for name, runs in outliers(summary(times)):
        slow[f"{name}, {runs:,} runs"] = await explain(ledgers[runs].store, prepared[runs][name][0])
    return times, slow


async def _timed(calls: dict[int, list[Call]]) -> dict[int, list[float]]:
    """Return milliseconds by size; the first calls warm up and are not counted."""
    taken: dict[int, list[float]] = {runs: [] for runs in calls}
    for _, call in in_turns({runs: of_size[:WARM_UP] for runs, of_size in calls.items()}):
        await call()
    for runs, call in in_turns(calls):
        began = time.perf_counter()
        await call()
        taken[runs].append((time.perf_counter() - began) * 1000)
    return taken


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs",
        type=int,
        nargs="+",
        default=[100_000],
        help="in the ledger; a ledger per number, compared with the first (default 100000)",
    )
    parser.add_argument(
        "--calls", type=int, default=200, help="of each kind and size (default 200)"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="only calls named like this")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the ledgers there, and use them again"
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write every figure there, as JSON"
    )
    arguments = parser.parse_args()
    if min(arguments.runs) < 10_000 or arguments.calls < 20:
        parser.error("--runs must be at least 10000 and --calls at least 20")
    return arguments


def main() -> None:
    arguments = _arguments()
    sizes = sorted(set(arguments.runs))
    kept = arguments.keep.resolve() if arguments.keep else None
    begin = headline(arguments.calls)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(sizes, arguments.calls, kept, arguments.only))
    except FlowkeepError as error:
        sys.exit(str(error))
    rows = summary(found["times"])
    print(f"{begin}; load average {machine()['load_average']} at the end")
    print(
        "PostgreSQL: " + ", ".join(f"{name} = {value}" for name, value in MEASURED.items()) + "\n"
    )
    show_facts(found["facts"])
    print()
    show_times(rows)
    for what, plan in found["plans"].items():
        print(f"\n{what}\n{plan}")
    if arguments.save:
        described = {"benchmark": "ledger", "machine": machine(), "settings": MEASURED}
        arguments.save.write_text(json.dumps(described | found | {"rows": rows}, indent=2))


if __name__ == "__main__":
    main()
