"""`flowkeep archive restore`."""

from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json


@click.command()
@click.argument("bundle", type=click.UUID)
@click.option("--run", "runs", type=click.UUID, multiple=True, help="Only this run; repeatable.")
@click.option(
    "--hold-days",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    help="Days in which neither retention nor archive takes them again.",
)
@common_options
@pass_invocation
def restore(
    invocation: Invocation, /, bundle: UUID, runs: tuple[UUID, ...], hold_days: int
) -> None:
    """Bring the runs of a bundle back into the tables.

    Exactly as they were, with a hold.
    """
    invocation.run(_restore(invocation, bundle, runs, hold_days))


async def _restore(
    invocation: Invocation, bundle: UUID, runs: tuple[UUID, ...], hold_days: int
) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.archive import BundleRestoration

    wanted = BundleRestoration(run_ids=list(runs) or None, hold_days=hold_days)
    async with open_service(invocation) as client:
        done = await client.archive.restore(bundle, wanted)
    click.echo(f"restored {done.restored} runs", err=True)
    if invocation.json:
        print_json(done)
        return
    click.echo(f"Restored {done.restored} runs; held until {done.hold_until:%Y-%m-%d %H:%M} UTC.")
    if done.absent:
        click.echo(f"{done.absent} runs do not lie in this bundle any longer.", err=True)
