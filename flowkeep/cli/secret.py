"""`flowkeep secret`: the keys that encrypt secrets; values are never shown."""

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table


@click.group()
def secret() -> None:
    """Show and rotate the keys of secrets."""


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
