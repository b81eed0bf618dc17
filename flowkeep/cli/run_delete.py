"""`flowkeep run delete`."""

from uuid import UUID

import click

from flowkeep.cli.confirm import confirm
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.UUID, metavar="RUN...")
@click.option("--force", is_flag=True, help="Terminate open runs instead of refusing.")
@click.option("--dry-run", is_flag=True, help="Only check and count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def delete(
    invocation: Invocation, runs: tuple[UUID, ...], force: bool, dry_run: bool, yes: bool
) -> None:
    """Delete runs with everything that is theirs.

    RUN is a run id. One that does not exist is passed over. Runs under a legal hold stay, and so
    do open ones unless --force is given: then nothing at all is deleted.
    """
    if not dry_run:
        confirm(f"Delete {len(set(runs))} runs for good?", yes)
    invocation.run(_delete(invocation, runs, force, dry_run))


async def _delete(
    invocation: Invocation, runs: tuple[UUID, ...], force: bool, dry_run: bool
) -> None:
    from flowkeep.cli.requests import made
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.runs import RunDeletion

    deletion = made(RunDeletion, run_ids=list(runs), force=force, dry_run=dry_run)
    async with open_service(invocation) as client:
        deleted = (await client.runs.delete_many(deletion)).deleted
    if invocation.json:
        print_json({"deleted": deleted, "dry_run": dry_run})
    else:
        click.echo(f"{deleted} runs {'would be' if dry_run else 'were'} deleted.")
