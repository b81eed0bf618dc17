"""The body of `flowkeep demo`: engine, ledger, sample, worker, run, report."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import psycopg

from flowkeep import telemetry
from flowkeep.cli.demo_report import Report, print_report
from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import print_json
from flowkeep.cli.run_view import leave_with
from flowkeep.cli.run_watch import follow
from flowkeep.cli.work import activities_of
from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import Run
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.local_engine import LocalEngine
from flowkeep.settings import ENGINE_FILE, Settings
from flowkeep.statestore import migrate
from flowkeep.worker import Worker
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

SAMPLE = "flowkeep_sample"
"""Name of the database that the demo creates and extracts."""

TASK_QUEUE = "flowkeep-demo"
_CANCEL_SECONDS = 10.0


async def run_demo(invocation: Invocation) -> None:
    """Run the demo and print its report.

    Args:
        invocation: Output format, tenant and settings given as options.

    Raises:
        FlowkeepError: If a server cannot be started or the run cannot be.
        click.exceptions.Exit: If the run did not succeed or counts differ.
    """
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, signal.raise_signal, signal.SIGINT
    )
    settings = invocation.direct_settings()
    folder = ENGINE_FILE.parent

    def say(line: str) -> None:
        click.echo(line, err=invocation.json)

    say("starting PostgreSQL and Temporal")
    async with LocalEngine(folder, settings=settings, progress=say) as engine:
        settings = engine.settings()
        await migrate.upgrade(settings.database_url(), settings.database.schema_name)
        source = await _source(settings, engine, say)
        with _log(settings, folder / "logs" / "demo.log"):
            report = await _extract(invocation, settings, source)
        report.engine_stops = bool(engine.servers())
    if invocation.json:
        print_json(report.as_dict())
    else:
        print_report(report)
    leave_with(report.run)
    if report.differences:
        click.echo("the counts do not agree: " + "; ".join(report.differences), err=True)
        raise click.exceptions.Exit(1)


async def _source(settings: Settings, engine: LocalEngine, say: Callable[[str], None]) -> str:
    """Return the URL of the database to extract; the sample is created when there is no other."""
    if settings.demo.source is not None:
        say("extracting the database that FLOWKEEP_DEMO_SOURCE names")
        return settings.demo.source.get_secret_value()
    say(f"creating the sample database {SAMPLE}")
    try:
        return await asyncio.to_thread(create_sample_database, engine.database_url, SAMPLE)
    except (psycopg.Error, FileExistsError) as error:
        raise ConfigurationError(
            f"the sample database {SAMPLE} cannot be created: {error}",
            hint="name a database to extract in FLOWKEEP_DEMO_SOURCE",
        ) from error


async def _extract(invocation: Invocation, settings: Settings, source: str) -> Report:
    workflow = BaseSQLMetadataExtractionWorkflow
    client = await WorkflowClient.connect(settings)
    try:
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflow_classes=[workflow],
            workflow_activities=activities_of([workflow]),
        ):
            handle = await client.start_workflow(
                {"credentials": {"url": source}},
                workflow_class=workflow,
                task_queue=TASK_QUEUE,
                tenant_id=invocation.tenant,
                triggered_from="cli",
                labels={"demo": "true"},
            )
            run = await _follow(invocation, handle)
        tasks = await client.store.tasks.list_tasks(invocation.tenant, run.id, limit=100)
        return await Report.read(run, list(tasks), settings.storage.url)
    finally:
        await client.close()


async def _follow(invocation: Invocation, handle: RunHandle) -> Run:
    """Follow the run; when interrupted, cancel it, because its worker ends with this process."""
    try:
        return await follow(invocation, handle, show=not invocation.json, goes_on=False)
    except asyncio.CancelledError:
        with suppress(Exception):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await handle.cancel()
                await handle.result()
        raise


@contextmanager
def _log(settings: Settings, path: Path) -> Iterator[None]:
    """Write the worker's log to a file, so that it does not run through the display."""
    with path.open("a") as stream:
        telemetry.configure(settings.telemetry, process="demo", stream=stream)
        telemetry.start_core()
        try:
            yield
        finally:
            telemetry.silence()
