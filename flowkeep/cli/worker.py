"""`flowkeep worker`: processes that do the work."""

from typing import Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.worker_list import list_workers


@click.group()
def worker() -> None:
    """Run workers, and list those that run."""


worker.add_command(list_workers)


@worker.command()
@click.argument("targets", nargs=-1, metavar="[MODULE[:OBJECT]]...")
@click.option(
    "--actions",
    multiple=True,
    metavar="MODULE[:NAME]",
    help="Run definitions, whose tasks can call these functions marked with @action. Repeatable.",
)
@click.option("--definitions", is_flag=True, help="Run definitions, with built-in actions alone.")
@click.option("--task-queue", help="Task queue to serve. Else FLOWKEEP_TASK_QUEUE.")
@click.option(
    "--processes", type=click.IntRange(1), help="Worker processes. Else FLOWKEEP_WORKER_PROCESSES."
)
@click.option("--no-reconciler", is_flag=True, help="Run no process that keeps the ledger true.")
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]), help="Look of logs.")
@click.option("--log-level", help="Least level that is logged. Else FLOWKEEP_LOG_LEVEL.")
@common_options
@pass_invocation
def start(
    invocation: Invocation,
    targets: tuple[str, ...],
    actions: tuple[str, ...],
    definitions: bool,
    task_queue: str | None,
    processes: int | None,
    no_reconciler: bool,
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Serve workflows and their activities until Ctrl-C or SIGTERM, then drain.

    Modules are imported from the working directory, then as installed. OBJECT is a subclass of
    WorkflowInterface, a list of them, or a function that takes the connected client and returns a
    Worker or a dict of its keywords; without OBJECT every workflow class that the module defines
    is served.

    With --actions or --definitions runs of stored definitions are served too. NAME is a marked
    function or a list of them; without NAME every one that the module defines. The definitions of
    --tenant are told of them.

    Beside the workers a process of its own starts requests that nobody starts and compares the
    ledger with Temporal.
    """
    if not (targets or actions or definitions):
        raise click.UsageError("name a MODULE, --actions or --definitions")
    flags: dict[str, Any] = {
        **invocation.flags,
        "worker__task_queue": task_queue,
        "worker__processes": processes,
        "reconciler__enabled": False if no_reconciler else None,
        "telemetry__log_format": log_format,
        "telemetry__log_level": log_level,
    }
    invocation.flags = {name: value for name, value in flags.items() if value is not None}

    from flowkeep.cli.work import Served, serve_workers

    served = Served(
        targets=list(targets),
        actions=list(actions) if actions or definitions else None,
        tenant=invocation.tenant,
        task_queue=task_queue,
    )
    serve_workers(invocation.direct_settings(), served)
