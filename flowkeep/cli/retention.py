"""`flowkeep retention`: how long runs are kept, and their removal."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from flowkeep.cli.arguments import Moment
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.lazy import LazyGroup
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.api.retention import RunHold
    from flowkeep.contracts.retention import RetentionPolicy

_APP = click.option("--app", help="The policy of this app, instead of the tenant's.")
_DEFINITION = click.option(
    "--definition", type=click.UUID, help="The policy of this definition, instead of the tenant's."
)


@click.group(
    cls=LazyGroup,
    lazy={
        "schedule": (
            "flowkeep.cli.retention_schedule:schedule",
            "Let Temporal apply the retention policies regularly.",
        ),
    },
)
def retention() -> None:
    """Keep runs for as long as policies say."""


@retention.command("list")
@common_options
@pass_invocation
def list_policies(invocation: Invocation) -> None:
    """List the tenant's policies."""
    invocation.run(_list(invocation))


async def _list(invocation: Invocation) -> None:
    from flowkeep.cli.service import open_service

    policies: list[RetentionPolicy] = []
    async with open_service(invocation) as client:
        page = await client.retention.list(limit=100)
        policies += page.data
        while page.next is not None:
            page = await client.retention.list(limit=100, cursor=UUID(page.next))
            policies += page.data
    if invocation.json:
        print_json(policies)
        return
    if not policies:
        click.echo("There is no policy: runs are kept for ever.")
        click.echo("Set one: flowkeep retention set --days 90", err=True)
        return
    print_table(
        ("scope", "keep", "then", "legal hold"),
        [
            (p.scope, _keep(p), "archive" if p.archive_first else "delete", p.legal_hold)
            for p in policies
        ],
    )


@retention.command("set")
@_APP
@_DEFINITION
@click.option("--days", type=click.IntRange(0, 36_500), help="Days to keep runs that have ended.")
@click.option("--for-ever", is_flag=True, help="Keep runs for ever.")
@click.option("--archive-first", is_flag=True, help="Move runs to the archive, delete none.")
@click.option("--legal-hold", is_flag=True, help="Remove nothing in this scope.")
@common_options
@pass_invocation
def set_policy(
    invocation: Invocation,
    app: str | None,
    definition: UUID | None,
    days: int | None,
    for_ever: bool,
    archive_first: bool,
    legal_hold: bool,
) -> None:
    """Set the policy of the tenant, an app or a definition; it replaces the one before."""
    chosen = (days is not None) + for_ever
    if chosen > 1 or not (chosen or legal_hold):
        raise click.UsageError("name either --days or --for-ever")
    invocation.run(_set(invocation, app, definition, days, archive_first, legal_hold))


async def _set(
    invocation: Invocation,
    app: str | None,
    definition: UUID | None,
    days: int | None,
    archive_first: bool,
    legal_hold: bool,
) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.retention import PolicyContent

    content = PolicyContent(days=days, archive_first=archive_first, legal_hold=legal_hold)
    async with open_service(invocation) as client:
        policy = await client.retention.set(content, app_id=app, definition_id=definition)
    if invocation.json:
        print_json(policy)
        return
    click.echo(f"{policy.scope}: {_keep(policy)}.")
    if days is not None:
        click.echo("See what it removes: flowkeep retention plan", err=True)


@retention.command()
@_APP
@_DEFINITION
@common_options
@pass_invocation
def remove(invocation: Invocation, app: str | None, definition: UUID | None) -> None:
    """Remove the policy of the tenant, an app or a definition."""
    invocation.run(_remove(invocation, app, definition))


async def _remove(invocation: Invocation, app: str | None, definition: UUID | None) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.errors import NotFound

    removed = True
    async with open_service(invocation) as client:
        try:
            await client.retention.remove(app_id=app, definition_id=definition)
        except NotFound:
            removed = False
    if invocation.json:
        print_json({"removed": removed})
    else:
        click.echo("The policy is removed." if removed else "There is no such policy.")


@retention.command()
@common_options
@pass_invocation
def plan(invocation: Invocation) -> None:
    """Count what the policies would remove now; changes nothing."""
    from flowkeep.cli.retention_work import plan_all

    invocation.run(plan_all(invocation))


@retention.command()
@click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    default=1000,
    show_default=True,
    help="Most runs per transaction.",
)
@click.option(
    "--max-runs-per-second", type=click.FloatRange(0, min_open=True), help="Most runs per second."
)
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@common_options
@pass_invocation
def apply(
    invocation: Invocation,
    batch_size: int,
    max_runs_per_second: float | None,
    max_seconds: float | None,
) -> None:
    """Remove what the policies say; can be stopped and repeated at any time."""
    from flowkeep.cli.retention_work import apply_all

    invocation.run(apply_all(invocation, batch_size, max_runs_per_second, max_seconds))


@retention.command()
@click.argument("run")
@click.option("--until", type=Moment(), help="ISO 8601; for ever when left out.")
@common_options
@pass_invocation
def hold(invocation: Invocation, run: str, until: datetime | None) -> None:
    """Hold RUN (a run id or workflow id) against every removal."""
    invocation.run(_hold(invocation, run, until))


@retention.command()
@click.argument("run")
@common_options
@pass_invocation
def release(invocation: Invocation, run: str) -> None:
    """Release the hold of RUN (a run id or workflow id)."""
    invocation.run(_release(invocation, run))


async def _hold(invocation: Invocation, name: str, until: datetime | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        held = await client.retention.hold((await client.runs.find(name)).id, until)
    _print_hold(invocation, held)
    if not invocation.json:
        click.echo(f"Let it go again: flowkeep retention release {held.run_id}", err=True)


async def _release(invocation: Invocation, name: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        released = await client.retention.release((await client.runs.find(name)).id)
    _print_hold(invocation, released)


def _print_hold(invocation: Invocation, hold: "RunHold") -> None:
    if invocation.json:
        print_json({"run_id": hold.run_id, "hold_until": hold.hold_until})
    else:
        print_fields({"run id": str(hold.run_id), "held until": hold.hold_until or "not held"})


def _keep(policy: "RetentionPolicy") -> str:
    if policy.legal_hold:
        return "held"
    return "for ever" if policy.days is None else f"{policy.days} days"
