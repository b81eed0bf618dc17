"""`flowkeep tenant`: tenants as wholes."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.confirm import confirm
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.erasure import Erased


@click.group()
def tenant() -> None:
    """List and erase tenants."""


@tenant.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=100, show_default=True, help="Names per page."
)
@click.option("--after", help="Name that the page before ended with.")
@common_options
@pass_invocation
def list_tenants(invocation: Invocation, limit: int, after: str | None) -> None:
    """List the tenants that have anything in the ledger."""
    invocation.run(_list(invocation, limit, after))


async def _list(invocation: Invocation, limit: int, after: str | None) -> None:
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        page = await store.system.list_tenants(limit=limit, after=after)
    following = page.data[-1] if page.has_more else None
    if invocation.json:
        print_json({"data": page.data, "has_more": page.has_more, "next": following})
        return
    print_table(("tenant",), ((name,) for name in page.data))
    if following:
        click.echo(f"More: add --after {following}", err=True)


@tenant.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Terminate and take open runs instead of refusing.")
@click.option("--despite-hold", is_flag=True, help="Take runs under a legal hold too.")
@click.option("--keep-files", is_flag=True, help="Leave alone what runs stored as files.")
@common_options
@pass_invocation
def erase(
    invocation: Invocation,
    name: str,
    dry_run: bool,
    yes: bool,
    force: bool,
    despite_hold: bool,
    keep_files: bool,
) -> None:
    """Erase everything of the tenant NAME: runs, archive, files, state, secrets, definitions.

    Stop what starts runs for it first. A command that was stopped in the middle is repeated.
    """
    if not dry_run:
        confirm(f"Erase everything of tenant {name!r} for good?", yes)
    invocation.run(_erase(invocation, name, dry_run, force, despite_hold, keep_files))


async def _erase(
    invocation: Invocation,
    name: str,
    dry_run: bool,
    force: bool,
    despite_hold: bool,
    keep_files: bool,
) -> None:
    from flowkeep.cli.session import open_client, open_store

    if force and not dry_run:
        async with open_client(invocation) as client:
            erased = await client.erase_tenant(
                name, force=True, despite_hold=despite_hold, keep_files=keep_files
            )
    else:  # nothing to end in Temporal
        async with open_store(invocation) as store:
            erased = await store.system.erase_tenant(
                name, dry_run=dry_run, force=force, despite_hold=despite_hold, keep_files=keep_files
            )
    _print(invocation, erased, dry_run)


def _print(invocation: Invocation, erased: "Erased", dry_run: bool) -> None:
    if invocation.json:
        print_json({**erased.model_dump(), "dry_run": dry_run})
        return
    stored = {"objects of the archive": erased.objects, "files": erased.files}
    parts = [*erased.rows.items(), *((name, count) for name, count in stored.items() if count)]
    if parts:
        print_table(("what", "would go" if dry_run else "erased"), parts)
    else:
        click.echo(f"There is nothing of tenant {erased.tenant_id!r}.")
