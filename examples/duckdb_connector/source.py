"""DuckDB as a source: the statements, and how to connect, count and read."""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.filters.syntax import Bind, FilterSyntax
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.sources.base import Order, Session, Source, Statement
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.stop import StopWatch

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SCHEMAS = """
SELECT t.database_name, t.schema_name, t.comment
FROM duckdb_schemas() AS t
WHERE t.database_name = current_database() AND {schema_filter}
"""
TABLES = """
SELECT t.database_name, t.schema_name, t.table_name, t.table_type, t.view_definition, t.comment
FROM (
    SELECT database_name, schema_name, table_name, 'Regular' AS table_type,
        NULL AS view_definition, comment
    FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, schema_name, view_name, 'View', sql, comment
    FROM duckdb_views() WHERE NOT internal
) AS t
WHERE t.database_name = current_database() AND {schema_filter} AND {table_filter}
"""
COLUMNS = """
SELECT t.database_name, t.schema_name, t.table_name, t.column_name,
    t.ordinal_position, t.data_type, t.is_nullable, t.column_default,
    t.generation_expression, t.comment
FROM (SELECT *, column_index AS ordinal_position FROM duckdb_columns()) AS t
WHERE t.database_name = current_database() AND NOT t.internal
    AND {schema_filter} AND {table_filter}
"""
CONSTRAINTS = """
SELECT t.database_name, t.schema_name, t.table_name, t.constraint_name,
    CASE t.constraint_type WHEN 'PRIMARY KEY' THEN 'PrimaryKey' WHEN 'UNIQUE' THEN 'Unique'
        WHEN 'FOREIGN KEY' THEN 'ForeignKey' WHEN 'CHECK' THEN 'Check' END AS constraint_type,
    to_json(t.constraint_column_names)::VARCHAR AS columns,
    t.constraint_text AS definition,
    CASE WHEN t.referenced_table IS NOT NULL THEN t.schema_name END AS referenced_schema,
    t.referenced_table
FROM duckdb_constraints() AS t
WHERE t.database_name = current_database() AND t.constraint_type <> 'NOT NULL'
    AND {schema_filter} AND {table_filter}
"""


def order(*columns: str) -> Order:
    """Return the order by some columns, which are called alike in statement and result."""
    names = ", ".join(f"t.{column}" for column in columns)
    values = ", ".join(f"$after_{number}" for number in range(len(columns)))
    return Order(names, columns, f"({names}) > ({values})")


class DuckDBFilterSyntax(FilterSyntax):
    """Filters, for statements that call what they select from `t`."""

    names: ClassVar[Mapping[Any, str]] = {
        "database": "t.database_name",
        "schema": "t.schema_name",
        "table": "t.table_name",
        "procedure": "''",
    }
    system_schema: ClassVar[str] = "(t.schema_name IN ('information_schema', 'pg_catalog'))"
    doubles_percent: ClassVar[bool] = False

    def placeholder(self, name: str) -> str:
        return f"${name}"

    def equals(self, expression: str, names: Sequence[str], bind: Bind) -> str:
        return f"list_contains({bind(list(names))}, {expression})"

    def matches(self, expression: str, regex: str, bind: Bind) -> str:
        return f"regexp_full_match({expression}, {bind(regex)}, 's')"


class DuckDBSource(Source):
    """A database file of DuckDB, opened for reading."""

    dialect: ClassVar[str] = "duckdb"
    statements: ClassVar[Mapping[str, str]] = {
        "schemas": SCHEMAS,
        "tables": TABLES,
        "columns": COLUMNS,
        "constraints": CONSTRAINTS,
    }
    orders: ClassVar[Mapping[str, Order]] = {
        "schemas": order("schema_name"),
        "tables": order("schema_name", "table_name"),
        "columns": order("schema_name", "table_name", "ordinal_position"),
        "constraints": order("schema_name", "table_name", "constraint_name"),
    }
    filter_syntax: ClassVar[FilterSyntax | None] = DuckDBFilterSyntax()

    @property
    def path(self) -> Path:
        return Path(self.credentials.database).absolute()

    @property
    def namespace(self) -> str:
        return f"duckdb://{quote(str(self.path.parent))}"

    @property
    def default_database(self) -> str:
        return self.path.stem  # as DuckDB calls the database of a file

    @contextmanager
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Session]:
        import duckdb

        with connection_slot(self.namespace, self.max_connections, stop) as proved:
            try:
                with closing(self._open()) as connection, StopWatch(connection.interrupt, stop):
                    proved()
                    yield DuckDBSession(self, connection)
            except duckdb.InterruptException:
                raise CancelledError("stopped while reading from the source") from None
            except duckdb.IOException as error:
                raise SourceUnavailable(
                    f"reading {self.path} failed: {error}",
                    hint="check that nobody has the file open for writing",
                ) from None
            except duckdb.Error as error:
                raise ConfigurationError(
                    f"{self.path} rejected the statement: {error}",
                    hint="correct the SQL of this kind",
                    code="SOURCE_STATEMENT",
                ) from None

    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        return True, f"DuckDB {info.version}"

    def list_databases(self, session: Session) -> list[str]:
        return [session.info.database]

    def list_schemas(self, session: Session) -> list[str]:
        text = SCHEMAS.replace("{schema_filter}", "true") + "ORDER BY t.schema_name"
        return [row[1] for row in session.rows(Statement(text, {}))]

    def is_system_schema(self, name: str) -> bool:
        return name in ("information_schema", "pg_catalog")

    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        return []  # who can read the file can read all of it

    def check_rights(self, session: Session, schemas: list[str]) -> tuple[bool, str]:
        return True, "who can read the file can read all of it"

    def _open(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        if not self.path.is_file():
            raise ConfigurationError(
                f"credentials.database: there is no file {self.path}",
                hint="check the path, as the worker sees it",
                code="SOURCE_REFUSED",
            )
        return duckdb.connect(self.path, read_only=True)


class DuckDBSession(Session):
    """One transaction, which is DuckDB's snapshot."""

    visibility = "all"
    _types: ClassVar[Mapping[str, ColumnType]] = {
        "INTEGER": "integer",
        "BIGINT": "integer",
        "BOOLEAN": "boolean",
    }

    def __init__(self, source: DuckDBSource, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection
        connection.execute("BEGIN TRANSACTION")
        now, snapshot, version, database = self.rows(
            Statement("SELECT epoch_us(now()), txid_current(), version(), current_database()", {})
        )[0]
        self.taken_at = datetime.fromtimestamp(now / 1_000_000, UTC)
        self.snapshot = f"{self.taken_at.isoformat()} transaction {snapshot}"
        self.info = SourceInfo(
            server_id=source.namespace,
            version=version,
            role="the worker's account",
            database=database,
            namespace=source.namespace,
        )

    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        result = self._run(f"SELECT * FROM ({statement.text}) LIMIT 0", statement)  # noqa: S608 - ours
        return {name: self._types.get(str(kind), "text") for name, kind, *_ in result.description}

    def count(self, statement: Statement) -> int:
        [(number,)] = self._run(f"SELECT count(*) FROM ({statement.text})", statement).fetchall()  # noqa: S608 - ours
        return int(number)

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        return self._run(statement.text, statement).fetchall()

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        import pyarrow as pa

        kinds = {"text": pa.large_string(), "list": pa.large_string()}
        kinds |= {"integer": pa.int64(), "boolean": pa.bool_()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        text = statement.text
        if statement.order is not None:
            text = f"{text} ORDER BY {statement.order.by}"
        result = self._connection.sql(text, params=self._bound(text, statement))
        for batch in result.to_arrow_reader(10_000):
            yield pa.Table.from_batches([batch]).cast(schema)

    def _run(self, text: str, statement: Statement) -> "duckdb.DuckDBPyConnection":
        return self._connection.execute(text, self._bound(text, statement))

    def _bound(self, text: str, statement: Statement) -> dict[str, Any]:
        """Return the parameters that a text has: DuckDB refuses those it has not."""
        return {name: one for name, one in statement.parameters.items() if f"${name}" in text}
