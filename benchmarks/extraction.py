"""All columns of a catalogue to a Parquet file in storage, against COPY of the same statement.

Baseline: `psql` runs the very statement and writes what comes to the null device, process start
included. Ours: connect, count the rows, COPY, Parquet, hash, put; imports not included. Each
measurement is a fresh process; the variants take turns, and every other round in reverse order.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._catalogue import Catalogue
from benchmarks._raw_copy import copy_statements, extraction_of, raw_copy
from benchmarks._source_server import SourceServer
from benchmarks._support import headline, machine, peak_mib, say

BASELINE, FETCH, WHOLE = "psql COPY to null", "columns to Parquet", "and to entities"
VARIANTS = (BASELINE, FETCH, WHOLE)

Figure = dict[str, float]


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
    return {"seconds": seconds, "rows": fetched.rows, "peak_mib": peak_mib()}


def measure(url: str, statement: str, variant: str) -> Figure:
    if variant == BASELINE:
        return {"seconds": raw_copy(url, [statement])}
    command = [sys.executable, "-m", "benchmarks.extraction", "--child", variant]
    done = subprocess.run(command, input=url.encode(), stdout=subprocess.PIPE, check=True)
    figure: Figure = json.loads(done.stdout)
    return figure


async def run(catalogue: Catalogue, rounds: int, kept: Path | None) -> dict[str, list[Figure]]:
    figures: dict[str, list[Figure]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        server = SourceServer(kept or Path(folder))
        async with server.running():
            url = await asyncio.to_thread(server.provide, catalogue)
            [statement] = await asyncio.to_thread(copy_statements, url, ["columns"])
            for number in range(rounds + 1):
                for variant in VARIANTS if number % 2 == 0 else VARIANTS[::-1]:
                    figure = await asyncio.to_thread(measure, url, statement, variant)
                    if number:  # the first round warms the server up
                        figures[variant].append(figure)
                say(f"round {number} of {rounds} done")
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
    parser.add_argument("--plain", action="store_true", help="no views, foreign keys and the like")
    parser.add_argument("--repeat", type=int, default=7, help="interleaved rounds (default 7)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the catalogue there, and use it again"
    )
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--child", choices=VARIANTS[1:], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(ours(sys.stdin.read(), arguments.child)))
        return
    if arguments.repeat < 1 or arguments.tables < 1:
        parser.error("--repeat and --tables must be at least 1")
    catalogue = Catalogue(arguments.tables, plain=arguments.plain)
    kept = arguments.keep.resolve() if arguments.keep else None
    begin = headline(arguments.repeat)
    rows = summary(asyncio.run(run(catalogue, arguments.repeat, kept)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "extraction", "machine": machine(), "rows": rows}, indent=2))
    else:
        print(f"{begin}; load average {machine()['load_average']} at the end\n")
        show(rows)


if __name__ == "__main__":
    main()
