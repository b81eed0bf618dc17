"""Looking at API keys."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.api.keys import ApiKey


@click.command("list")
@click.option("--subject", help="Only keys that stand for this user or service.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Keys per page."
)
@click.option("--cursor", type=click.UUID, help="`next` of the page before.")
@common_options
@pass_invocation
def list_keys(invocation: Invocation, subject: str | None, limit: int, cursor: UUID | None) -> None:
    """List keys, newest first, ended ones included."""
    invocation.run(_list(invocation, subject, limit, cursor))


async def _list(
    invocation: Invocation, subject: str | None, limit: int, cursor: UUID | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.keys.list(subject=subject, limit=limit, cursor=cursor)
    if invocation.json:
        print_json(page)
        return
    now = datetime.now(UTC)
    print_table(
        ("key id", "name", "begins with", "subject", "role", "state", "expires", "last used"),
        (
            (
                *(key.id, key.name, key.prefix, key.subject, role_of(key), key.state(now)),
                *(key.expires_at, key.last_used_at),
            )
            for key in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --cursor {page.next}", err=True)


@click.command()
@click.argument("key_id", type=click.UUID)
@common_options
@pass_invocation
def show(invocation: Invocation, key_id: UUID) -> None:
    """Show the key KEY_ID, without its secret."""
    invocation.run(_show(invocation, key_id))


async def _show(invocation: Invocation, key_id: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.keys.get(key_id)
    print_key(invocation, found)


def print_key(invocation: Invocation, key: "ApiKey") -> None:
    """Print one key."""
    if invocation.json:
        print_json(key)
        return
    print_fields(
        {
            "key id": key.id,
            "name": key.name,
            "tenant": key.tenant_id,
            "begins with": key.prefix,
            "subject": key.subject,
            "role": role_of(key),
            "roles in apps": {app: role.value for app, role in key.app_roles.items()},
            "state": key.state(datetime.now(UTC)),
            "created": key.created_at,
            "created by": key.created_by,
            "expires": key.expires_at,
            "revoked": key.revoked_at,
            "revoked by": key.revoked_by,
            "last used": key.last_used_at,
        }
    )


def role_of(key: "ApiKey") -> str:
    """Return what a key may do, in words."""
    if key.system:
        return "system admin"
    return key.role.value if key.role is not None else "in apps"
