"""`flowkeep db`: the ledger's schema."""

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, show


@click.group()
def db() -> None:
    """Create and inspect the ledger's schema."""


@db.command()
@common_options
@pass_invocation
def upgrade(invocation: Invocation) -> None:
    """Bring the ledger to this version's migration; safe to repeat."""
    invocation.run(_upgrade(invocation))


async def _upgrade(invocation: Invocation) -> None:
    from flowkeep.statestore import migrate

    settings = invocation.direct_settings()
    url, schema = settings.database_url(), settings.database.schema_name
    before = await migrate.current(url, schema)
    after = await migrate.upgrade(url, schema, on_progress=lambda line: click.echo(line, err=True))
    _print(invocation, before, after)


@db.command()
@common_options
@pass_invocation
def current(invocation: Invocation) -> None:
    """Show which migration the ledger is at, and which one this version needs."""
    invocation.run(_current(invocation))


async def _current(invocation: Invocation) -> None:
    from flowkeep.statestore import migrate

    settings = invocation.direct_settings()
    found = await migrate.current(settings.database_url(), settings.database.schema_name)
    if invocation.json:
        print_json({"current": found, "head": migrate.head()})
        return
    print_fields({"current": found or "no tables yet", "head": migrate.head()})
    if found != migrate.head():
        click.echo("Bring it up to date: flowkeep db upgrade", err=True)


@db.command()
@common_options
@pass_invocation
def check(invocation: Invocation) -> int:
    """Check that the ledger's tables and indexes are those of this version."""
    return invocation.run(_check(invocation))


async def _check(invocation: Invocation) -> int:
    from flowkeep.cli.app import CALL_FAILED, OK
    from flowkeep.statestore import migrate

    settings = invocation.direct_settings()
    found = await migrate.differences(settings.database_url(), settings.database.schema_name)
    if invocation.json:
        print_json({"current": migrate.head(), "differences": found})
    else:
        for line in found:
            click.echo(show(line))
        if not found:
            click.echo(f"The ledger is at {migrate.head()}, and all its tables fit.")
    return CALL_FAILED if found else OK


def _print(invocation: Invocation, before: str | None, after: str) -> None:
    if invocation.json:
        print_json({"before": before, "current": after})
    elif before == after:
        click.echo(f"The ledger is at {after} already.")
    else:
        click.echo(f"The ledger went from {before or 'no tables'} to {after}.")
