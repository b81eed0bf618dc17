"""`flowkeep archive list|reindex`."""

from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

_STATUSES = (
    "publishing",
    "published",
    "verified",
    "deleting",
    "archived",
    "restoring",
    "restored",
)


@click.command("list")
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    help="Only bundles that stand there; publishing shows what did not end.",
)
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Bundles per page."
)
@click.option("--after", type=click.UUID, help="Bundle id that the page before ended with.")
@common_options
@pass_invocation
def list_bundles(
    invocation: Invocation, /, status: str | None, limit: int, after: UUID | None
) -> None:
    """List bundles, newest first."""
    invocation.run(_list(invocation, status, limit, after))


async def _list(invocation: Invocation, status: str | None, limit: int, after: UUID | None) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.archive import BundleStatus

    async with open_service(invocation) as client:
        page = await client.archive.list(
            status=None if status is None else BundleStatus(status), limit=limit, cursor=after
        )
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("bundle", "month", "shard", "status", "runs", "bytes", "created"),
        (
            (
                one.id,
                f"{one.month:%Y-%m}",
                one.shard,
                one.status.value,
                one.runs,
                one.bytes,
                one.created_at,
            )
            for one in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --after {page.next}", err=True)
    elif not page.data:
        click.echo("No bundles.", err=True)


@click.command()
@common_options
@pass_invocation
def reindex(invocation: Invocation, /) -> None:
    """Rebuild the catalogue of archived runs.

    From the storage alone, for a ledger that lost its tables or came back from an older backup.
    """
    invocation.run(_reindex(invocation))


async def _reindex(invocation: Invocation) -> None:
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        done = await store.archive.reindex(invocation.tenant)
    if invocation.json:
        print_json(done)
        return
    click.echo(
        f"{done.runs} archived runs in {done.bundles} bundles; left out: {done.present} that the"
        f" tables hold, {done.deleted} that were deleted."
    )
    for folder in done.unfinished:
        click.echo(f"unfinished: {folder}", err=True)
    for folder, why in done.refused.items():
        click.echo(f"refused: {folder}: {why}", err=True)
