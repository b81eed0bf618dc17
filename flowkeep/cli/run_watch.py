"""`flowkeep run watch`: follow a run until it ends."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.run_view import leave_with, print_run

if TYPE_CHECKING:
    from flowkeep.clients.workflow import RunHandle
    from flowkeep.contracts import Run

INTERVAL_SECONDS = 0.5


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
    from flowkeep.cli.session import find_run, open_client

    async with open_client(invocation) as client:
        found = await find_run(client.store, invocation.tenant, name)
        handle = await client.get_handle(invocation.tenant, str(found.id))
        run = await follow(invocation, handle, interval_seconds=interval)
    if not invocation.json:
        print_run(run)
    leave_with(run)


async def follow(
    invocation: Invocation,
    handle: "RunHandle",
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
