"""`flowkeep definition list`."""

from typing import Any
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

_HEADINGS = ("id", "ref", "name", "app", "state", "owner", "tags", "runs", "last run", "created")


@click.command("list")
@click.option("--app", "app_id", help="Only definitions of this app.")
@click.option("--app-name", help="Only definitions of apps with this name.")
@click.option("--parent", help="Only definitions of apps with this parent.")
@click.option("--owner", help="Only definitions of this owner.")
@click.option("--tag", help="Only definitions with this tag.")
@click.option("--enabled/--disabled", default=None, help="Only enabled, or only disabled ones.")
@click.option("--draft/--no-draft", default=None, help="Only drafts, or none.")
@click.option("--module", help="Only definitions that use this module.")
@click.option("--step", help="Only definitions that use this step; with --module, inside of it.")
@click.option("--text", help="Only definitions with this text in name, ref or description.")
@click.option("--shared", "include_shared", is_flag=True, help="Show what other tenants share too.")
@click.option("--most-executed", is_flag=True, help="Show the most executed ones, most first.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="Definitions per page.",
)
@click.option("--after", type=click.UUID, help="Definition id that the page before ended with.")
@common_options
@pass_invocation
def list_definitions(
    invocation: Invocation, /, limit: int, after: UUID | None, most_executed: bool, **filters: Any
) -> None:
    """List definitions, newest first."""
    if most_executed:
        # A switch that is off is a filter, too: `--disabled`, but not the absence of `--shared`.
        others = {**filters, "app_id": None, "include_shared": filters["include_shared"] or None}
        if any(value is not None for value in others.values()) or after is not None:
            raise click.UsageError("--most-executed goes with --app and --limit alone")
        invocation.run(_most_executed(invocation, limit, filters["app_id"]))
    else:
        invocation.run(_list(invocation, limit, after, **filters))


async def _list(invocation: Invocation, limit: int, after: UUID | None, **filters: Any) -> None:
    from flowkeep.cli.service import open_service

    cursor = None if after is None else str(after)
    async with open_service(invocation) as client:
        page = await client.definitions.list(limit=limit, cursor=cursor, **filters)
    _print(invocation, page.data, limit, has_more=page.has_more)


async def _most_executed(invocation: Invocation, limit: int, app_id: str | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.definitions.list(order="most_executed", limit=limit, app_id=app_id)
    _print(invocation, found.data, limit, has_more=False)


def _print(invocation: Invocation, data: Any, limit: int, *, has_more: bool) -> None:
    following = str(data[-1].id) if has_more else None
    if invocation.json:
        print_json({"data": data, "limit": limit, "has_more": has_more, "next": following})
        return
    print_table(
        _HEADINGS,
        (
            (
                row.id,
                row.ref,
                row.name,
                row.app_id,
                "draft" if row.draft else "enabled" if row.enabled else "disabled",
                row.owner,
                ", ".join(row.tags),
                row.execution_count,
                row.last_executed_at,
                row.created_at,
            )
            for row in data
        ),
    )
    if following:
        click.echo(f"More: add --after {following}", err=True)
    elif not data:
        click.echo("No definitions.", err=True)
