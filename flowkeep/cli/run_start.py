"""`flowkeep run start`."""

from typing import Any

import click

from flowkeep.cli.arguments import merge_arguments, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.run_started import ServiceRun, show_started, start_options, wait_options


@click.command()
@click.argument("workflow")
@click.option(
    "--arg",
    multiple=True,
    metavar="KEY=VALUE",
    help="One argument; a value that is JSON is taken as such, else as text. Repeatable.",
)
@click.option("--args-json", metavar="JSON|@FILE", help="All arguments; @- reads standard input.")
@click.option("--app", "app_id", help="App the run belongs to.")
@start_options
@wait_options
@common_options
@pass_invocation
def start(
    invocation: Invocation,
    /,
    workflow: str,
    arg: tuple[str, ...],
    args_json: str | None,
    label: tuple[str, ...],
    wait: bool,
    watch: bool,
    **options: Any,
) -> None:
    """Start a run of WORKFLOW.

    WORKFLOW is a workflow type, or module:Class with a module that can be imported from here.
    """
    options["arguments"] = merge_arguments(arg, args_json)
    options["labels"] = split_pairs(label, "--label")
    invocation.run(_start(invocation, workflow, options, wait=wait, watch=watch))


async def _start(
    invocation: Invocation, workflow: str, options: dict[str, Any], *, wait: bool, watch: bool
) -> None:
    from flowkeep.cli.requests import made
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.runs import RunStart

    if ":" in workflow:
        workflow = _checked(invocation, workflow, options["arguments"])
    request = made(RunStart, workflow_type=workflow, triggered_from="cli", **options)
    async with open_service(invocation) as client:
        started = ServiceRun(client, await client.runs.start(request))
        await show_started(invocation, started, wait=wait, watch=watch)


def _checked(invocation: Invocation, workflow: str, arguments: dict[str, Any]) -> str:
    """Return the workflow type of module:Class, after the class has looked at its arguments."""
    from flowkeep.cli.load import load_workflow_class
    from flowkeep.clients.request import build_request

    loaded = load_workflow_class(workflow)
    return build_request(invocation.settings(), arguments, loaded).workflow_type
