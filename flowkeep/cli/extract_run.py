"""The body of `flowkeep extract metadata` and `logs`: engine, worker, run, report."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from flowkeep import telemetry
from flowkeep.cli.extract_report import Report
from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import print_fields, print_json
from flowkeep.cli.run_view import leave_with
from flowkeep.cli.run_watch import follow
from flowkeep.cli.work import activities_of
from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import Run
from flowkeep.errors import ConfigurationError
from flowkeep.settings import ENGINE_FILE, Settings
from flowkeep.worker import Worker
from flowkeep.workflows.base import WorkflowInterface
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

_CANCEL_SECONDS = 10.0
_LOG = ENGINE_FILE.parent / "logs" / "extract.log"
_QUEUE_PREFIX = "flowkeep-extract-"


@dataclass(frozen=True)
class Extraction:
    """One call of the command.

    Attributes:
        invocation: Output format, tenant and settings given as options.
        arguments: Arguments of the run.
        labels: Labels of the run.
        workflow_id: Idempotency key; a new run when null.
        app: App of the run.
        task_queue: Queue of the workers that do the work; null does it in this process.
        local: Whether servers that are not configured are started for this command.
        watch: Whether to show the progress.
        strict: Whether warnings make the command exit with 1.
        workflow_class: What is run.
        report_class: What is shown of it.
    """

    invocation: Invocation
    arguments: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    workflow_id: str | None = None
    app: str | None = None
    task_queue: str | None = None
    local: bool = False
    watch: bool = True
    strict: bool = False
    workflow_class: type[WorkflowInterface] = BaseSQLMetadataExtractionWorkflow
    report_class: type[Report] = Report

    async def run(self) -> None:
        """Extract, and print what came of it.

        Raises:
            ConfigurationError: If no servers are configured.
            FlowkeepError: If the run cannot be started.
            click.exceptions.Exit: If the run did not succeed, or has warnings and `strict` is set.
        """
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, signal.raise_signal, signal.SIGINT
        )
        async with self._settings() as settings, AsyncExitStack() as stack:
            if self.task_queue is None:  # before the SDK's own log begins, with the first client
                stack.enter_context(_Log(settings, _LOG))
            client = await stack.enter_async_context(await WorkflowClient.connect(settings))
            if self.task_queue is None:
                report = await self._work(client)
            elif self.watch:
                handle = await self._start(client, self.task_queue)
                report = await self.report_class.read(
                    await self._follow(handle), settings.storage.url
                )
            else:
                self._print_started(await self._start(client, self.task_queue))
                return
        self._print(report)

    @asynccontextmanager
    async def _settings(self) -> AsyncIterator[Settings]:
        """Provide the settings of the configured servers, or of those that are started now."""
        settings = self.invocation.direct_settings()
        if not self.local:
            if settings.database.url is None:
                raise ConfigurationError(
                    "no ledger is configured",
                    hint="run `flowkeep dev` in this folder, set FLOWKEEP_DATABASE_URL and "
                    "TEMPORAL_ADDRESS, or add --local",
                )
            yield settings
            return
        from flowkeep.local_engine import LocalEngine
        from flowkeep.statestore import migrate

        async with LocalEngine(ENGINE_FILE.parent, settings=settings, progress=_say) as engine:
            started = engine.settings()
            await migrate.upgrade(started.database_url(), started.database.schema_name)
            yield started

    async def _work(self, client: WorkflowClient) -> Report:
        """Do the work in this process, on a queue of the run's own."""
        queue = f"{_QUEUE_PREFIX}{self.workflow_id or uuid4().hex}"
        async with Worker(
            client,
            task_queue=queue,
            workflow_classes=[self.workflow_class],
            workflow_activities=activities_of([self.workflow_class]),
        ):
            handle = await self._start(client, queue)
            run = await self._follow_own(handle, queue)
        return await self.report_class.read(run, client.settings.storage.url)

    async def _start(self, client: WorkflowClient, queue: str) -> RunHandle:
        return await client.start_workflow(
            self.arguments,
            workflow_class=self.workflow_class,
            task_queue=queue,
            workflow_id=self.workflow_id,
            tenant_id=self.invocation.tenant,
            app_id=self.app,
            triggered_from="cli",
            labels=self.labels or None,
        )

    async def _follow_own(self, handle: RunHandle, queue: str) -> Run:
        """Follow a run that this process works for; when interrupted, cancel it."""
        run = await handle.run()
        if run.task_queue != queue:
            _say(f"run {run.id} is open already; the workers of {run.task_queue} do its work")
            return await self._follow(handle)
        try:
            return await self._follow(handle, goes_on=False)
        except asyncio.CancelledError:
            with suppress(Exception):
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await handle.cancel()
                    await handle.result()
            raise

    async def _follow(self, handle: RunHandle, *, goes_on: bool = True) -> Run:
        shown = self.watch and not self.invocation.json
        return await follow(self.invocation, handle, show=shown, goes_on=goes_on)

    def _print_started(self, handle: RunHandle) -> None:
        started = {
            "run_id": str(handle.run_id),
            "workflow_id": handle.workflow_id,
            "temporal_run_id": handle.temporal_run_id,
            "created": handle.created,
        }
        if self.invocation.json:
            print_json(started)
            return
        print_fields({"run id": handle.run_id, "workflow id": handle.workflow_id})
        _say(f"Follow it: flowkeep run watch {handle.run_id}")

    def _print(self, report: Report) -> None:
        if self.invocation.json:
            print_json(report.as_dict())
        else:
            report.show(by_run=not self.local)
        if report.result is None and self.task_queue is None:
            _say(f"log: {_LOG}")
        leave_with(report.run)
        if report.missing:
            raise click.exceptions.Exit(1)
        if report.warnings and self.strict:
            _say(f"--strict: {len(report.warnings)} warnings")
            raise click.exceptions.Exit(1)


class _Log:
    """The worker's log goes to a file, so that it does not run through the display."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._settings = settings
        self._path = path

    def __enter__(self) -> None:
        from flowkeep.local_engine.files import private_folder

        private_folder(self._path.parent.parent)
        private_folder(self._path.parent)
        self._stream = self._path.open("a")
        telemetry.configure(self._settings.telemetry, process="extract", stream=self._stream)
        telemetry.start_core()

    def __exit__(self, *_: object) -> None:
        telemetry.silence()
        self._stream.close()


def _say(line: str) -> None:
    click.echo(line, err=True)
