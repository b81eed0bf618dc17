"""Looking at schedules."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import plain, print_fields, print_json, print_table, show_seconds

if TYPE_CHECKING:
    from flowkeep.contracts.schedule_spec import ScheduleSpec
    from flowkeep.contracts.schedules import Schedule, ScheduleState


@click.command("list")
@click.option("--app", help="Only schedules of this app.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows per page."
)
@click.option("--cursor", help="`next` of the page before.")
@common_options
@pass_invocation
def list_schedules(invocation: Invocation, app: str | None, limit: int, cursor: str | None) -> None:
    """List schedules, by name."""
    invocation.run(_list(invocation, app, limit, cursor))


async def _list(invocation: Invocation, app: str | None, limit: int, cursor: str | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.schedules.list(app_id=app, limit=limit, cursor=cursor)
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("name", "fires", "time zone", "runs", "paused", "owner", "last error"),
        (
            (
                *(one.name, words_of(one.spec), one.spec.time_zone),
                *(one.definition_id or one.workflow_type, one.paused, one.owner, one.last_error),
            )
            for one in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --cursor {page.next}", err=True)


@click.command()
@click.argument("name")
@common_options
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """Show the schedule NAME with its next and last firings."""
    invocation.run(_show(invocation, name))


async def _show(invocation: Invocation, name: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.schedules.get(name)
        state = await client.schedules.describe(name)
    print_schedule(invocation, found, state)


def print_schedule(
    invocation: Invocation, found: "Schedule", state: "ScheduleState | None" = None
) -> None:
    """Print one schedule, and what Temporal tells of it."""
    if invocation.json:
        print_json({**plain(found), **({} if state is None else {"state": plain(state)})})
        return
    policy = found.policy
    print_fields(
        {
            "schedule": found.name,
            "id": found.id,
            "fires": words_of(found.spec),
            "time zone": found.spec.time_zone,
            "from": found.spec.start_at,
            "until": found.spec.end_at,
            "jitter": show_seconds(found.spec.jitter_seconds) if found.spec.jitter_seconds else "",
            "overlap": policy.overlap.value,
            "catch-up": show_seconds(policy.catchup_seconds),
            "pauses on failure": policy.pause_on_failure or None,
            "definition": found.definition_id,
            "version": found.definition_revision or ("newest" if found.definition_id else None),
            "workflow type": None if found.definition_id else found.workflow_type,
            "task queue": found.task_queue,
            "app": found.app_id,
            "arguments": getattr(found, "arguments", None),
            "labels": found.labels,
            "owner": found.owner,
            "revision": found.revision,
            "last error": found.last_error,
            **_words_of_state(found, state),
        }
    )


def words_of(spec: "ScheduleSpec") -> str:
    """Return when a schedule fires, in one line."""
    every = [f"every {show_seconds(one.every_seconds)}" for one in spec.intervals]
    calendars = [f"{len(spec.calendars)} calendars"] if spec.calendars else []
    return "; ".join((*spec.cron, *every, *calendars))


def _words_of_state(found: "Schedule", state: "ScheduleState | None") -> dict[str, object]:
    if state is None:
        return {"paused": found.paused, "note": found.note}
    return {
        "paused": state.paused,
        "note": state.note,
        "next": ", ".join(f"{one:%Y-%m-%d %H:%M:%S}" for one in state.next_at[:3]),
        "fired": state.fired,
        "last": state.recent[-1].started_at if state.recent else None,
        "running": list(state.running),
        "missed": state.missed or None,
        "skipped": state.skipped or None,
        "remaining": state.remaining_actions,
    }
