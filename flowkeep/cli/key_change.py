"""Making and ending API keys."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click

from flowkeep.cli.arguments import Span, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.key_read import print_key
from flowkeep.cli.output import print_json

_ROLES = click.Choice(["viewer", "operator", "editor", "admin"])


@click.command()
@click.argument("name")
@click.option("--role", type=_ROLES, help="Role in the whole tenant.")
@click.option(
    "--app-role",
    "app_roles",
    multiple=True,
    metavar="APP=ROLE",
    help="Role in one app; may be given several times.",
)
@click.option("--system", is_flag=True, help="An admin of all tenants.")
@click.option("--subject", help="User or service it stands for; you, when left out.")
@click.option(
    "--expires-in", type=Span(), help="Time until it ends, like 12h or 30d; else it never does."
)
@common_options
@pass_invocation
def create(
    invocation: Invocation,
    name: str,
    role: str | None,
    app_roles: tuple[str, ...],
    system: bool,
    subject: str | None,
    expires_in: timedelta | None,
) -> None:
    """Make a key called NAME and print its secret.

    The secret is shown this once: only its SHA-256 is stored.
    """
    if role is None and not app_roles and not system:
        raise click.UsageError("say what the key may do: --role, --app-role or --system")
    fields: dict[str, Any] = {
        "name": name,
        "role": role,
        "app_roles": split_pairs(app_roles, "--app-role"),
        "system": system,
        "subject": subject,
        "expires_at": _end(expires_in),
    }
    invocation.run(_create(invocation, fields))


def _end(expires_in: timedelta | None) -> datetime | None:
    if expires_in is None:
        return None
    try:
        return datetime.now(UTC) + expires_in
    except OverflowError:
        raise click.UsageError("--expires-in reaches beyond the calendar") from None


async def _create(invocation: Invocation, fields: dict[str, Any]) -> None:
    from pydantic import ValidationError

    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.keys import NewApiKey

    try:
        new = NewApiKey.model_validate(fields)
    except ValidationError as error:
        said = "; ".join(
            ": ".join([*map(str, one["loc"][:1]), one["msg"].removeprefix("Value error, ")])
            for one in error.errors()
        )
        raise click.UsageError(said) from None
    async with open_service(invocation) as client:
        made = await client.keys.create(new)
    if invocation.json:
        print_json(made)
        return
    click.echo(made.secret)
    click.echo(
        f"This is the secret of key {made.id} of tenant {made.tenant_id!r}; it is not shown again.",
        err=True,
    )


@click.command()
@click.argument("key_id", type=click.UUID)
@common_options
@pass_invocation
def revoke(invocation: Invocation, key_id: UUID) -> None:
    """End the key KEY_ID, within five seconds everywhere."""
    invocation.run(_revoke(invocation, key_id))


async def _revoke(invocation: Invocation, key_id: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        revoked = await client.keys.revoke(key_id)
    print_key(invocation, revoked)
