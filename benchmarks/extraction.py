"""All columns of a catalogue to a Parquet file in storage, against COPY of the same statement.

Baseline: `psql` runs the very statement and writes what comes to the null device, process start
included. Ours: connect, count the rows, COPY, Parquet, hash, put; imports not included. Each
measurement is a fresh process; the variants take turns, and every other round in reverse order.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._catalogue import COLUMNS, create_catalogue
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.postgresql import PostgreSQLSource
from flowkeep.local_engine.isolation import find_binaries
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.storage import Storage

BASELINE, FETCH, WHOLE = "psql COPY to null", "columns to Parquet", "and to entities"
VARIANTS = (BASELINE, FETCH, WHOLE)

Figure = dict[str, float]


def extraction_of(url: str, folder: str) -> MetadataExtraction:
    return MetadataExtraction(
        PostgreSQLSource(SourceCredentials.read({"url": url})),
        Storage(Path(folder).as_uri()),
        RunLocation("benchmark", None, "benchmark", "run"),
        ExtractionOptions(),
    )


def copy_statement(url: str) -> str:
    """Return the statement that the extraction will run, parameters filled in."""
    extraction = extraction_of(url, "/")
    with extraction.source.session() as session:
        text: str = session.copy_text(extraction.statement("columns"))  # type: ignore[attr-defined]
        return text


def baseline(url: str, statement: str) -> Figure:
    parts = urlsplit(url)
    environment = {
        **os.environ,
        "PGPASSWORD": parts.password or "",
        "PGOPTIONS": "-c work_mem=64MB",
    }
    shown = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
    command = [str(find_binaries() / "psql"), "-X", "-q", "-d", shown, "-c", statement]
    begin = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return {"seconds": time.perf_counter() - begin}


def ours(url: str, variant: str) -> Figure:
    """Measure in this process, which has to be fresh."""
    import obstore.store  # noqa: F401 - not measured
    import polars as pl  # noqa: F401
    import psycopg  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        extraction = extraction_of(url, folder)
        begin = time.perf_counter()
        fetched = extraction.fetch("columns")
        if variant == WHOLE:
            extraction.transform(fetched)
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "rows": fetched.rows, "peak_mib": peak}


def measure(url: str, statement: str, variant: str) -> Figure:
    if variant == BASELINE:
        return baseline(url, statement)
    command = [sys.executable, "-m", "benchmarks.extraction", "--child", variant]
    done = subprocess.run(command, input=url.encode(), stdout=subprocess.PIPE, check=True)
    figure: Figure = json.loads(done.stdout)
    return figure


async def run(tables: int, rounds: int) -> dict[str, list[Figure]]:
    figures: dict[str, list[Figure]] = {variant: [] for variant in VARIANTS}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "logs").mkdir()
        server = PostgresServer(folder)
        await server.start()
        stack.push_async_callback(server.stop)
        print(f"creating {tables} tables of {COLUMNS} columns", file=sys.stderr)
        await asyncio.to_thread(create_catalogue, server.url(), tables)
        statement = copy_statement(server.url())
        for number in range(rounds + 1):
            for variant in VARIANTS if number % 2 == 0 else VARIANTS[::-1]:
                figure = await asyncio.to_thread(measure, server.url(), statement, variant)
                if number:  # the first round warms the server up
                    figures[variant].append(figure)
            print(f"round {number} of {rounds} done", file=sys.stderr)
    return figures


def summary(figures: dict[str, list[Figure]]) -> list[dict[str, object]]:
    floor = [figure["seconds"] for figure in figures[BASELINE]]
    rows: list[dict[str, object]] = []
    for variant, measured in figures.items():
        seconds = [figure["seconds"] for figure in measured]
        peaks = [figure["peak_mib"] for figure in measured if "peak_mib" in figure]
        ratios = [one / base for one, base in zip(seconds, floor, strict=True)]
        rows.append(
            {
                "variant": variant,
                "rows": int(measured[0].get("rows", 0)) or None,
                "seconds": round(statistics.median(seconds), 3),
                "ratio": round(statistics.median(seconds) / statistics.median(floor), 2),
                "ratio_of_rounds": round(statistics.median(ratios), 2),
                "peak_mib": round(max(peaks)) if peaks else None,
                "seconds_raw": [round(one, 3) for one in seconds],
            }
        )
    return rows


def show(rows: list[dict[str, object]]) -> None:
    names = ("variant", "rows", "seconds", "ratio", "ratio_of_rounds", "peak_mib")
    print(f"{names[0]:20}" + "".join(f"{name:>17}" for name in names[1:]))
    for row in rows:
        cells = ("" if row[name] is None else str(row[name]) for name in names[1:])
        print(f"{row['variant']:20}" + "".join(f"{cell:>17}" for cell in cells))
    print("\nraw seconds")
    for row in rows:
        print(f"{row['variant']:20} {row['seconds_raw']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000, help="of 20 columns (default 10000)")
    parser.add_argument("--repeat", type=int, default=7, help="interleaved rounds (default 7)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--child", choices=VARIANTS[1:], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(ours(sys.stdin.read(), arguments.child)))
        return
    if arguments.repeat < 1 or arguments.tables < 1:
        parser.error("--repeat and --tables must be at least 1")
    rows = summary(asyncio.run(run(arguments.tables, arguments.repeat)))
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    if arguments.output == "json":
        print(json.dumps({"benchmark": "extraction", "machine": machine, "rows": rows}, indent=2))
    else:
        print(f"{machine['cpus']} CPUs, Python {machine['python']}, {arguments.repeat} rounds\n")
        show(rows)


if __name__ == "__main__":
    main()
