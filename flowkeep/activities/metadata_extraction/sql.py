"""Activities that extract the metadata of a SQL database."""

import inspect
import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.activities.blocking import run_stoppable
from flowkeep.activities.metadata_extraction.fetches import Arguments, KindFetches
from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.contracts.extraction import FetchResult, FinishResult, TransformResult
from flowkeep.contracts.packed import unpack
from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.memory import share_memory
from flowkeep.extraction.metadata.checkpoint import Attempt
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.registry import source_class

T = TypeVar("T")

# Now, because it counts for threads that start later: whoever imports these activities for a worker
# does so before the worker, and mostly before its client, has threads.
share_memory()

_SILENCE_MARGIN_SECONDS = 60.0
"""Longer than a server and the network need to end a statement whose time is over."""


class BaseSQLMetadataExtractionActivities(KindFetches):
    """Reads the catalogue of a SQL database; the arguments say which.

    The arguments hold `credentials` (see `SourceCredentials`) and, where the defaults do not fit,
    `metadata` (see `ExtractionOptions`). Every activity takes them as its only argument.

    Attributes:
        client_class: Class of the source, a `Source`; None takes the one of the credentials' URL.
        handler_class: Class that checks and browses the source, a `HandlerInterface`.
        transformer_class: Class that makes entities of raw rows, a `Transformer`.
    """

    client_class: ClassVar[type[Any] | None] = None
    handler_class: ClassVar[type[Any] | None] = SQLHandler
    transformer_class: ClassVar[type[Any] | None] = Transformer

    base_activities: ClassVar[frozenset[str]] = ActivitiesInterface.base_activities | {
        "finish_extraction"
    }

    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: Arguments) -> PreflightResult:
        """Check connection, version, rights, filters and output.

        Args:
            workflow_args: The arguments of the run.
        """
        arguments = await self._resolved(workflow_args)
        credentials = arguments.get("credentials") or {}
        try:
            handler = _required(self, "handler_class").create(
                self.services.storage,
                self._location().prefix,
                self.source_class(SourceCredentials.read(credentials)),
                self.services.settings.worker.max_connections_per_source,
            )
            await self._call(handler.load, credentials)
        except ConfigurationError as error:
            check = CheckResult(name="credentials", ok=False, message=str(error))
            return PreflightResult(checks=[check])
        result: PreflightResult = await self._call(handler.preflight_check, arguments)
        return result

    @activity.defn(name="transform_data")
    async def transform_data(self, workflow_args: Arguments) -> TransformResult | None:
        """Make entities of what one fetch returned.

        Args:
            workflow_args: The arguments of the run, with the fetch's result under `fetched`.
        """
        fetched = FetchResult.model_validate(workflow_args["fetched"])
        return await self._extract(workflow_args, lambda job: job.transform(fetched))

    @activity.defn(name="finish_extraction")
    async def finish_extraction(self, workflow_args: Arguments) -> FinishResult:
        """Compare the kinds with each other and write the manifest.

        Args:
            workflow_args: The arguments of the run, with all results, as `pack` returned them,
                under `fetched` and `transformed`; `last_try` says that kinds cannot be read again.

        Raises:
            Incomplete: If kinds do not fit together and this was the last try.
        """
        fetched = unpack(FetchResult, workflow_args["fetched"])
        made = unpack(TransformResult, workflow_args["transformed"])

        def finish(job: MetadataExtraction) -> FinishResult:
            report = job.orphans(fetched)
            if report.refetch and not workflow_args.get("last_try"):
                return FinishResult(orphans=report)
            if report.findings:
                raise Incomplete(
                    "the kinds do not fit together, although they were read again: "
                    + "; ".join(report.findings),
                    hint="compare the SQL of these kinds, or try again when the schema is at rest",
                    code="ORPHANS",
                )
            manifest = job.finish(fetched, made, report.unresolved)
            return FinishResult(manifest=manifest)  # which has what is unresolved

        return await self._extract(workflow_args, finish)

    def source_class(self, credentials: SourceCredentials) -> type[Any]:
        """Return the class of the source: `client_class`, else the one of the URL's scheme.

        Args:
            credentials: How to reach it.
        """
        return self.client_class or source_class(credentials)

    async def fetch(self, kind: str, workflow_args: Arguments) -> FetchResult | None:
        """Fetch one kind; see `KindFetches.fetch`."""
        return await self._extract(workflow_args, lambda job: job.fetch(kind))

    async def _extract(
        self, workflow_args: Arguments, work: Callable[[MetadataExtraction], T]
    ) -> T:
        """Run blocking work in a thread, and stop it when the attempt is cancelled."""
        arguments = await self._resolved(workflow_args)
        options = ExtractionOptions.read(arguments.get("metadata"))
        # The server ends a statement that takes too long; until then it may well say nothing.
        self.allow_silence(options.statement_timeout_seconds + _SILENCE_MARGIN_SECONDS)
        return await run_stoppable(
            self, lambda stop: work(self._extraction(arguments, options, stop))
        )

    def _extraction(
        self, arguments: Arguments, options: ExtractionOptions, stop: threading.Event
    ) -> MetadataExtraction:
        services = self.services
        credentials = SourceCredentials.read(arguments.get("credentials") or {})
        source = self.source_class(credentials)(
            credentials,
            max_connections=services.settings.worker.max_connections_per_source,
            statement_timeout_seconds=options.statement_timeout_seconds,
        )
        return MetadataExtraction(
            source,
            services.storage,
            self._location(),
            options,
            statements=self.own_statements(),
            kinds=self.kinds(),
            transformer_class=_required(self, "transformer_class"),
            attempt=_attempt(),
            stop=stop,
            progress=lambda details: self.progress(**details),
        )

    def _location(self) -> RunLocation:
        run = self.services.run
        return RunLocation(run.tenant_id, run.app_id, run.workflow_type, str(run.run_id))

    async def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method that may block, or may be `async def`."""
        if inspect.iscoroutinefunction(method):
            return await method(*arguments)
        return await self.run_blocking(method, *arguments)

    async def _resolved(self, workflow_args: Arguments) -> Arguments:
        """Return the arguments with secrets in the place of their references."""
        resolved: Arguments = await self.services.secrets.resolve(workflow_args)
        return resolved


def _attempt() -> Attempt | None:
    if not activity.in_activity():
        return None
    info = activity.info()
    if info.workflow_run_id is None:
        return None
    return Attempt(info.workflow_run_id, info.activity_id, info.attempt)


def _required(activities: ActivitiesInterface, name: str) -> Any:
    found = getattr(activities, name)
    if found is None:
        raise ConfigurationError(
            f"{type(activities).__name__}.{name} is None",
            hint="name a class, or inherit the base's",
        )
    return found
