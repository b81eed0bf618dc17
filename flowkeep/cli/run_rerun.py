"""`flowkeep run rerun`."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.definition_files import needing_definitions
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json
from flowkeep.cli.run_started import ServiceRun, show_started, wait_options

if TYPE_CHECKING:
    from flowkeep.contracts.api.runs import RerunPreview, RerunRequest


@click.command()
@click.argument("run")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME",
    help="Begin with this task; else with those that did not succeed. Repeatable.",
)
@click.option("--newest", is_flag=True, help="Run the newest version of the definition.")
@click.option("--everything", is_flag=True, help="Take nothing over: do every task again.")
@click.option("--preview", is_flag=True, help="Only show what would be taken over.")
@wait_options
@common_options
@pass_invocation
def rerun(
    invocation: Invocation,
    run: str,
    tasks: tuple[str, ...],
    newest: bool,
    everything: bool,
    preview: bool,
    wait: bool,
    watch: bool,
) -> None:
    """Repeat a run that has ended as a new one.

    RUN is a run id, or a workflow id for its newest run. A run of a definition takes over what
    succeeded and does not depend on what is done again; a run of a workflow class is repeated with
    the same arguments.
    """
    if everything and tasks:
        raise click.UsageError("--everything leaves no choice of --task")
    if preview and (everything or wait or watch):
        raise click.UsageError("--preview goes with --task and --newest alone")
    from flowkeep.cli.requests import made
    from flowkeep.contracts.api.runs import RerunRequest

    request = made(RerunRequest, tasks=list(tasks) or None, newest=newest, everything=everything)
    with needing_definitions():
        if preview:
            invocation.run(_preview(invocation, run, request))
        else:
            invocation.run(_rerun(invocation, run, request, wait=wait, watch=watch))


async def _preview(invocation: Invocation, name: str, request: "RerunRequest") -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.runs.find(name)
        planned = await client.runs.preview_rerun(found.id, request)
    _print(invocation, planned)


async def _rerun(
    invocation: Invocation, name: str, request: "RerunRequest", *, wait: bool, watch: bool
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.runs.find(name)
        started = ServiceRun(client, await client.runs.rerun(found.id, request))
        await show_started(invocation, started, wait=wait, watch=watch)


def _print(invocation: Invocation, planned: "RerunPreview") -> None:
    if invocation.json:
        print_json(planned)
        return
    print_fields(
        {
            "taken over": ", ".join(planned.reused) or "nothing",
            "done again": ", ".join(planned.again) or "what never began",
        }
    )
    click.echo("Start it: the same command without --preview", err=True)
