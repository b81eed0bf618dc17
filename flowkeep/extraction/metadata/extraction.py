"""One metadata extraction: what the activities call, one method per activity."""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from flowkeep.contracts.extraction import (
    FetchResult,
    KindAssets,
    KindResult,
    ManifestRef,
    OrphanReport,
    PartInfo,
    TransformResult,
    UnresolvedReference,
)
from flowkeep.errors import ConfigurationError, NotFound, SourceUnavailable
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.assets import write_assets
from flowkeep.extraction.metadata.baseline import Baseline, scope_key
from flowkeep.extraction.metadata.checkpoint import (
    Attempt,
    Checkpoint,
    Checkpoints,
    FetchCheckpoint,
)
from flowkeep.extraction.metadata.disk import temporary_files
from flowkeep.extraction.metadata.fetch import KindFetch
from flowkeep.extraction.metadata.first_seen import FirstSeen
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import KINDS, Kind, kind_named
from flowkeep.extraction.metadata.manifest import ENTITY_SCHEMA, write_manifest
from flowkeep.extraction.metadata.openlineage import export_openlineage
from flowkeep.extraction.metadata.orphans import find_orphans
from flowkeep.extraction.metadata.parts import Damaged, Progress
from flowkeep.extraction.metadata.progress import Total
from flowkeep.extraction.metadata.restrict import is_named, resolve_databases, restricted
from flowkeep.extraction.metadata.transform import EntityContext, Transformer
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import DATABASE_REFUSED, SOURCE_CHANGED, Source, Statement
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
        attempt: The attempt that this is; a later one of the same task goes on from its
            checkpoints. Without it none are kept.
        stop: Ends the work when set.
        progress: Called with details of how far the work is.
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
        attempt: Attempt | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.source = source
        self.storage = storage
        self.location = location
        self.options = source.narrowed(options)
        self._statements = dict(statements or {})
        self._kinds = kinds
        self._transformer = transformer_class(
            EntityContext(
                options.namespace or source.namespace,
                location.run_id,
                source.database_in_names,
                kinds,
            )
        )
        self._checkpoints = Checkpoints(storage, location, attempt)
        self._stop = stop
        self._progress = progress

    @cached_property
    def _baseline(self) -> Baseline:
        key = scope_key(self._transformer.context.namespace, self.options)
        return Baseline.find(self.storage, self.location, key)

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

    @temporary_files()
    def fetch(self, kind: str) -> FetchResult:
        """Read one kind of every database; see `KindFetch`.

        A manifest of this run, left from before it was reset, is deleted first. A database that a
        pattern chose and that does not let the role in becomes a scope with the reason; one that
        is named fails the fetch.

        Raises:
            InvalidInput: If there is no such kind.
            ConfigurationError: If a named database, or every database, refuses.
        """
        known = kind_named(kind, self._kinds)
        if kind not in self._statements and kind not in self.source.statements:
            why = f"{self.source.dialect} has no {kind}"
            return FetchResult.of(kind, []).model_copy(update={"not_applicable": why})
        self.storage.delete(self.location.manifest)
        total = Total(self._progress, self._stop)
        scopes: list[KindResult] = []
        refusals: list[ConfigurationError] = []
        for number, database in enumerate(self.databases, start=1):
            total.begin(database)
            fetch = self._kind_fetch(known, database, total)
            try:
                scope = self._fetch(fetch)
            except ConfigurationError as error:
                if error.code != DATABASE_REFUSED or is_named(database, self.options):
                    raise
                refusals.append(error)
                scope = fetch.denied(str(error))
            if number < len(self.databases):
                fetch.remember(scope)
            scopes.append(scope)
        if refusals and len(refusals) == len(scopes):
            raise refusals[0]
        return FetchResult.of(kind, scopes)

    def _kind_fetch(self, kind: Kind, database: str, progress: Progress) -> KindFetch:
        statement = self.statement(kind.name, database)
        order = statement.order.by if statement.order else None
        about = (
            *(kind.name, kind.identity, database, self.options.part_rows),
            *(statement.text, statement.parameters, order),
        )
        return KindFetch(
            self.source,
            self.storage,
            self.location,
            kind,
            database,
            statement,
            self._checkpoints.of("raw", kind.name, database, FetchCheckpoint, about),
            self.options.part_rows,
            self._own_statement(kind.name),
            self._stop,
            progress,
        )

    def _own_statement(self, kind: str) -> str | None:
        """Return the hash of the SQL of a kind, if it is not the source's own."""
        text = self._statements.get(kind)
        return None if text is None else hashlib.sha256(text.encode()).hexdigest()

    def _fetch(self, fetch: KindFetch) -> KindResult:
        """Fetch; at once again, in a new snapshot, when an object was dropped under our eyes."""
        for left in reversed(range(_TRIES)):
            try:
                return fetch.run()
            except SourceUnavailable as error:
                if error.code != SOURCE_CHANGED or not left:
                    raise
        raise AssertionError("the last try either returns or raises")

    @temporary_files()
    def transform(self, fetched: FetchResult) -> TransformResult:
        """Make entities of one kind of every database; see `write_assets`.

        A manifest of this run is deleted first here, too: a run may be reset to behind its fetches.
        """
        known = kind_named(fetched.kind, self._kinds)
        self.storage.delete(self.location.manifest)
        total = Total(self._progress, self._stop)
        scopes = []
        for number, scope in enumerate(fetched.scopes, start=1):
            total.begin(scope.database)
            last = number == len(fetched.scopes)
            scopes.append(self._transform(known, scope, total, last=last))
        return TransformResult.of(fetched.kind, scopes)

    def _transform(
        self, kind: Kind, scope: KindResult, progress: Progress, *, last: bool
    ) -> KindAssets:
        """Make the entities of a scope; `last` says that nothing is left to do after it."""
        about = [ENTITY_SCHEMA, *(part.sha256 for part in scope.parts)]
        checkpoints = self._checkpoints.of("assets", kind.name, scope.database, Checkpoint, about)
        saved = checkpoints.read()
        done = list(saved.parts) if saved is not None else []

        def stored(made: Sequence[PartInfo]) -> None:
            done.append(list(made))
            if not last or len(done) < len(scope.parts):
                checkpoints.write(parts=done)

        return write_assets(
            self.storage,
            self.location,
            kind,
            scope,
            self._transformer,
            progress,
            done=tuple(done),
            stored=stored,
            first_seen=self._first_seen(scope),
        )

    def _first_seen(self, scope: KindResult) -> FirstSeen | None:
        """Return when the run before saw the entities first; None when there is none."""
        while scope.parts and (base := self._baseline.of(scope)):
            if base.entity_schema == ENTITY_SCHEMA:
                # deleted, or repeated, while it is read; or damaged, which the end reports
                with suppress(NotFound, Damaged):
                    return FirstSeen.read(self.storage, base.assets)
            self._baseline.forget(base)
        return None

    @temporary_files()
    def orphans(self, fetched: Sequence[FetchResult]) -> OrphanReport:
        """Compare the kinds with each other; see `find_orphans`."""
        options = self.options
        return find_orphans(
            self.storage,
            fetched,
            kinds=self._kinds,
            scope=Scope(options, self.source.is_system_schema),
            own=self._statements,
            by_name_only=not (options.exclude_views or options.exclude_empty_tables),
        )

    @temporary_files()
    def finish(
        self,
        fetched: Sequence[FetchResult],
        transformed: Sequence[TransformResult],
        unresolved: Sequence[UnresolvedReference] = (),
    ) -> ManifestRef:
        """Check counts and files and write the manifest; see `write_manifest`."""
        export = None
        if self.options.openlineage:
            naming = self._transformer.context.naming
            export = partial(export_openlineage, self.storage, self.location, fetched, naming)
        written = write_manifest(
            self.storage,
            self.location,
            self.options,
            fetched,
            transformed,
            unresolved=unresolved,
            export=export,
        )
        self._checkpoints.delete()
        return written
