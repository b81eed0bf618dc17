"""What commands that start a run share: their options, and what they show of it."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import print_fields, print_json
from flowkeep.cli.run_view import leave_with, print_run
from flowkeep.cli.run_watch import Followed, follow

if TYPE_CHECKING:
    from flowkeep.cli.service import ServiceClient
    from flowkeep.contracts.api.definition_answers import Execution
    from flowkeep.contracts.api.runs import StartedRun
    from flowkeep.contracts.progress import RunProgress

Command = TypeVar("Command", bound=Callable[..., Any])


class Started(Followed, Protocol):
    """A run that was started, or was open already."""

    workflow_id: str
    temporal_run_id: str | None
    created: bool


class ServiceRun:
    """A run of the service, as commands follow it.

    Args:
        client: The service.
        started: What it answered to the start; None where the run was found.
        run_id: The run; that of `started` when left out.
    """

    def __init__(
        self,
        client: "ServiceClient",
        started: "StartedRun | Execution | None" = None,
        *,
        run_id: UUID | None = None,
    ) -> None:
        self._client = client
        known = run_id if started is None else started.run_id
        assert known is not None, "either is given"
        self.run_id = known
        self.workflow_id = "" if started is None else started.workflow_id
        self.temporal_run_id = None if started is None else started.temporal_run_id
        self.created = started is not None and started.created

    async def watch(self, interval_seconds: float) -> "AsyncIterator[RunProgress]":
        """Yield snapshots until the run has ended; the last one shows the end.

        Raises:
            NotFound: If the run was deleted meanwhile.
        """
        from flowkeep.errors import NotFound

        updates = self._client.runs.watch(self.run_id, interval_seconds=interval_seconds)
        async for update in updates:
            if update.kind == "gone":
                raise NotFound(f"run {self.run_id} was deleted", hint="nothing is left to watch")
            if update.progress is not None:
                yield update.progress


_START = (
    click.option("--workflow-id", help="Idempotency key of the start; the run id when left out."),
    click.option("--task-queue", help="Task queue of the workers. Else FLOWKEEP_TASK_QUEUE."),
    click.option("--owner", help="Who the run is for."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label. Repeatable."),
    click.option(
        "--on-conflict",
        type=click.Choice(["existing", "reject", "replace"]),
        default="existing",
        show_default=True,
        help="What to do when the workflow id already has an open run.",
    ),
)
_WAIT = (
    click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 unless it succeeded."),
    click.option("--watch", is_flag=True, help="Like --wait, and show the progress meanwhile."),
)


def start_options(command: Command) -> Command:
    """Add the options of every start: workflow id, task queue, owner, labels, conflicts."""
    for option in reversed(_START):
        command = option(command)
    return command


def wait_options(command: Command) -> Command:
    """Add `--wait` and `--watch`."""
    for option in reversed(_WAIT):
        command = option(command)
    return command


async def show_started(
    invocation: Invocation, started: Started, *, wait: bool, watch: bool
) -> None:
    """Print a run that was started; where it is waited for, follow it and leave with its end.

    Args:
        invocation: The output format.
        started: The run.
        wait: Whether to wait for its end.
        watch: Whether to show the progress meanwhile.

    Raises:
        click.exceptions.Exit: If it was waited for and did not succeed.
    """
    if wait or watch:
        run = await follow(invocation, started, show=watch)
        if not invocation.json:
            print_run(run)
        elif not watch:
            print_json(run)
        leave_with(run)
        return
    shown = {
        "run_id": str(started.run_id),
        "workflow_id": started.workflow_id,
        "temporal_run_id": started.temporal_run_id,
        "created": started.created,
    }
    if invocation.json:
        print_json(shown)
        return
    print_fields({key.replace("_", " "): shown[key] for key in list(shown)[:3]})
    if not started.created:
        click.echo("This run was open already; nothing new was started.", err=True)
    click.echo(f"Follow it: flowkeep run watch {started.run_id}", err=True)
