"""`flowkeep tenant`: tenants as wholes."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.confirm import confirm
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.api.tenants import ErasedTenant


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
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.tenants.list(limit=limit, cursor=after)
    if invocation.json:
        print_json({"data": page.data, "has_more": page.has_more, "next": page.next})
        return
    print_table(("tenant",), ((name,) for name in page.data))
    if page.next:
        click.echo(f"More: add --after {page.next}", err=True)


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
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.tenants import TenantErasure

    erasure = TenantErasure(
        confirm=None if dry_run else name,
        dry_run=dry_run,
        force=force,
        despite_hold=despite_hold,
        keep_files=keep_files,
    )
    async with open_service(invocation) as client:
        erased = await client.tenants.erase(name, erasure)
        while not erased.done:
            click.echo(f"{sum(erased.rows.values()):,} rows erased so far", err=True)
            erased = erased.with_more(await client.tenants.erase(name, erasure))
    _print(invocation, erased)


def _print(invocation: Invocation, erased: "ErasedTenant") -> None:
    if invocation.json:
        print_json(erased.model_dump(exclude={"done"}))
        return
    stored = {"objects of the archive": erased.objects, "files": erased.files}
    parts = [*erased.rows.items(), *((name, count) for name, count in stored.items() if count)]
    if parts:
        print_table(("what", "would go" if erased.dry_run else "erased"), parts)
    else:
        click.echo(f"There is nothing of tenant {erased.tenant_id!r}.")
