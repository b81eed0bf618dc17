"""`flowkeep secret`: secrets by name, and the keys that encrypt them; values are never shown."""

import json
import sys
from typing import Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table


@click.group()
def secret() -> None:
    """Store secrets; show and rotate their keys."""


@secret.command()
@common_options
@pass_invocation
def keys(invocation: Invocation) -> None:
    """Show which keys encrypt how many secrets, of all tenants."""
    invocation.run(_keys(invocation))


async def _keys(invocation: Invocation) -> None:
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        found = await store.system.secret_keys()
    if invocation.json:
        print_json(found)
        return
    print_table(
        ("key id", "secrets", "configured", "newest"),
        ((key.key_id, key.secrets, key.configured, key.newest) for key in found),
    )


@secret.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Names per page."
)
@click.option("--after", help="Name that the page before ended with.")
@common_options
@pass_invocation
def list_secrets(invocation: Invocation, limit: int, after: str | None) -> None:
    """List the secrets that have names; never their values."""
    invocation.run(_list(invocation, limit, after))


async def _list(invocation: Invocation, limit: int, after: str | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.secrets.list(limit=limit, cursor=after)
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("name", "created", "updated"),
        ((one.name, one.created_at, one.updated_at) for one in page.data),
    )
    if page.next:
        click.echo(f"More: add --after {page.next}", err=True)


@secret.command(name="set")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The value is a JSON object.")
@common_options
@pass_invocation
def set_(invocation: Invocation, name: str, as_json: bool) -> None:
    """Store a secret under a name, in the place of the one before.

    The value is asked for, or read from standard input; it is never an argument, which others could
    see. Definitions call for it by secret('NAME').
    """
    value: Any = _asked()
    if as_json:
        try:
            value = json.loads(value)
        except ValueError:
            raise click.UsageError("the value is no JSON") from None
    invocation.run(_set(invocation, name, value))


def _asked() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Value", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.read().removesuffix("\n")


async def _set(invocation: Invocation, name: str, value: Any) -> None:
    from flowkeep.cli.service import open_service

    if not value:
        raise click.UsageError("the value is empty")
    async with open_service(invocation) as client:
        await client.secrets.set(name, value)
    click.echo(f"The secret {name!r} of tenant {invocation.tenant!r} is stored.", err=True)


@secret.command()
@click.argument("name")
@common_options
@pass_invocation
def delete(invocation: Invocation, name: str) -> None:
    """Remove a secret by its name, or by its id."""
    invocation.run(_delete(invocation, name))


async def _delete(invocation: Invocation, name: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        await client.secrets.delete(name)
    click.echo(f"The secret {name!r} of tenant {invocation.tenant!r} is gone.", err=True)


@secret.command()
@click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    default=500,
    show_default=True,
    help="Secrets per transaction.",
)
@common_options
@pass_invocation
def rotate(invocation: Invocation, batch_size: int) -> int:
    """Encrypt all secrets with the newest key, those of all tenants.

    The newest key is the first one in FLOWKEEP_SECRET_KEY; the old ones stand behind it, each
    after a comma. A rotation that was stopped is simply repeated. While a secret is left that needs
    an old key, the exit code is 3: keep that key.
    """
    return invocation.run(_rotate(invocation, batch_size))


async def _rotate(invocation: Invocation, batch_size: int) -> int:
    from flowkeep.cli.app import CALL_FAILED, OK
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        done = await store.system.rotate_secrets(batch_size)
    code = CALL_FAILED if done.busy or done.damaged else OK
    if invocation.json:
        print_json(done)
        return code
    click.echo(
        f"{sum(done.rotated.values())} of {done.seen} secrets moved to the key {done.key_id}."
    )
    for key_id, count in done.rotated.items():
        click.echo(f"{count} came from the key {key_id}.")
    if done.busy:
        click.echo(f"{done.busy} were being changed: rotate again.", err=True)
    if done.damaged:
        named = ", ".join(map(str, done.damaged_ids))
        click.echo(f"{done.damaged} cannot be decrypted by any key: {named}", err=True)
    return code
