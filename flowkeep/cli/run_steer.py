"""`flowkeep run pause|resume|cancel`: ask something of an open run."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import click

from flowkeep.cli.arguments import merge_arguments
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json
from flowkeep.cli.run_view import print_run

if TYPE_CHECKING:
    from flowkeep.cli.service import ServiceClient
    from flowkeep.contracts import Run


@click.command()
@click.argument("run")
@click.option("--reason", help="Why; shown with the run.")
@common_options
@pass_invocation
def pause(invocation: Invocation, run: str, reason: str | None) -> None:
    """Pause a run before its next task; tasks under way go on.

    RUN is a run id, or a workflow id for its newest run.
    """
    invocation.run(_ask(invocation, run, lambda client, run_id: client.runs.pause(run_id, reason)))


@click.command()
@click.argument("run")
@click.option("--patch", multiple=True, metavar="KEY=VALUE", help="Set a key of the run's state.")
@common_options
@pass_invocation
def resume(invocation: Invocation, run: str, patch: tuple[str, ...]) -> None:
    """Let a paused run go on.

    RUN is a run id, or a workflow id for its newest run.
    """
    changes = merge_arguments(patch, None, option="--patch") or None
    invocation.run(
        _ask(invocation, run, lambda client, run_id: client.runs.resume(run_id, changes))
    )


@click.command()
@click.argument("run")
@click.option("--reason", help="Why; shown with the run.")
@common_options
@pass_invocation
def cancel(invocation: Invocation, run: str, reason: str | None) -> None:
    """Ask a run to stop; its workflow may clean up first.

    RUN is a run id, or a workflow id for its newest run.
    """
    invocation.run(_ask(invocation, run, lambda client, run_id: client.runs.cancel(run_id, reason)))


async def _ask(
    invocation: Invocation,
    name: str,
    ask: "Callable[[ServiceClient, UUID], Awaitable[Run]]",
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.runs.find(name)
        run = await ask(client, found.id)
    if invocation.json:
        print_json(run)
    else:
        print_run(run)
