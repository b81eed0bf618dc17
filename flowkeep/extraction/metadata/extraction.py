"""One metadata extraction: what the activities call, one method per activity."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from functools import cached_property

from flowkeep.contracts.extraction import (
    FetchResult,
    KindResult,
    ManifestRef,
    OrphanReport,
    TransformResult,
)
from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.metadata.assets import write_assets
from flowkeep.extraction.metadata.fetch import fetch_kind
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import KINDS, Kind, kind_named
from flowkeep.extraction.metadata.manifest import write_manifest
from flowkeep.extraction.metadata.orphans import find_orphans
from flowkeep.extraction.metadata.parts import Progress
from flowkeep.extraction.metadata.restrict import resolve_databases, restricted
from flowkeep.extraction.metadata.transform import EntityContext, Transformer
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import SOURCE_CHANGED, Source, Statement
from flowkeep.storage import Storage

_TRIES = 3
"""How often a kind is read before the attempt fails because of objects that are being dropped."""


class MetadataExtraction:
    """Reads a server's catalogue into files. Every method blocks; call it in a thread.

    Each method may be called again with the same arguments: it writes the same keys.

    Args:
        source: The server.
        storage: Where files go.
        location: Folder of the run.
        options: Which part of the server.
        statements: Kind to SQL that replaces the source's own.
        kinds: All kinds by name.
        transformer_class: Makes entities of raw rows.
        stop: Ends the work when set.
        progress: Called with rows and file bytes so far.
    """

    def __init__(
        self,
        source: Source,
        storage: Storage,
        location: RunLocation,
        options: ExtractionOptions,
        *,
        statements: Mapping[str, str] | None = None,
        kinds: Mapping[str, Kind] = KINDS,
        transformer_class: type[Transformer] = Transformer,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source = source
        self.storage = storage
        self.location = location
        self.options = options
        self._statements = dict(statements or {})
        self._kinds = kinds
        self._transformer = transformer_class(
            EntityContext(options.namespace or source.namespace, location.run_id)
        )
        self._stop = stop
        self._progress = progress

    @cached_property
    def databases(self) -> tuple[str, ...]:
        """The databases that are read; asks the server when rules choose them by pattern."""
        return resolve_databases(self.source, self.options)

    def statement(self, kind: str, database: str | None = None) -> Statement:
        """Return the statement of a kind with its parameters.

        Args:
            kind: For example `tables`.
            database: Whose rules are meant; the first one when left out.

        Raises:
            ConfigurationError: If neither the source nor the caller has one.
        """
        where = database or self.databases[0]
        parameters = self.options.parameters()
        if kind in self._statements:
            own = Statement(self._statements[kind], parameters)
            return restricted(own, self.source, self.options, where)
        if kind not in self.source.statements:
            raise ConfigurationError(
                f"{self.source.dialect} has no statement for {kind}",
                hint="set the SQL of this kind, or leave its fetch out",
            )
        order = self.source.orders.get(kind)
        shipped = Statement(self.source.statements[kind], parameters, order)
        return restricted(shipped, self.source, self.options, where)

    def fetch(self, kind: str) -> FetchResult:
        """Read one kind of every database; see `fetch_kind`.

        A manifest of this run, left from before it was reset, is deleted first.

        Raises:
            InvalidInput: If there is no such kind.
        """
        known = kind_named(kind, self._kinds)
        if kind not in self._statements and kind not in self.source.statements:
            why = f"{self.source.dialect} has no {kind}"
            return FetchResult.of(kind, []).model_copy(update={"not_applicable": why})
        self.storage.delete(self.location.manifest)
        total = _Total(self._progress, self._stop)
        scopes = []
        for database in self.databases:
            statement = self.statement(kind, database)
            scopes.append(self._fetch(known, database, statement, total.add))
            total.next()
        return FetchResult.of(kind, scopes)

    def _fetch(
        self, kind: Kind, database: str, statement: Statement, progress: Progress
    ) -> KindResult:
        """Fetch; at once again, in a new snapshot, when an object was dropped under our eyes."""
        for left in reversed(range(_TRIES)):
            try:
                return fetch_kind(
                    self.source,
                    self.storage,
                    self.location,
                    kind,
                    database,
                    statement,
                    stop=self._stop,
                    progress=progress,
                )
            except SourceUnavailable as error:
                if error.code != SOURCE_CHANGED or not left:
                    raise
        raise AssertionError("the last try either returns or raises")

    def transform(self, fetched: FetchResult) -> TransformResult:
        """Make entities of one kind of every database; see `write_assets`."""
        known = kind_named(fetched.kind, self._kinds)
        total = _Total(self._progress, self._stop)
        scopes = []
        for scope in fetched.scopes:
            scopes.append(
                write_assets(
                    self.storage, self.location, known, scope, self._transformer, total.add
                )
            )
            total.next()
        return TransformResult.of(fetched.kind, scopes)

    def orphans(self, fetched: Sequence[FetchResult]) -> OrphanReport:
        """Compare the kinds with each other; see `find_orphans`."""
        return find_orphans(self.storage, fetched)

    def finish(
        self, fetched: Sequence[FetchResult], transformed: Sequence[TransformResult]
    ) -> ManifestRef:
        """Check counts and files and write the manifest; see `write_manifest`."""
        return write_manifest(self.storage, self.location, self.options, fetched, transformed)


class _Total:
    """Adds up progress over databases, and ends the work when it is to stop."""

    def __init__(self, report: Progress | None, stop: threading.Event | None) -> None:
        self._report = report
        self._stop = stop
        self._before = (0, 0)
        self._now = (0, 0)

    def add(self, rows: int, size: int) -> None:
        if self._stop is not None and self._stop.is_set():
            raise CancelledError("stopped between two batches")
        self._now = (self._before[0] + rows, self._before[1] + size)
        if self._report is not None:
            self._report(*self._now)

    def next(self) -> None:
        self._before = self._now
