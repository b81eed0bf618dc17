"""Activities that extract query logs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.activities.blocking import run_stoppable
from flowkeep.contracts import CheckResult, PreflightResult, StateType
from flowkeep.contracts.query_extraction import (
    FetchedQueries,
    ParsedQueries,
    QueryBatch,
    QueryBatches,
    QueryExtractionResult,
    ReducedQueries,
)
from flowkeep.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotFound,
    RevisionMismatch,
)
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.logs.extraction import LogExtraction
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.plan_file import MarkEntry, PlanFile
from flowkeep.extraction.logs.sources.base import LogSource, SourceContext
from flowkeep.extraction.logs.sources.registry import SOURCE_KINDS, log_source_class
from flowkeep.extraction.memory import share_memory
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.transform import Transformer

T = TypeVar("T")
Arguments = dict[str, Any]

share_memory()

_STATEMENT_SECONDS = 600.0
_SILENCE_SECONDS = _STATEMENT_SECONDS + 60.0


class SQLQueryExtractionActivities(ActivitiesInterface):
    """Reads a query log; the arguments say which.

    The arguments hold `logs` (see `LogOptions`) and, where the log is read from a server,
    `credentials` (see `SourceCredentials`).

    Attributes:
        client_class: Class of the server, a `Source`; None takes the one of the credentials' URL.
        transformer_class: Class that makes entities of rows, a `Transformer`.
        log_sources: Classes of logs beside our own, `LogSource`; `logs.source` names one by its
            `kind`.
    """

    client_class: ClassVar[type[Any] | None] = None
    transformer_class: ClassVar[type[Any] | None] = Transformer
    log_sources: ClassVar[tuple[type[LogSource], ...]] = ()

    base_activities: ClassVar[frozenset[str]] = ActivitiesInterface.base_activities | {
        "finish_query_extraction"
    }

    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: Arguments) -> PreflightResult:
        """Check options, source and output.

        Args:
            workflow_args: The arguments of the run.
        """
        try:
            return PreflightResult(
                checks=await self._extract(workflow_args, lambda job: job.check())
            )
        except (ConfigurationError, InvalidInput) as error:
            return PreflightResult(
                checks=[CheckResult(name="arguments", ok=False, message=str(error))]
            )

    @activity.defn(name="get_query_batches")
    async def get_query_batches(self, workflow_args: Arguments) -> QueryBatches:
        """Plan what is new since the high-water mark.

        Args:
            workflow_args: The arguments of the run.
        """
        source = self._source(await self._resolved(workflow_args))
        base = await self._mark(source.identity)
        if base.run_id == str(self.services.run.run_id):
            raise Conflict(
                f"this run has read {source.identity} already and moved its high-water mark",
                hint="start a new run: it goes on from there",
                code="MARK_MOVED",
            )
        catalogue = await self._catalogue(LogOptions.read(workflow_args.get("logs")).catalogue)
        return await self._extract(workflow_args, lambda job: job.plan(base, catalogue))

    @activity.defn(name="fetch_queries")
    async def fetch_queries(self, batch: QueryBatch, workflow_args: Arguments) -> FetchedQueries:
        """Read one window: redact and count its statements.

        Args:
            batch: Names the window.
            workflow_args: The arguments of the run.
        """
        return await self._extract(workflow_args, lambda job: job.fetch(batch))

    @activity.defn(name="reduce_queries")
    async def reduce_queries(self, batch: QueryBatch, workflow_args: Arguments) -> ReducedQueries:
        """Put one bucket of all windows together.

        Args:
            batch: Names the bucket.
            workflow_args: The arguments of the run.
        """
        return await self._extract(workflow_args, lambda job: job.reduce(batch))

    @activity.defn(name="parse_queries")
    async def parse_queries(self, batch: QueryBatch, workflow_args: Arguments) -> ParsedQueries:
        """Find out what the shapes of one bucket read and write.

        Args:
            batch: Names the bucket.
            workflow_args: The arguments of the run.
        """
        return await self._extract(workflow_args, lambda job: job.parse(batch))

    @activity.defn(name="finish_query_extraction")
    async def finish_query_extraction(
        self, batch: QueryBatch, workflow_args: Arguments, parsed: bool
    ) -> QueryExtractionResult:
        """Write outputs and manifest, then move the high-water mark.

        Args:
            batch: Names the plan.
            workflow_args: The arguments of the run.
            parsed: Whether the shapes were parsed.

        Raises:
            Incomplete: If counts do not agree.
            Conflict: If another run has moved the mark meanwhile; nothing of this one counts.
        """
        plan = await self._extract(workflow_args, lambda job: job.planned(batch))
        mark = await self._mark(plan.identity)
        if mark.run_id == plan.run_id:  # an earlier attempt came so far, and was not heard
            return await self._extract(workflow_args, lambda job: job.finished(plan, mark.kept))
        result, kept = await self._extract(
            workflow_args, lambda job: job.finish(plan, batch.digest, parsed=parsed)
        )
        other = await self._move_mark(plan, kept, result.key)
        if other is not None:
            raise await self._extract(workflow_args, lambda job: job.withdraw(plan, other.run_id))
        return await self._extract(workflow_args, lambda job: job.finished(plan, kept))

    def source_class(self, kind: str) -> type[LogSource]:
        """Return the class of a log: one of `log_sources`, else our own.

        Args:
            kind: `logs.source` of the arguments.

        Raises:
            InvalidInput: If there is none of this kind.
        """
        own = {one.kind: one for one in self.log_sources}
        if kind not in own and kind not in SOURCE_KINDS:
            raise InvalidInput(
                f"logs.source: there is no source {kind!r}",
                hint=f"use one of {', '.join([*SOURCE_KINDS, *own])}",
            )
        return own[kind] if kind in own else log_source_class(kind)

    async def _extract(self, workflow_args: Arguments, work: Callable[[LogExtraction], T]) -> T:
        """Run blocking work in a thread, and stop it when the attempt is cancelled."""
        arguments = await self._resolved(workflow_args)
        options = LogOptions.read(arguments.get("logs"))
        self.allow_silence(_SILENCE_SECONDS)
        transformer = self.transformer_class or Transformer
        return await run_stoppable(
            self,
            lambda stop: work(
                LogExtraction(
                    self._source(arguments),
                    self.services.storage,
                    self._location(),
                    options,
                    transformer_class=transformer,
                    stop=stop,
                    progress=lambda details: self.progress(**details),
                )
            ),
        )

    def _source(self, arguments: Mapping[str, Any]) -> LogSource:
        options = LogOptions.read(arguments.get("logs"))
        given = arguments.get("credentials")
        context = SourceContext(
            SourceCredentials.read(given) if given else None,
            self.client_class,
            self.services.settings.worker.max_connections_per_source,
            _STATEMENT_SECONDS,
        )
        return self.source_class(options.source).create(options.options, context)

    async def _mark(self, identity: str) -> MarkEntry:
        """Return the high-water mark of a source."""
        try:
            entry = await self.services.state.get_state(
                self._location().mark(identity), StateType.STATE
            )
        except NotFound:
            return MarkEntry()
        return MarkEntry(revision=entry.revision, **entry.value)

    async def _move_mark(self, plan: PlanFile, kept: list[str], key: str | None) -> Any:
        """Move the mark on from where the plan began; returns the mark of whoever was faster."""
        run_id = self._location().run.run_id
        value = {
            "source": plan.identity,
            "mark": plan.mark,
            "kept": kept,
            "run_id": run_id,
            "manifest": key,
        }
        with suppress(RevisionMismatch):
            await self.services.state.save_state(
                self._location().mark(plan.identity),
                value,
                StateType.STATE,
                expected_revision=plan.base.revision,
            )
            return None
        now = await self._mark(plan.identity)
        return None if now.run_id == run_id else now

    async def _catalogue(self, name: str | None) -> str | None:
        """Return the key of the manifest that a run id, or a key, names."""
        if name is None or name.endswith(".json"):
            return name
        runs = self.services.store.runs
        try:
            run = await runs.get(UUID(name))
        except (NotFound, ValueError):
            raise ConfigurationError(
                f"logs.catalogue: there is no run {name!r}",
                hint="name a finished metadata extraction by its run id or its manifest's key",
            ) from None
        key = run.outputs.get("key") if isinstance(run.outputs, dict) else None
        if not isinstance(key, str):
            raise ConfigurationError(
                f"logs.catalogue: run {name} ({run.workflow_type}) has no manifest",
                hint="name a metadata extraction that has succeeded",
            )
        return key

    async def _resolved(self, workflow_args: Arguments) -> Arguments:
        """Return the arguments with secrets in the place of their references."""
        resolved: Arguments = await self.services.secrets.resolve(workflow_args)
        return resolved

    def _location(self) -> LogLocation:
        run = self.services.run
        return LogLocation(
            RunLocation(run.tenant_id, run.app_id, run.workflow_type, str(run.run_id))
        )
