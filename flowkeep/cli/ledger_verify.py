"""`flowkeep ledger verify`."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from flowkeep.cli.arguments import Moment
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.ledger_differences import Report, reporting

if TYPE_CHECKING:
    from flowkeep.contracts.truth import Difference
    from flowkeep.recording.verification import Verification


@click.command()
@click.option(
    "--since",
    type=Moment(),
    help="Leave out executions that had ended before: ISO 8601, or an age like 2h, 7d.",
)
@click.option(
    "--until", type=Moment(), help="Leave out executions that began later; now when left out."
)
@click.option("--workflow-id", help="Only executions of this workflow id.")
@click.option(
    "--deep", is_flag=True, help="Read every history, and compare attempt by attempt as well."
)
@click.option("--repair", is_flag=True, help="Correct the ledger, and look again.")
@click.option(
    "--per-second",
    type=click.FloatRange(min=0, min_open=True),
    default=200.0,
    show_default=True,
    help="Most executions that Temporal is asked for one by one.",
)
@common_options
@pass_invocation
@click.pass_context
def verify(
    ctx: click.Context,
    invocation: Invocation,
    since: datetime | None,
    until: datetime | None,
    workflow_id: str | None,
    deep: bool,
    repair: bool,
    per_second: float,
) -> None:
    """Compare the ledger with Temporal both ways and print every difference.

    Of all tenants, or of the one that --tenant names. What looks different is looked at again some
    seconds later, so that runs at work are none. The exit code is 0 without differences (or when
    all were repaired), 1 with some, 3 when the two could not be compared.
    """
    options = {
        "since": since,
        "until": until,
        "tenant_id": invocation.tenant if _names_tenant(ctx) else None,
        "workflow_id": workflow_id,
        "deep": deep,
        "repair": repair,
    }
    if not invocation.run(_verify(invocation, options, per_second)):
        raise click.exceptions.Exit(1)


def _names_tenant(ctx: click.Context) -> bool:
    """Tell whether the command line names a tenant, before or after the command."""
    place: click.Context | None = ctx
    while place is not None:
        if place.get_parameter_source("tenant") is ParameterSource.COMMANDLINE:
            return True
        place = place.parent
    return False


async def _verify(invocation: Invocation, options: dict[str, Any], per_second: float) -> bool:
    """Compare, print, and return whether ledger and Temporal agree."""
    from flowkeep.cli.session import open_client
    from flowkeep.clients.sweeper import Sweeper
    from flowkeep.recording.verification import Verification

    async with open_client(invocation) as client:
        verification = Verification(
            client.temporal,
            client.store,
            client.settings.reconciler,
            per_second=per_second,
            sweep=Sweeper(client).sweep,
            payloads=client.settings.recorder.payloads,
        )
        with reporting(invocation, client.temporal.namespace, options) as report:
            with _progress(invocation, verification):
                await _collect(verification.differences(**options), report)
            report.done(verification.counts)
    return verification.counts.agree


async def _collect(differences: AsyncIterator["Difference"], report: Report) -> None:
    async for difference in differences:
        report.add(difference)


@contextmanager
def _progress(invocation: Invocation, verification: "Verification") -> Iterator[None]:
    """Show on a terminal how far it is; elsewhere nothing."""
    if invocation.json or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def draw() -> Text:
        counts = verification.counts
        parts = [
            f"{counts.compared:,} executions compared",
            f"{counts.listed:,} looked up",
            f"{counts.waiting:,} looked at again soon",
            f"{counts.differences.total():,} differences",
        ]
        return Text(", ".join(parts), style="dim")

    with Live(
        get_renderable=draw,
        console=Console(stderr=True),
        refresh_per_second=4,
        transient=True,
    ):
        yield
