"""Pausing, resuming, firing and deleting schedules."""

from datetime import datetime

import click

from flowkeep.cli.arguments import Moment
from flowkeep.cli.confirm import confirm
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json
from flowkeep.cli.schedule_read import print_schedule
from flowkeep.cli.schedule_write import OVERLAPS

_overlap = click.option(
    "--overlap", type=click.Choice(OVERLAPS), help="Instead of the schedule's own policy."
)


@click.command()
@click.argument("name")
@click.option("--note", help="Why.")
@common_options
@pass_invocation
def pause(invocation: Invocation, name: str, note: str | None) -> None:
    """Let the schedule NAME fire no more; open runs go on."""
    invocation.run(_pause(invocation, name, note))


async def _pause(invocation: Invocation, name: str, note: str | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        print_schedule(invocation, await client.schedules.pause(name, note))


@click.command()
@click.argument("name")
@click.option("--note", help="Why.")
@common_options
@pass_invocation
def resume(invocation: Invocation, name: str, note: str | None) -> None:
    """Let the schedule NAME fire again."""
    invocation.run(_resume(invocation, name, note))


async def _resume(invocation: Invocation, name: str, note: str | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        print_schedule(invocation, await client.schedules.resume(name, note))


@click.command()
@click.argument("name")
@_overlap
@common_options
@pass_invocation
def trigger(invocation: Invocation, name: str, overlap: str | None) -> None:
    """Let the schedule NAME fire once, now, paused or not."""
    invocation.run(_trigger(invocation, name, overlap))


async def _trigger(invocation: Invocation, name: str, overlap: str | None) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.schedule_spec import Overlap

    async with open_service(invocation) as client:
        await client.schedules.trigger(name, Overlap(overlap) if overlap else None)
    _fired(invocation, name)


@click.command()
@click.argument("name")
@click.option("--since", type=Moment(), required=True, help="First moment: ISO 8601, or an age.")
@click.option("--until", type=Moment(), required=True, help="Last moment: ISO 8601, or an age.")
@_overlap
@common_options
@pass_invocation
def backfill(
    invocation: Invocation, name: str, since: datetime, until: datetime, overlap: str | None
) -> None:
    """Let the schedule NAME fire now for each time at which it would have fired."""
    invocation.run(_backfill(invocation, name, since, until, overlap))


async def _backfill(
    invocation: Invocation, name: str, since: datetime, until: datetime, overlap: str | None
) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.arguments import validate_arguments
    from flowkeep.contracts.schedules import Backfill

    wanted = validate_arguments(Backfill, {"start_at": since, "end_at": until, "overlap": overlap})
    assert isinstance(wanted, Backfill)
    async with open_service(invocation) as client:
        await client.schedules.backfill(name, wanted)
    _fired(invocation, name)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def delete(invocation: Invocation, name: str, yes: bool) -> None:
    """Remove the schedule NAME; open runs of it go on."""
    confirm(f"Remove the schedule {name}?", yes)
    invocation.run(_delete(invocation, name))


async def _delete(invocation: Invocation, name: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        await client.schedules.delete(name)
    if invocation.json:
        print_json({"name": name, "deleted": True})
    else:
        click.echo(f"The schedule {name} is gone.")


def _fired(invocation: Invocation, name: str) -> None:
    if invocation.json:
        print_json({"name": name, "fired": True})
    else:
        click.echo(f"See its runs: flowkeep run list --label schedule={name}", err=True)
