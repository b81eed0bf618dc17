"""Making and changing schedules."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowkeep.cli.arguments import Moment, Span, merge_arguments, read_object, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.schedule_read import print_schedule

if TYPE_CHECKING:
    from flowkeep.contracts.schedules import ScheduleContent

F = TypeVar("F", bound=Callable[..., Any])

OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all")
"""What may happen when a schedule fires while a run of it is open."""
_SPEC = ("time_zone", "start_at", "end_at")
_PLAIN = ("definition", "definition_revision", "workflow_type", "task_queue", "app_id", "owner")

_OPTIONS = (
    click.option("--definition", help="Id or ref of the definition it runs."),
    click.option(
        "--revision",
        "definition_revision",
        type=click.IntRange(1),
        help="Version of the definition; the newest at each firing when left out.",
    ),
    click.option("--workflow-type", help="Name of the workflow class it runs."),
    click.option("--task-queue", help="Task queue of the workers. Else FLOWKEEP_TASK_QUEUE."),
    click.option("--app", "app_id", help="App of the runs."),
    click.option("--owner", help="Whom the runs belong to."),
    click.option(
        "--arg",
        multiple=True,
        metavar="KEY=VALUE",
        help="An argument or parameter; JSON is taken as such. Repeatable.",
    ),
    click.option("--args-json", metavar="JSON|@FILE", help="All of them as one object."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label. Repeatable."),
    click.option("--cron", multiple=True, help="Like `30 2 * * mon-fri`. Repeatable."),
    click.option("--every", multiple=True, type=Span(), help="Like 15m, 1d. Repeatable."),
    click.option(
        "--calendar", multiple=True, metavar="JSON|@FILE", help="Temporal's form. Repeatable."
    ),
    click.option("--skip", multiple=True, metavar="JSON|@FILE", help="Calendar of exceptions."),
    click.option("--time-zone", help="IANA name, like Europe/Berlin; UTC when left out."),
    click.option("--start-at", type=Moment(), help="It does not fire earlier."),
    click.option("--end-at", type=Moment(), help="It does not fire later."),
    click.option("--jitter", type=Span(), help="Comes late by a random time up to this."),
    click.option("--overlap", type=click.Choice(OVERLAPS), help="While a run is open. Else skip."),
    click.option("--catchup", type=Span(), help="How old a missed firing may be. Else 1d."),
    click.option(
        "--pause-on-failure/--no-pause-on-failure",
        default=None,
        help="Whether it pauses when a run fails.",
    ),
    click.option(
        "--times", "remaining_actions", type=click.IntRange(1), help="How often it fires."
    ),
)


def _content_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@_content_options
@click.option("--paused", is_flag=True, help="Begin paused.")
@click.option("--note", help="Why.")
@common_options
@pass_invocation
def create(
    invocation: Invocation, /, name: str, paused: bool, note: str | None, **options: Any
) -> None:
    """Make the schedule NAME.

    Give --definition or --workflow-type, and at least one of --cron, --every and --calendar.
    """
    given = {**_given(options), "name": name, "paused": paused, "note": note}
    invocation.run(_create(invocation, given))


async def _create(invocation: Invocation, given: dict[str, Any]) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.arguments import validate_arguments
    from flowkeep.contracts.schedules import NewSchedule

    new = validate_arguments(NewSchedule, given)
    assert isinstance(new, NewSchedule)
    async with open_service(invocation) as client:
        print_schedule(invocation, await client.schedules.create(new))


@click.command()
@click.argument("name")
@_content_options
@click.option(
    "--expect-revision", type=click.IntRange(0), help="Fail if it is not at this revision."
)
@common_options
@pass_invocation
def update(
    invocation: Invocation, /, name: str, expect_revision: int | None, **options: Any
) -> None:
    """Change the schedule NAME; what is not given stays.

    --cron, --every and --calendar together take the place of all of them, --arg and --args-json
    that of all arguments, --label that of all labels.
    """
    invocation.run(_update(invocation, name, _given(options), expect_revision))


async def _update(
    invocation: Invocation, name: str, given: dict[str, Any], expect_revision: int | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.schedules.get(name)
        expected = found.revision if expect_revision is None else expect_revision
        changed = _changed(found.content(), given)
        print_schedule(invocation, await client.schedules.put(name, changed, expected))


def _changed(before: "ScheduleContent", given: dict[str, Any]) -> "ScheduleContent":
    from flowkeep.contracts.arguments import validate_arguments
    from flowkeep.contracts.schedules import ScheduleContent

    wanted = before.model_dump()
    spec, policy = given.pop("spec"), given.pop("policy")
    if {"cron", "intervals", "calendars"} & spec.keys():
        wanted["spec"] |= {"cron": (), "intervals": (), "calendars": ()}
    wanted["spec"] |= spec
    wanted["policy"] |= policy
    if "definition" in given:
        wanted |= {"workflow_type": None, "definition_revision": None}
    if "workflow_type" in given:
        wanted |= {"definition": None, "definition_revision": None}
    changed = validate_arguments(ScheduleContent, {**wanted, **given})
    assert isinstance(changed, ScheduleContent)
    return changed


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the command line gives."""
    spec: dict[str, Any] = {name: options[name] for name in _SPEC if options[name] is not None}
    if options["cron"]:
        spec["cron"] = options["cron"]
    if options["every"]:
        spec["intervals"] = [{"every_seconds": _seconds(one)} for one in options["every"]]
    for option, name in (("calendar", "calendars"), ("skip", "skip")):
        if options[option]:
            spec[name] = [read_object(one, f"--{option}") for one in options[option]]
    if options["jitter"] is not None:
        spec["jitter_seconds"] = _seconds(options["jitter"])
    policy: dict[str, Any] = {
        name: options[name] for name in ("overlap", "pause_on_failure") if options[name] is not None
    }
    if options["catchup"] is not None:
        policy["catchup_seconds"] = _seconds(options["catchup"])
    given = {name: options[name] for name in _PLAIN if options[name] is not None}
    if options["remaining_actions"] is not None:
        given["remaining_actions"] = options["remaining_actions"]
    if options["arg"] or options["args_json"]:
        given["arguments"] = merge_arguments(options["arg"], options["args_json"])
    if options["label"]:
        given["labels"] = split_pairs(options["label"], "--label")
    return {**given, "spec": spec, "policy": policy}


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
