"""`flowkeep run start`."""

from typing import Any

import click

from flowkeep.cli.arguments import merge_arguments, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json
from flowkeep.cli.run_view import leave_with, print_run


@click.command()
@click.argument("workflow")
@click.option(
    "--arg",
    multiple=True,
    metavar="KEY=VALUE",
    help="One argument; a value that is JSON is taken as such, else as text. Repeatable.",
)
@click.option("--args-json", metavar="JSON|@FILE", help="All arguments; @- reads standard input.")
@click.option("--workflow-id", help="Idempotency key of the start; the run id when left out.")
@click.option("--task-queue", help="Task queue of the workers. Else FLOWKEEP_TASK_QUEUE.")
@click.option("--app", help="App the run belongs to.")
@click.option("--owner", help="Who the run is for.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label. Repeatable.")
@click.option(
    "--on-conflict",
    type=click.Choice(["existing", "reject", "replace"]),
    default="existing",
    show_default=True,
    help="What to do when the workflow id already has an open run.",
)
@click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 unless it succeeded.")
@click.option("--watch", is_flag=True, help="Like --wait, and show the progress meanwhile.")
@common_options
@pass_invocation
def start(
    invocation: Invocation,
    /,
    workflow: str,
    arg: tuple[str, ...],
    args_json: str | None,
    label: tuple[str, ...],
    **options: Any,
) -> None:
    """Start a run of WORKFLOW.

    WORKFLOW is a workflow type, or module:Class with a module that can be imported from here.
    """
    arguments = merge_arguments(arg, args_json)
    labels = split_pairs(label, "--label")
    invocation.run(_start(invocation, workflow, arguments, labels, **options))


async def _start(
    invocation: Invocation,
    workflow: str,
    arguments: dict[str, Any],
    labels: dict[str, str],
    *,
    workflow_id: str | None,
    task_queue: str | None,
    app: str | None,
    owner: str | None,
    on_conflict: Any,
    wait: bool,
    watch: bool,
) -> None:
    from flowkeep.cli.load import load_workflow_class
    from flowkeep.cli.run_watch import follow
    from flowkeep.cli.session import open_client

    workflow_class = load_workflow_class(workflow) if ":" in workflow else workflow
    async with open_client(invocation) as client:
        handle = await client.start_workflow(
            arguments,
            workflow_class=workflow_class,
            task_queue=task_queue,
            workflow_id=workflow_id,
            tenant_id=invocation.tenant,
            app_id=app,
            triggered_from="cli",
            owner=owner,
            labels=labels or None,
            on_conflict=on_conflict,
        )
        started = {
            "run_id": str(handle.run_id),
            "workflow_id": handle.workflow_id,
            "temporal_run_id": handle.temporal_run_id,
            "created": handle.created,
        }
        if not (wait or watch):
            _print_started(invocation, started)
            return
        run = await follow(invocation, handle, show=watch)
    if wait and not watch and invocation.json:
        print_json(run)
    elif not invocation.json:
        print_run(run)
    leave_with(run)


def _print_started(invocation: Invocation, started: dict[str, Any]) -> None:
    if invocation.json:
        print_json(started)
        return
    print_fields(
        {
            "run id": started["run_id"],
            "workflow id": started["workflow_id"],
            "temporal run id": started["temporal_run_id"],
        }
    )
    if not started["created"]:
        click.echo("This run was open already; nothing new was started.", err=True)
    click.echo(f"Follow it: flowkeep run watch {started['run_id']}", err=True)
