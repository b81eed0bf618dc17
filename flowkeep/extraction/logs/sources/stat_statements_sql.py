"""Reading `pg_stat_statements` in the schema and the version in which it is installed.

Columns go by the version of the extension, which an upgrade of the server leaves as it is: the
total time was called `total_time` before 1.8, `toplevel` and the view of resets came with 1.9,
`stats_since` with 1.11 (manual of PostgreSQL, "pg_stat_statements", and release notes).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.logs.sources.stat_statements_snapshot import Counters, Key, Snapshot
from flowkeep.extraction.sources.base import Session, Statement

if TYPE_CHECKING:
    from flowkeep.extraction.metadata.kinds import ColumnType

NOT_INSTALLED = "STAT_STATEMENTS_NOT_INSTALLED"
"""Code of the error that the extension is not in the database."""
NOT_LOADED = "STAT_STATEMENTS_NOT_LOADED"
"""Code of the error that the server does not load its library."""
_ATTEMPTS = 3
_FIND = """
    SELECT pg_catalog.quote_ident(n.nspname),
        EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.max')
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements'
"""
_ENTRIES: dict[str, "ColumnType"] = {
    "user": "integer",
    "database": "integer",
    "query_id": "integer",
    "toplevel": "boolean",
    "calls": "integer",
    "duration": "integer",
    "rows": "integer",
    "since": "integer",
    "user_name": "text",
    "database_name": "text",
    "entries": "integer",
}
_TEXTS: dict[str, "ColumnType"] = {
    "user": "integer",
    "database": "integer",
    "query_id": "integer",
    "toplevel": "boolean",
    "text": "text",
}


class Settings(NamedTuple):
    """What decides whether anything is counted.

    Attributes:
        compute_query_id: The server's setting of this name.
        track: `pg_stat_statements.track`.
        entries: How many entries there are.
        hidden: How many of them the role may not see.
    """

    compute_query_id: str
    track: str
    entries: int
    hidden: int


@dataclass(slots=True)
class Names:
    """Names of roles and databases by their identifiers; what was dropped has none."""

    users: dict[int, str] = field(default_factory=dict)
    databases: dict[int, str] = field(default_factory=dict)


class StatStatements:
    """The extension, as it is installed in the session's database.

    Args:
        session: Where.

    Raises:
        ConfigurationError: If it is not installed, or the server does not load it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        found = session.rows(Statement(_FIND, {}))
        if not found:
            raise ConfigurationError(
                f"pg_stat_statements is not installed in database {session.info.database}",
                hint="run CREATE EXTENSION pg_stat_statements there",
                code=NOT_INSTALLED,
            )
        ((schema, loaded),) = found
        if not loaded:
            raise ConfigurationError(
                "the server does not load pg_stat_statements",
                hint="add it to shared_preload_libraries and start the server again",
                code=NOT_LOADED,
            )
        self._schema = schema
        self._columns = session.describe(self._statement("*", "(false)"))

    def settings(self) -> Settings:
        """Return what decides whether anything is counted."""
        columns = (
            "pg_catalog.current_setting('compute_query_id'),"
            " pg_catalog.current_setting('pg_stat_statements.track'),"
            " count(*), count(*) FILTER (WHERE s.queryid IS NULL)"
        )
        (row,) = self._session.rows(self._statement(columns, "(false)"))
        return Settings(*row)

    def snapshot(self, names: Names) -> tuple[Snapshot, int]:
        """Return all counters, and how many entries they were read from.

        The counters are no table with versions: a reset in the middle shows in the time of the
        last one, and everything is read again.

        Args:
            names: Takes the names of roles and databases.

        Raises:
            SourceUnavailable: If resets come faster than the counters can be read.
        """
        for _ in range(_ATTEMPTS):
            found = self._head()
            entries = self._read_entries(found, names)
            again = self._head()
            if again.stats_reset == found.stats_reset:
                return found, entries
        raise SourceUnavailable(
            "pg_stat_statements was reset again and again while it was read",
            hint="try again when nobody resets it",
        )

    def texts(self, query_ids: Collection[int]) -> Iterator[list[tuple[Key, str | None]]]:
        """Yield the texts of some shapes, some at a time.

        Args:
            query_ids: Which.
        """
        if not query_ids:
            return
        ids = ",".join(f"{one:d}" for one in query_ids)
        statement = self._statement(
            f"{self._key()}, s.query", "(true)", f"WHERE s.queryid = ANY ('{{{ids}}}'::int8[])"
        )
        for table in self._session.tables(statement, _TEXTS):
            *key, texts = (table[name].to_pylist() for name in _TEXTS)
            yield [
                (Key(*one), text) for one, text in zip(zip(*key, strict=True), texts, strict=True)
            ]

    def _head(self) -> Snapshot:
        info = "NULL, NULL"
        join = ""
        if "toplevel" in self._columns:  # as old as the view of resets
            info = f"i.dealloc, {_micros('i.stats_reset')}"
            join = f"FROM {self._schema}.pg_stat_statements_info() AS i"
        now, start = (
            _micros("pg_catalog.clock_timestamp()"),
            "pg_catalog.pg_postmaster_start_time()",
        )
        text = f"SELECT {now}, {_micros(start)}, {info} {join}"
        ((at, started, evictions, stats_reset),) = self._session.rows(Statement(text, {}))
        return Snapshot(at, started, stats_reset, evictions)

    def _read_entries(self, snapshot: Snapshot, names: Names) -> int:
        time = "total_exec_time" if "total_exec_time" in self._columns else "total_time"
        since = _micros("max(s.stats_since)") if "stats_since" in self._columns else "NULL::int8"
        statement = self._statement(
            f"{self._key()}, sum(s.calls)::int8,"
            f" pg_catalog.round((sum(s.{time}) * 1000)::numeric)::int8, sum(s.rows)::int8,"
            f" {since}, r.rolname, d.datname, count(*)",
            "(false)",
            "LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid"
            " LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid"
            " GROUP BY 1, 2, 3, 4, r.rolname, d.datname",
        )
        entries = 0
        for table in self._session.tables(statement, _ENTRIES):
            for row in zip(*(table[name].to_pylist() for name in _ENTRIES), strict=True):
                key = Key(*row[:4])
                snapshot.entries[key] = Counters(*row[4:8])
                names.users[key.user], names.databases[key.database] = row[8] or "", row[9] or ""
                entries += row[10]
        return entries

    def _key(self) -> str:
        toplevel = "s.toplevel" if "toplevel" in self._columns else "true"
        return f"s.userid::int8, s.dbid::int8, coalesce(s.queryid, 0), {toplevel}"

    def _statement(self, columns: str, arguments: str, rest: str = "") -> Statement:
        function = f"{self._schema}.pg_stat_statements{arguments}"
        text = f"SELECT {columns} FROM {function} AS s {rest}"  # noqa: S608 - the schema is quoted
        return Statement(text, {})


def _micros(moment: str) -> str:
    return f"(extract(epoch FROM {moment}) * 1000000)::int8"
