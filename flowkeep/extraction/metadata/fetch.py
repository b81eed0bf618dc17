"""Reading one kind of one database into raw parts, with the proof that nothing is missing."""

import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import closing
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import KindResult
from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.metadata.duplicates import DuplicateWatch
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import ColumnType, Kind, missing_columns
from flowkeep.extraction.metadata.parts import PartWriter, Progress, delete_others, read_tables
from flowkeep.extraction.sources.base import Session, Source, Statement
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa


def fetch_kind(
    source: Source,
    storage: Storage,
    location: RunLocation,
    kind: Kind,
    database: str,
    statement: Statement,
    *,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> KindResult:
    """Read one kind of one database.

    Args:
        source: The server.
        storage: Where the raw parts go.
        location: Folder of the run.
        kind: What is read.
        database: From which database.
        statement: The kind's statement.
        stop: Ends the work when set.
        progress: Called with rows and file bytes so far.

    Raises:
        ConfigurationError: If the statement lacks a column that names the objects.
        SourceUnavailable: If the server goes away.
        Incomplete: If planned, read and written rows differ, or an object came twice.
        concurrent.futures.CancelledError: If `stop` was set.
    """
    writer = PartWriter(
        storage,
        lambda number: location.part("raw", kind.name, database, number, "parquet"),
        progress,
    )
    watch = DuplicateWatch(kind)
    with source.session(database, stop) as session:
        columns = _columns(session, kind, statement)
        planned = session.count(statement)
        _copy(session, statement, columns, writer, watch, stop)
        result = _result(session, kind, database, planned, writer)
    watch.check(
        table
        for part in result.parts
        for table in read_tables(storage, part.key, list(kind.identity))
    )
    folder = location.scope("raw", kind.name, database)
    delete_others(storage, folder, {part.key for part in result.parts})
    return result


def _result(
    session: Session, kind: Kind, database: str, planned: int, writer: PartWriter
) -> KindResult:
    written = sum(part.rows for part in writer.parts)
    if not planned == writer.rows == written:
        raise Incomplete(
            f"{kind.name} of {database}: {planned} rows were counted, {writer.rows} read, "
            f"{written} written",
            hint="run it again; if it happens again, report the statement of this kind",
            code="COUNT_MISMATCH",
        )
    return KindResult(
        kind=kind.name,
        database=database,
        parts=writer.parts,
        planned=planned,
        read=writer.rows,
        written=written,
        snapshot=session.snapshot,
        taken_at=session.taken_at,
        source=session.info,
    )


def _columns(session: Session, kind: Kind, statement: Statement) -> Mapping[str, ColumnType]:
    described = session.describe(statement)
    missing = missing_columns(kind, described)
    if missing:
        raise ConfigurationError(
            f"the statement for {kind.name} does not return {', '.join(missing)}",
            hint="keep the column names of the kind; others may be added",
            code="SOURCE_STATEMENT",
        )
    return {name: kind.columns.get(name, found) for name, found in described.items()}


def _copy(
    session: Session,
    statement: Statement,
    columns: Mapping[str, ColumnType],
    writer: PartWriter,
    watch: DuplicateWatch,
    stop: threading.Event | None,
) -> None:
    def take(table: "pa.Table") -> None:
        if stop is not None and stop.is_set():
            raise CancelledError("stopped while writing what was read")
        watch.add(table)
        writer.write(table)

    try:
        with closing(session.tables(statement, columns)) as tables:
            for table in tables:
                take(table)
        writer.finish()
    except BaseException:
        writer.abandon()
        raise
