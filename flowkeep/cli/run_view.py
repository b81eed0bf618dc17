"""How one run is shown to people, and what its end means for the exit code."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.output import print_fields, show, show_error, show_seconds

if TYPE_CHECKING:
    from flowkeep.contracts import Run, Stuck


def print_run(run: "Run") -> None:
    """Print a run as lines of name and value."""
    begin = run.started_at or run.created_at
    print_fields(
        {
            "run id": run.id,
            "workflow id": run.workflow_id,
            "type": run.workflow_type,
            "status": run.status.value,
            "stuck": show_stuck(run.stuck),
            "step": run.current_step,
            "cancel requested": run.cancel_requested or None,
            "pause reason": run.pause_reason,
            "failure": run.failure_reason,
            "error": show_error(run.error),
            "app": run.app_id,
            "owner": run.owner,
            "triggered from": run.triggered_from,
            "labels": run.labels,
            "task queue": run.task_queue,
            "namespace": run.namespace,
            "temporal run id": run.temporal_run_id,
            "parent run": run.parent_run_id,
            "retry of": run.retry_of,
            "created": run.created_at,
            "started": run.started_at,
            "finished": run.finished_at,
            "took": show_seconds((run.finished_at - begin).total_seconds())
            if run.finished_at
            else None,
            "tasks": f"{run.tasks_finished} of {run.tasks_total} finished",
            "state": run.state,
            "inputs": run.inputs,
            "outputs": run.outputs,
            "revision": run.revision,
        }
    )


def show_stuck(stuck: "Stuck | None") -> str:
    """Return why a run does not move, on one line; empty while it does."""
    if stuck is None:
        return ""
    tries = f", tried {stuck.attempts} times" if stuck.attempts > 1 else ""
    return f"{show(stuck.code)}: {show(stuck.message)}{tries}, since {show(stuck.since)}"


def leave_with(run: "Run") -> None:
    """End the command with exit code 0 for a run that succeeded and 1, with one line, otherwise.

    Raises:
        click.exceptions.Exit: If the run did not succeed.
    """
    if run.status.value == "succeeded":
        return
    reason = show_error(run.error) or run.failure_reason or ""
    text = f"run {run.id} ended as {run.status.value}" + (f": {reason}" if reason else "")
    click.echo(" ".join(text.split()), err=True)
    raise click.exceptions.Exit(1)
