"""Reading one kind of one database into raw parts, with the proof that nothing is missing.

One statement streams through all parts. A retry goes on behind the last stored part, in a new
snapshot, and only if the new snapshot names no object up to there that the stored parts lack: so
every object that both snapshots know is in the result. Else everything is read anew.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import KindResult, PartInfo
from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.legacy.columns import raw_names
from flowkeep.extraction.log import get_logger
from flowkeep.extraction.metadata.checkpoint import CheckpointFile, FetchCheckpoint, flat
from flowkeep.extraction.metadata.duplicates import DuplicateWatch
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import ColumnType, Kind, missing_columns
from flowkeep.extraction.metadata.parts import PartWriter, Progress, delete_others, read_tables
from flowkeep.extraction.sources.base import Session, Source, Statement
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

_log = get_logger(__name__)

SNAPSHOTS_JOINT = "; "
"""Between the names of snapshots where a retry went on in a new one."""


@dataclass(frozen=True, slots=True)
class KindFetch:
    """Reads one kind of one database.

    Attributes:
        source: The server.
        storage: Where the raw parts go.
        location: Folder of the run.
        kind: What is read.
        database: From which database.
        statement: The kind's statement.
        checkpoints: Where the place to go on from is kept.
        part_rows: Rows after which a part ends.
        own_statement: Hash of the SQL where it is not the source's own.
        stop: Ends the work when set.
        progress: Called with rows and file bytes so far.
    """

    source: Source
    storage: Storage
    location: RunLocation
    kind: Kind
    database: str
    statement: Statement
    checkpoints: CheckpointFile[FetchCheckpoint]
    part_rows: int
    own_statement: str | None = None
    stop: threading.Event | None = None
    progress: Progress | None = None

    def run(self) -> KindResult:
        """Read, or read on where an earlier attempt was.

        Raises:
            ConfigurationError: If the statement lacks a column that names the objects.
            SourceUnavailable: If the server goes away.
            Incomplete: If planned, read and written rows differ, or an object came twice.
            concurrent.futures.CancelledError: If `stop` was set.
        """
        saved = self.checkpoints.read()
        if saved is not None and saved.result is not None:
            if self.progress is not None:
                self.progress(saved.result.read, sum(part.bytes for part in flat(saved.parts)))
            return saved.result
        with self.source.session(self.database, self.stop) as session:
            result = self._read_on(session, saved) if saved is not None else None
            if result is None:
                with DuplicateWatch(self.kind) as watch:
                    result = self._read(session, None, watch)
        folder = self.location.scope("raw", self.kind.name, self.database)
        delete_others(self.storage, folder, {part.key for part in result.parts})
        return result

    def remember(self, result: KindResult) -> None:
        """Keep a whole result, for a retry that has other databases to read."""
        self.checkpoints.write(parts=[[part] for part in result.parts], result=result)

    def denied(self, reason: str) -> KindResult:
        """Return the scope of a database that does not let the role in; nothing of it is kept."""
        delete_others(
            self.storage, self.location.scope("raw", self.kind.name, self.database), set()
        )
        _log.warning("denied", kind=self.kind.name, database=self.database, reason=reason)
        return KindResult(
            kind=self.kind.name,
            database=self.database,
            planned=0,
            read=0,
            written=0,
            snapshot="",
            taken_at=datetime.now(UTC),
            status="denied",
            reason=reason,
            statement=self.own_statement,
            source=None,
        )

    def _read_on(self, session: Session, saved: FetchCheckpoint) -> KindResult | None:
        """Read what lies behind the stored parts; None if they do not fit what is there now."""
        with DuplicateWatch(self.kind) as watch:
            for table in self._identities(flat(saved.parts)):
                watch.add(table)
            why = self._objection(session, saved, watch)
            if why is None:
                try:
                    return self._read(session, saved, watch)
                except Incomplete as error:  # an object may have moved behind what was stored
                    why = str(error)
        _log.warning(
            "read anew",
            kind=self.kind.name,
            database=self.database,
            reason=why,
        )
        self.checkpoints.delete()
        return None

    def _objection(
        self, session: Session, saved: FetchCheckpoint, watch: DuplicateWatch
    ) -> str | None:
        assert saved.source is not None, "a checkpoint of this version always has one"
        before = (saved.source.server_id, saved.source.role, saved.visibility)
        if before != (session.info.server_id, session.info.role, session.visibility):
            return "another server, role or visibility"
        stored = self.statement.upto(saved.after)
        names = ", ".join(self.kind.identity)
        text = f"SELECT {names} FROM ({stored.text}) AS s"  # noqa: S608 - our own names and text
        columns = {name: self.kind.columns.get(name, "text") for name in self.kind.identity}
        with closing(session.tables(Statement(text, stored.parameters), columns)) as tables:
            if watch.lacks(tables):
                return "objects were renamed or added among those that were stored"
        return None

    def _read(
        self, session: Session, saved: FetchCheckpoint | None, watch: DuplicateWatch
    ) -> KindResult:
        done = flat(saved.parts) if saved is not None else []
        rest = self.statement.behind(saved.after) if saved is not None else self.statement
        columns = self._columns(session)
        planned = sum(part.rows for part in done) + session.count(rest)
        writer = PartWriter(
            self.storage,
            lambda number: self.location.part(
                "raw", self.kind.name, self.database, number, "parquet"
            ),
            self.progress,
            part_rows=self.part_rows,
            done=done,
            stored=lambda last: self._remember(session, saved, writer.parts, last),
        )
        self._copy(session, rest, columns, writer, watch)
        result = self._result(session, saved, planned, writer)
        watch.check(self._identities(result.parts))
        return result

    def _copy(
        self,
        session: Session,
        statement: Statement,
        columns: Mapping[str, ColumnType],
        writer: PartWriter,
        watch: DuplicateWatch,
    ) -> None:
        try:
            with closing(session.tables(statement, columns)) as tables:
                for table in tables:
                    if self.stop is not None and self.stop.is_set():
                        raise CancelledError("stopped while writing what was read")
                    watch.add(table)
                    writer.write(table)
            writer.finish()
        except BaseException:
            writer.abandon()
            raise

    def _remember(
        self,
        session: Session,
        saved: FetchCheckpoint | None,
        parts: Sequence[PartInfo],
        last: "pa.Table",
    ) -> None:
        """Keep the place behind a part that was just stored."""
        order = self.statement.order
        after = [last.column(name)[-1].as_py() for name in order.columns] if order else []
        if order is None or None in after:  # no place that a condition could name
            return
        self.checkpoints.write(
            parts=[[part] for part in parts],
            after=after,
            snapshots=_snapshots(session, saved),
            taken_at=session.taken_at if saved is None else saved.taken_at,
            source=session.info,
            visibility=session.visibility,
        )

    def _result(
        self,
        session: Session,
        saved: FetchCheckpoint | None,
        planned: int,
        writer: PartWriter,
    ) -> KindResult:
        written = sum(part.rows for part in writer.parts)
        if not planned == writer.rows == written:
            raise Incomplete(
                f"{self.kind.name} of {self.database}: {planned} rows were counted, "
                f"{writer.rows} read, {written} written",
                hint="run it again; if it happens again, report the statement of this kind",
                code="COUNT_MISMATCH",
            )
        first = saved.taken_at if saved is not None else None
        return KindResult(
            kind=self.kind.name,
            database=self.database,
            parts=writer.parts,
            planned=planned,
            read=writer.rows,
            written=written,
            snapshot=SNAPSHOTS_JOINT.join(_snapshots(session, saved)),
            taken_at=first or session.taken_at,
            taken_until=session.taken_at if first else None,
            status="partial" if session.shortfall else "complete",
            reason=session.shortfall,
            visibility=session.visibility,
            statement=self.own_statement,
            source=session.info,
        )

    def _columns(self, session: Session) -> Mapping[str, ColumnType]:
        returned = session.describe(self.statement)
        names = raw_names(self.kind, returned)
        described = {names[name]: found for name, found in returned.items()}
        missing = missing_columns(self.kind, described)
        if missing:
            raise ConfigurationError(
                f"the statement for {self.kind.name} does not return {', '.join(missing)}",
                hint="keep the column names of the kind; others may be added",
                code="SOURCE_STATEMENT",
            )
        return {name: self.kind.columns.get(name, found) for name, found in described.items()}

    def _identities(self, parts: Sequence[PartInfo]) -> Iterator["pa.Table"]:
        for part in parts:
            yield from read_tables(self.storage, part.key, list(self.kind.identity))


def _snapshots(session: Session, saved: FetchCheckpoint | None) -> list[str]:
    return [*(saved.snapshots if saved is not None else []), session.snapshot]
