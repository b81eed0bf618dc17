"""`flowkeep run watch`: follow a run until it ends."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Protocol

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.run_view import leave_with, print_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from flowkeep.contracts import Run
    from flowkeep.contracts.progress import RunProgress

INTERVAL_SECONDS = 0.5


class Followed(Protocol):
    """A run that can be followed."""

    run_id: "UUID"

    def watch(self, interval_seconds: float) -> "AsyncIterator[RunProgress]":
        """Yield snapshots until the run has ended."""
        ...


@click.command()
@click.argument("run")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=INTERVAL_SECONDS,
    show_default=True,
    help="Seconds between two looks.",
)
@common_options
@pass_invocation
def watch(invocation: Invocation, run: str, interval: float) -> None:
    """Follow a run until it ends; the exit code is 1 unless it succeeded.

    RUN is a run id, or a workflow id for its newest run. With -o json each look is one line.
    """
    invocation.run(_watch(invocation, run, interval))


async def _watch(invocation: Invocation, name: str, interval: float) -> None:
    from flowkeep.cli.run_started import ServiceRun
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.runs.find(name)
        followed = ServiceRun(client, run_id=found.id)
        run = await follow(invocation, followed, interval_seconds=interval)
    if not invocation.json:
        print_run(run)
    leave_with(run)


async def follow(
    invocation: Invocation,
    handle: Followed,
    *,
    show: bool = True,
    goes_on: bool = True,
    interval_seconds: float = INTERVAL_SECONDS,
) -> "Run":
    """Follow a run until it ends and return it as the ledger has it then.

    On a terminal the progress is drawn in place; elsewhere it is a line per change; with JSON
    output it is one document per line.

    Args:
        invocation: The output format.
        handle: The run.
        show: Whether to show the progress at all.
        goes_on: Whether the run goes on when the following is interrupted.
        interval_seconds: Seconds between two looks.
    """
    from flowkeep.cli.live import Lines, Live, Nothing, snapshot

    display: Lines | Live | Nothing
    if not show:
        display = Nothing()
    elif invocation.json:
        display = Lines(lambda progress: json.dumps(snapshot(progress), ensure_ascii=False))
    elif sys.stdout.isatty():
        display = Live()
    else:
        display = Lines()
    last = None
    with display:
        try:
            async for progress in handle.watch(interval_seconds=interval_seconds):
                display.update(progress)
                last = progress
        except asyncio.CancelledError:
            if goes_on:
                click.echo(f"The run goes on: flowkeep run watch {handle.run_id}", err=True)
            raise
    assert last is not None, "a watch yields at least the end"
    return last.run
