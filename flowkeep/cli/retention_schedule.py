"""`flowkeep retention schedule`: retention as a Temporal schedule."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from flowkeep.cli.arguments import Span
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, show_seconds

if TYPE_CHECKING:
    from flowkeep.clients.retention import RetentionSchedule, ScheduleInfo


@click.command()
@click.option("--every", type=Span(), help="Create or change it: time between firings, like 1d.")
@click.option("--task-queue", help="Where a worker serves it. Else FLOWKEEP_TASK_QUEUE.")
@click.option(
    "--all-tenants", is_flag=True, help="The schedule that applies every tenant's policies."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    default=500,
    show_default=True,
    help="Most runs per transaction.",
)
@click.option(
    "--max-runs-per-second", type=click.FloatRange(0, min_open=True), help="Throttle; else none."
)
@click.option("--show", "step", flag_value="show", help="Only show it; the default.")
@click.option("--pause", "step", flag_value="pause", help="Let it fire no more.")
@click.option("--resume", "step", flag_value="resume", help="Let it fire again.")
@click.option("--trigger", "step", flag_value="trigger", help="Fire once, now.")
@click.option("--delete", "step", flag_value="delete", help="Remove it; runs of it go on.")
@common_options
@pass_invocation
def schedule(
    invocation: Invocation,
    every: timedelta | None,
    task_queue: str | None,
    all_tenants: bool,
    batch_size: int,
    max_runs_per_second: float | None,
    step: str | None,
) -> None:
    """Let Temporal apply the retention policies regularly.

    A worker must serve it: `flowkeep worker start flowkeep.workflows.retention`. Every firing is a
    run of the tenant, triggered from `schedule`.
    """
    if every is not None and step is not None:
        raise click.UsageError(f"--every and --{step} exclude each other")
    if every is None and task_queue is not None:
        raise click.UsageError("--task-queue goes with --every")

    async def work() -> None:
        from flowkeep.cli.session import open_client
        from flowkeep.clients.retention import RetentionSchedule

        async with open_client(invocation) as client:
            found = RetentionSchedule(client, invocation.tenant, all_tenants=all_tenants)
            if every is not None:
                await found.put(
                    every,
                    task_queue=task_queue,
                    batch_size=batch_size,
                    max_runs_per_second=max_runs_per_second,
                )
            elif step is not None:
                await _take(found, step)
            _print(invocation, found.schedule_id, None if step == "delete" else await found.show())

    invocation.run(work())


async def _take(found: "RetentionSchedule", step: str) -> None:
    steps = {
        "pause": found.pause,
        "resume": found.resume,
        "trigger": found.trigger,
        "delete": found.delete,
    }
    if step in steps:
        await steps[step]()


def _print(invocation: Invocation, schedule_id: str, found: "ScheduleInfo | None") -> None:
    if invocation.json:
        print_json(found if found is not None else {"schedule_id": schedule_id, "deleted": True})
    elif found is None:
        click.echo(f"The schedule {schedule_id} is gone.")
    else:
        print_fields(
            {
                "schedule": found.schedule_id,
                "every": show_seconds(found.every.total_seconds()) if found.every else None,
                "task queue": found.task_queue,
                "paused": found.paused,
                "running": found.running,
                "last": found.last_at,
                "next": found.next_at,
            }
        )
