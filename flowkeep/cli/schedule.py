"""`flowkeep schedule`: what runs at times."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "backfill": (
            "flowkeep.cli.schedule_steer:backfill",
            "Let the schedule NAME fire now for each time at which it would have fired.",
        ),
        "create": ("flowkeep.cli.schedule_write:create", "Make the schedule NAME."),
        "delete": (
            "flowkeep.cli.schedule_steer:delete",
            "Remove the schedule NAME; open runs of it go on.",
        ),
        "list": ("flowkeep.cli.schedule_read:list_schedules", "List schedules, by name."),
        "pause": (
            "flowkeep.cli.schedule_steer:pause",
            "Let the schedule NAME fire no more; open runs go on.",
        ),
        "resume": ("flowkeep.cli.schedule_steer:resume", "Let the schedule NAME fire again."),
        "show": (
            "flowkeep.cli.schedule_read:show",
            "Show the schedule NAME with its next and last firings.",
        ),
        "trigger": (
            "flowkeep.cli.schedule_steer:trigger",
            "Let the schedule NAME fire once, now, paused or not.",
        ),
        "update": (
            "flowkeep.cli.schedule_write:update",
            "Change the schedule NAME; what is not given stays.",
        ),
    },
)
def schedule() -> None:
    """Run definitions and workflow classes at times.

    A schedule is named by its name. `flowkeep run list --label schedule=NAME` lists its runs.
    """
