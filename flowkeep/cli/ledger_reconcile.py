"""`flowkeep ledger reconcile`: what `flowkeep worker start` runs beside its workers, alone."""

from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.keeper import Kept

_UNDECIDED = 1


@click.command()
@click.option("--once", is_flag=True, help="Look once at all that is not proven, and end.")
@common_options
@pass_invocation
def reconcile(invocation: Invocation, once: bool) -> None:
    """Find out what nobody reported, and put it right.

    Runs until Ctrl-C or SIGTERM, beside others of its kind: one at a time does the work. With
    --once everything that is not proven is looked at now, due or not; the exit code is 1 when
    something could not be decided.
    """
    if once:
        invocation.run(_once(invocation))
        return
    import uvloop

    from flowkeep.keeper import keep

    uvloop.run(keep(invocation.direct_settings()))


async def _once(invocation: Invocation) -> None:
    from flowkeep.cli.session import open_client
    from flowkeep.keeper import Keeper

    async with open_client(invocation) as client:
        kept = await Keeper(client).keep_once()
    if invocation.json:
        print_json(kept)
    else:
        print_table(("what", "number"), _rows(kept))
    if kept.undecided:
        click.echo(f"{kept.undecided} could not be decided now; they are tried again", err=True)
        raise click.exceptions.Exit(_UNDECIDED)


def _rows(kept: "Kept") -> list[tuple[str, Any]]:
    executions, requests = kept.executions, kept.requests
    return [
        ("requests started", requests.started),
        ("requests that Temporal had", requests.adopted),
        ("requests failed", requests.failed),
        ("requests cancelled", requests.cancelled),
        ("executions that ended, listed", executions.listed),
        ("executions proven by counting", executions.proven),
        ("executions examined", executions.examined),
        ("executions running", executions.open),
        ("executions that do not move", executions.stuck),
        ("executions taken up", executions.adopted),
        *((f"corrected: {kind}", count) for kind, count in sorted(executions.repaired.items())),
        ("undecided", kept.undecided),
    ]
