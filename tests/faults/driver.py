"""One seed: start everything, ask for runs, break things, let them settle, compare."""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from flowkeep.clients.workflow import WorkflowClient
from tests.faults import histories, injections, requests, witness
from tests.faults.comparison import Truth, compare
from tests.faults.processes import warm_up
from tests.faults.requests import Request, Requester
from tests.faults.rows import Ledger, read_ledger
from tests.faults.scene import CLI, Scene, scene

SETTLE_SECONDS = 180.0
"""How long runs may take to end after the last fault."""
TELL_SECONDS = 5.0
"""How often the driver says what it waits for."""
TRUTH_SECONDS = 60.0
"""How long the ledger may take to be true after that: the promise."""


@dataclass(frozen=True)
class Options:
    """What is asked of one seed.

    Attributes:
        seconds: How long runs are started and faults injected.
        faults: Kinds of faults.
        small_disk: Whether PostgreSQL gets a file system of its own.
        variables: Settings of every process beside the usual ones.
    """

    runs: int
    seconds: float
    faults: list[str]
    small_disk: bool
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """What one seed showed.

    Attributes:
        differences: What is still wrong at the end; empty when the seed passed.
        truth_seconds: From the end of the last run to the last difference.
    """

    seed: int
    differences: list[str]
    settle_seconds: float = 0.0
    truth_seconds: float = 0.0
    lines: list[str] = field(default_factory=list)


async def run_seed(seed: int, options: Options, folder: Path, say: Callable[[str], None]) -> Report:
    """Carry one seed through.

    Args:
        seed: Everything random follows from it.
        options: Sizes.
        folder: Where state, logs and truth files lie; new.
        say: Prints a line.
    """
    _log_to(folder / "client.log")
    chance = random.Random(seed)
    asked = requests.plan(chance, seed, options.runs, options.seconds)
    faults = injections.plan(chance, options.faults, options.seconds)
    warm_up()
    async with scene(
        folder, say, small_disk=options.small_disk, variables=options.variables
    ) as place:
        report = await _carry_through(seed, place, asked, faults, say)
    (folder / "report.txt").write_text("\n".join([*report.lines, *report.differences]))
    return report


def _log_to(path: Path) -> None:
    """Keep what the driver's own client and Temporal's core have to say out of the way."""
    logging.basicConfig(filename=path, level=logging.INFO, force=True)
    with contextlib.suppress(RuntimeError):  # a second seed in this process has one already
        Runtime.set_default(
            Runtime(
                telemetry=TelemetryConfig(
                    logging=LoggingConfig(
                        filter=TelemetryFilter(core_level="ERROR", other_level="ERROR")
                    )
                )
            )
        )


async def _carry_through(
    seed: int,
    place: Scene,
    asked: list[Request],
    faults: list[injections.Planned],
    say: Callable[[str], None],
) -> Report:
    plain = await place.temporal()
    async with await WorkflowClient.connect(place.settings("client")) as ours:
        requester = Requester(ours, plain, place.truth)
        completing = asyncio.create_task(requester.complete_handed_over())
        try:
            async with asyncio.TaskGroup() as group:
                for request in asked:
                    group.create_task(requester.carry_out(request))
                for fault in faults:
                    group.create_task(injections.inject(place, fault))
            recovered = time.monotonic()
            say("the last fault is over, every run is asked for")
            executions = await _settled(place, plain, asked, recovered + SETTLE_SECONDS)
        finally:
            completing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await completing
    ended = time.monotonic()
    say(f"every run has ended {ended - recovered:.1f} s later")
    truth = Truth.of(
        await histories.read_histories(plain, executions),
        asked,
        place.troubles,
        witness.read(place.truth),
    )
    report = Report(seed, [], settle_seconds=ended - recovered)
    ledger = await _until_true(place, truth, report, ended)
    died = [text for program in place.programs.values() if (text := program.died)]
    report.differences += died
    if report.differences:
        (place.folder / "ledger.txt").write_text("\n".join(ledger.lines()))
    report.lines = summary(truth, ledger, faults, report)
    return report


async def _settled(
    place: Scene, plain: Client, asked: list[Request], deadline: float
) -> list[tuple[str, str]]:
    """Wait until every run that was asked for is known to Temporal and none is open.

    Raises:
        TimeoutError: If that does not happen; names what is open.
    """
    before: dict[tuple[str, str], bool] = {}
    told = time.monotonic()
    while True:
        found: dict[tuple[str, str], bool] = {}
        with contextlib.suppress(RPCError):
            found = await histories.list_executions(plain)
        missing = _missing(asked, {workflow_id for workflow_id, _ in found})
        still_open = [workflow_id for (workflow_id, _), is_open in found.items() if is_open]
        if found and not missing and not still_open and found == before:
            return list(found)
        if time.monotonic() > deadline:
            raise TimeoutError(f"open: {still_open}; never started: {missing}")
        if time.monotonic() > told + TELL_SECONDS:
            told = time.monotonic()
            place.say(f"open: {_some(still_open)}; not started: {_some(missing)}")
        before = found
        await asyncio.sleep(0.5)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "none") + more


def _missing(asked: list[Request], started: set[str]) -> list[str]:
    missing = []
    for request in asked:
        if request.way == "schedule":
            fired = [one for one in started if one.startswith(f"{request.workflow_id}-")]
            missing += [request.workflow_id] * (len([one for one in fired if "/" not in one]) < 2)
        elif request.way != "rollback" and request.workflow_id not in started:
            missing.append(request.workflow_id)
    return missing


async def _until_true(place: Scene, truth: Truth, report: Report, ended: float) -> Ledger:
    """Compare until nothing differs, or the time of the promise is over."""
    first = True
    while True:
        ledger = await read_ledger(place.engine.database_url)
        found = compare(truth, ledger)
        report.truth_seconds = time.monotonic() - ended
        if first:
            place.say(f"{len(found)} differences when the last run ended")
            first = False
        if not found:
            found = await verify(place)
        if not found or report.truth_seconds > TRUTH_SECONDS:
            report.differences = found
            return ledger
        await asyncio.sleep(1)


async def verify(place: Scene) -> list[str]:
    """Ask flowkeep itself: `ledger verify --deep` must find nothing and say so by its exit code."""
    program = place.program("verify", CLI, "ledger", "verify", "--deep", "-o", "json", direct=True)
    program.log.unlink(missing_ok=True)
    await program.start()
    code = await program.end()
    return [] if code == 0 else [f"ledger verify: exit code {code}: {program.log.read_text()}"]


def summary(
    truth: Truth, ledger: Ledger, faults: list[injections.Planned], report: Report
) -> list[str]:
    """Say in some lines what happened."""
    runs = Counter(
        (row["workflow_id"].split("-")[2].split("/")[0], row["status"])
        for row in ledger.runs.values()
    )
    rows = [row for attempts in ledger.tasks.values() for row in attempts.values()]
    attempts = Counter(row["status"] for row in rows)
    codes = Counter((row["error"] or {}).get("code") for row in rows if row["error"])
    by_server = sum(row["source"] >= 3 for row in rows)
    ways = Counter(request.way for request in truth.requests)
    errors = Counter(error for request in truth.requests for error in request.errors)
    return [
        f"runs: {len(truth.requests)} asked for ({_counted(ways)}), {len(ledger.runs)} in the "
        f"ledger, {len(truth.executions)} executions",
        "runs by kind and outcome: "
        + ", ".join(f"{kind} {status} {count}" for (kind, status), count in sorted(runs.items())),
        f"attempts: {len(rows)} ({_counted(attempts)}), {by_server} written from history; "
        f"{sum(map(len, truth.lines.values()))} seen by activities",
        f"attempts by error: {_counted(codes)}",
        f"starts and cancels that had to be repeated: {_counted(errors)}",
        f"faults: {_counted(Counter(fault.name for fault in faults))}",
        "events: "
        + ", ".join(
            f"{kind}{f' ({source})' if source else ''} {count}"
            for (kind, source), count in ledger.events.items()
        ),
        f"seconds: {report.settle_seconds:.1f} from the last recovery to the last run's end, "
        f"{report.truth_seconds:.1f} from there to a ledger that equals the truth",
    ]


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
