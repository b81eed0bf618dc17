"""The whole extraction on the local engine, against the raw COPYs of the very same statements.

The engine is real (Temporal, the ledger); the source is a PostgreSQL server of its own with
generated catalogues. Per round and catalogue:

raw COPY, all kinds   `psql`, one connection, one statement after the other, to the null device
worker's start        a fresh process, until it serves
empty database        the whole workflow where there is nothing to extract: in the worker's first
                      run, with all it imports, and again, which is the fixed overhead of a run
whole workflow        preflight, all kinds, entities, manifest; from the start call to the result
again                 the same database once more, now compared with the run before
DataHub               with --peer datahub: its process from start to end, file sink, no profiling

Variants take turns, every other round in reverse order. Round 0 warms up and is not counted; in it
the server logs what it is sent: statements are counted, and the baseline's have to be the
workflow's. Peak memory is that of the worker's process.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks._catalogue import Catalogue
from benchmarks._datahub import DataHub
from benchmarks._extraction_rounds import Figure, Rounds, Target
from benchmarks._extraction_summary import Figures, show, summary
from benchmarks._peer import PeerError
from benchmarks._source_server import SourceServer
from benchmarks._support import headline, machine, say
from flowkeep import WorkflowClient
from flowkeep.errors import FlowkeepError
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade


async def measure(
    catalogues: list[Catalogue], rounds: int, kept: Path | None, peer: DataHub | None
) -> Figures:
    """Return all figures: catalogue, variant, one per round; those of round 0 first.

    Args:
        catalogues: What is extracted.
        rounds: How many are counted.
        kept: Folder of the source server that outlives the benchmark; None for one that does not.
        peer: DataHub, to be measured on the first catalogue.
    """
    figures: Figures = {catalogue.name: {} for catalogue in catalogues}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = SourceServer(kept or folder / "source")
        await stack.enter_async_context(source.running())
        targets = [
            Target(catalogue.name, await asyncio.to_thread(source.provide, catalogue))
            for catalogue in catalogues
        ]
        await asyncio.to_thread(source.provide, None)
        say("starting Temporal and the ledger")
        engine = LocalEngine(folder / "engine", progress=say)
        await stack.enter_async_context(engine)
        await upgrade(engine.database_url)
        client = await WorkflowClient.connect(engine.settings())
        await stack.enter_async_context(client)
        variants = Rounds(source, engine, client, peer)
        for number in range(rounds + 1):
            await asyncio.to_thread(source.log_statements, on=not number)
            for measured, figure in await _round(variants, targets, number):
                for variant, one in figure.items():
                    figures[measured.name].setdefault(variant, []).append(one)
        await asyncio.to_thread(source.log_statements, on=False)
    return figures


async def _round(
    variants: Rounds, targets: list[Target], number: int
) -> list[tuple[Target, dict[str, Figure]]]:
    work = []
    for target in targets:
        work += [(target, variants.copy), (target, variants.flowkeep)]
        if variants.has_peer and target is targets[0]:
            work.append((target, variants.datahub))
    measured = []
    for target, variant in work if number % 2 == 0 else work[::-1]:
        figure = await variant(target)
        measured.append((target, figure))
        seconds = {name: round(one["seconds"], 2) for name, one in figure.items()}
        say(f"round {number}, {target.name}: {json.dumps(seconds)}")
    return measured


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables",
        type=int,
        nargs="+",
        default=[10_000],
        help="of 20 columns; a catalogue per number (default 10000)",
    )
    parser.add_argument("--plain", action="store_true", help="no views, foreign keys and the like")
    parser.add_argument("--repeat", type=int, default=3, help="counted rounds (default 3)")
    parser.add_argument(
        "--peer", choices=["datahub"], help="measure it too, on the first catalogue; installs it"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the catalogues there, and use them again"
    )
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1 or min(arguments.tables) < 1:
        parser.error("--repeat and --tables must be at least 1")
    return arguments


def main() -> None:
    arguments = _arguments()
    catalogues = [Catalogue(tables, plain=arguments.plain) for tables in arguments.tables]
    kept = arguments.keep.resolve() if arguments.keep else None
    try:
        peer = DataHub.install() if arguments.peer else None
        begin = headline(arguments.repeat)
        figures = asyncio.run(measure(catalogues, arguments.repeat, kept, peer))
    except (PeerError, FlowkeepError) as error:
        sys.exit(str(error))
    rows = summary(figures)
    if arguments.output == "json":
        described = {"benchmark": "extraction_workflow", "machine": machine(), "rows": rows}
        print(json.dumps(described, indent=2))
    else:
        print(f"{begin}; load average {machine()['load_average']} at the end\n")
        show(rows)


if __name__ == "__main__":
    main()
