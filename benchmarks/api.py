"""The service: lists of runs, starts and watchers.

lists     `GET /api/v1/runs` with a key on a filled ledger, beside a bare FastAPI app that answers
          with the same page by one statement of psycopg: as a dict, through a model, and through
          orjson. Both are one process of uvicorn with uvloop and httptools.
starts    `POST /api/v1/runs`, beside `WorkflowClient.start_workflow` in a process of its own, on
          the tuned engine; no worker listens.
watchers  Streams of server-sent events, of one run, of a hundred, and some that nobody reads: the
          service's memory and descriptors before, meanwhile and after.

Requests are made by hey, which is built on first use and needs Go on PATH. Variants take turns and
the order is reversed in every other round, so that noise of the machine hits all of them.
Processor time is that of the process that answers, per request.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import _api_lists as lists
from benchmarks import _api_starts as starts
from benchmarks import _api_watchers as watchers
from benchmarks._api_summary import show, show_watchers, summary
from benchmarks._api_tool import binary
from benchmarks._peer import PeerError
from benchmarks._support import headline, machine
from flowkeep.errors import FlowkeepError

PARTS = ("lists", "starts", "watchers")
BASELINES = ("dict", "model", "orjson")


async def measure(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all parts that are wanted."""
    found: dict[str, list[dict[str, Any]]] = {}
    if "lists" in arguments.parts:
        kept = arguments.keep.resolve() if arguments.keep else None
        sizes = lists.Sizes(
            arguments.runs, arguments.repeat, arguments.seconds, arguments.at_once, kept
        )
        found["lists"] = summary(await lists.measure(sizes), BASELINES)
    if "starts" in arguments.parts:
        of_starts = starts.Sizes(arguments.starts, arguments.at_once, arguments.repeat)
        found["starts"] = summary(await starts.measure(of_starts), ("client",))
    if "watchers" in arguments.parts:
        of_watchers = watchers.Sizes(arguments.watchers, arguments.watch_seconds)
        found["watchers"] = await watchers.measure(of_watchers)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="smaller loads, for a first look")
    parser.add_argument("--repeat", type=int, help="rounds (default 7, quick 2)")
    parser.add_argument("--at-once", type=int, default=16, help="requests at a time (default 16)")
    parser.add_argument("--runs", type=int, help="in the ledger (default 1000000, quick 20000)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the filled ledger there")
    parser.add_argument("--seconds", type=float, help="of each list's phase (default 8, quick 2)")
    parser.add_argument("--starts", type=int, help="per phase (default 1600, quick 160)")
    parser.add_argument("--watchers", type=int, help="streams (default 1000, quick 100)")
    parser.add_argument("--watch-seconds", type=float, help="of events (default 180, quick 6)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    usual: dict[str, tuple[float, float]] = {
        "repeat": (7, 2),
        "runs": (1_000_000, 20_000),
        "seconds": (8.0, 2.0),
        "starts": (1600, 160),
        "watchers": (1000, 100),
        "watch_seconds": (180.0, 6.0),
    }
    for name, (full, quick) in usual.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if arguments.quick else full)
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    if arguments.starts % arguments.at_once:
        parser.error("--starts must be a multiple of --at-once")
    return arguments


def main() -> None:
    arguments = _arguments()
    begin = headline(arguments.repeat)
    try:
        if {"lists", "starts"} & set(arguments.parts):
            binary()
        found = asyncio.run(measure(arguments))
    except (FlowkeepError, PeerError) as error:
        sys.exit(str(error))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "api", "machine": machine(), **found}))
        return
    print(f"{begin}; load average {machine()['load_average']} at the end")
    for part, what in (("lists", "requests"), ("starts", "runs")):
        if part in found:
            show(found[part], what)
    if "watchers" in found:
        show_watchers(found["watchers"])


if __name__ == "__main__":
    main()
