"""`flowkeep run`: what can be asked and done about runs."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "cancel": ("flowkeep.cli.run_steer:cancel", "Ask a run to stop."),
        "delete": (
            "flowkeep.cli.run_delete:delete",
            "Delete runs with everything that is theirs.",
        ),
        "events": ("flowkeep.cli.run_read:events", "Show the audit events of a run, newest first."),
        "get": ("flowkeep.cli.run_read:get", "Show one run."),
        "list": ("flowkeep.cli.run_list:list_runs", "List runs, newest first."),
        "logs": ("flowkeep.cli.run_logs:logs", "Show what the code of a run's tasks logged."),
        "pause": ("flowkeep.cli.run_steer:pause", "Pause a run before its next task."),
        "rerun": ("flowkeep.cli.run_rerun:rerun", "Repeat a run that has ended as a new one."),
        "resume": ("flowkeep.cli.run_steer:resume", "Let a paused run go on."),
        "start": ("flowkeep.cli.run_start:start", "Start a run of WORKFLOW."),
        "tasks": ("flowkeep.cli.run_read:tasks", "Show the tasks of a run."),
        "watch": ("flowkeep.cli.run_watch:watch", "Follow a run until it ends."),
    },
)
def run() -> None:
    """Start, list, inspect, watch and steer runs.

    A run is named by its run id, or by its workflow id: then the newest run of that id is meant.
    """
