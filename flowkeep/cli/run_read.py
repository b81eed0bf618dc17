"""`flowkeep run get|tasks|events`: one run, read from the ledger alone."""

from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import plain, print_json, print_table, show_error, show_seconds
from flowkeep.cli.run_view import print_run

if TYPE_CHECKING:
    from flowkeep.contracts import Task

_TASK_HEADINGS = ("task", "index", "status", "attempt", "started", "took", "error")
_ATTEMPT_HEADINGS = (
    "task",
    "activity id",
    "index",
    "status",
    "attempt",
    "started",
    "took",
    "error",
)


@click.command()
@click.argument("run")
@common_options
@pass_invocation
def get(invocation: Invocation, run: str) -> None:
    """Show one run.

    RUN is a run id, or a workflow id for its newest run.
    """
    invocation.run(_get(invocation, run))


async def _get(invocation: Invocation, name: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.runs.find(name)
    if invocation.json:
        print_json(found)
    else:
        print_run(found)


@click.command()
@click.argument("run")
@click.option("--attempts", is_flag=True, help="Every attempt, not only the newest of each task.")
@click.option("--no-steps", is_flag=True, help="Leave out the steps of activities.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=100, show_default=True, help="Rows per page."
)
@click.option("--after", help="Cursor that the page before ended with.")
@common_options
@pass_invocation
def tasks(
    invocation: Invocation,
    run: str,
    attempts: bool,
    no_steps: bool,
    limit: int,
    after: str | None,
) -> None:
    """Show the tasks of a run.

    RUN is a run id, or a workflow id for its newest run.
    """
    if attempts and no_steps:
        raise click.UsageError("--no-steps and --attempts exclude each other")
    invocation.run(_tasks(invocation, run, attempts, not no_steps, limit, after))


async def _tasks(
    invocation: Invocation, name: str, attempts: bool, steps: bool, limit: int, after: str | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        run_id = (await client.runs.find(name)).id
        if attempts:
            page = await client.runs.attempts(run_id, limit=limit, cursor=after)
        else:
            page = await client.runs.tasks(run_id, steps=steps, limit=limit, cursor=after)
    if invocation.json:
        tasks = [_as_object(task) for task in page.data]
        print_json({**plain(page), "data": tasks})
        return
    rows = [
        (
            task.task_name,
            *((task.activity_id,) if attempts else ()),
            task.task_index if task.task_index >= 0 else None,
            task.status.value,
            task.attempt,
            task.started_at,
            show_seconds(None if task.duration_ms is None else task.duration_ms / 1000),
            show_error(task.error),
        )
        for task in page.data
    ]
    print_table(_ATTEMPT_HEADINGS if attempts else _TASK_HEADINGS, rows)
    if page.next:
        click.echo(f"More: add --after '{page.next}'", err=True)
    elif not rows:
        click.echo("No tasks.", err=True)


def _as_object(task: "Task") -> dict[str, Any]:
    """Return a task with what is computed from its columns."""
    computed = {"key": task.key, "duration_ms": task.duration_ms, "retry_count": task.retry_count}
    return {**plain(task), **computed}


@click.command()
@click.argument("run")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most events."
)
@click.option("--before", type=int, help="Only events with a smaller number.")
@common_options
@pass_invocation
def events(invocation: Invocation, run: str, limit: int, before: int | None) -> None:
    """Show the audit events of a run, newest first.

    RUN is a run id, or a workflow id for its newest run.
    """
    invocation.run(_events(invocation, run, limit, before))


async def _events(invocation: Invocation, name: str, limit: int, before: int | None) -> None:
    from flowkeep.cli.service import open_service

    cursor = None if before is None else str(max(before, 0))
    async with open_service(invocation) as client:
        run_id = (await client.runs.find(name)).id
        page = await client.runs.events(run_id, limit=limit, cursor=cursor)
    following = None if page.next is None else int(page.next)
    if invocation.json:
        print_json({"data": page.data, "limit": limit, "next": following})
        return
    print_table(
        ("number", "at", "event", "revision", "actor", "details"),
        (
            (event.seq, event.at, event.kind, event.revision, event.actor, event.payload)
            for event in page.data
        ),
    )
    if following is not None:
        click.echo(f"More: add --before {following}", err=True)
