"""The way from COPY to files: odd values, large ones, many, and statements of one's own."""

from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.metadata.transport import BLOCK_BYTES
from flowkeep.extraction.sources.base import Statement
from flowkeep.storage import Storage
from tests.extraction.support import COLUMNS, extraction_of, fetch, rows_of, run, source_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NULL::text", None),
        ("''", ""),
        ("'NULL'", "NULL"),
        ("'\\N'", "\\N"),
        ("'\\.'", "\\."),
        ("E'a\\nb\\r\\nc'", "a\nb\r\nc"),
        ("E'\\n'", "\n"),
        ("'\"'", '"'),
        ("'\",\"'", '","'),
        ("' '", " "),
        ("E'\\x01\\x7f'", "\x01\x7f"),
        ("'🎉 é'", "🎉 é"),
        ("true", True),
        ("false", False),
        ("NULL::boolean", None),
        ("9223372036854775807", 9223372036854775807),
        ("1.50::numeric", "1.50"),
        ("'2025-03-01 12:00:00+00'::timestamptz AT TIME ZONE 'UTC'", "2025-03-01 12:00:00"),
        ("'NaN'::double precision", "NaN"),
    ],
)
def test_a_value_arrives_as_it_is(
    database_url: str, storage: Storage, value: str, expected: Any
) -> None:
    """NULL, empty strings, quotes, newlines and numbers of any statement survive the way."""
    result = fetch(database_url, storage, COLUMNS.format(value=value, rows=3))
    assert [row["value"] for row in rows_of(storage, result)] == [expected] * 3


def test_a_value_larger_than_a_block_is_one_value(database_url: str, storage: Storage) -> None:
    """A 10 MB comment, function body and view definition arrive whole, between small rows."""
    size = 10_000_000
    assert size > 2 * BLOCK_BYTES
    run(
        database_url,
        "CREATE TABLE before (a integer)",
        "CREATE TABLE large (a integer)",
        f"DO $$ BEGIN EXECUTE 'COMMENT ON TABLE large IS '"
        f" || quote_literal(repeat(E'x,\"\\n', {size // 4})); END $$",
        "CREATE TABLE after (a integer)",
        f"DO $$ BEGIN EXECUTE 'CREATE FUNCTION f() RETURNS text LANGUAGE sql AS '"
        f" || quote_literal('SELECT ' || quote_literal(repeat('y', {size}))); END $$",
        f"DO $$ BEGIN EXECUTE 'CREATE VIEW v AS SELECT ' || quote_literal(repeat('z', {size}))"
        f" || ' AS a'; END $$",
    )
    extraction = extraction_of(database_url, storage)
    tables = {row["table_name"]: row for row in rows_of(storage, extraction.fetch("tables"))}
    assert list(tables) == ["before", "large", "after", "v"]
    assert tables["large"]["comment"] == 'x,"\n' * (size // 4)
    assert tables["after"]["comment"] is None
    assert tables["v"]["view_definition"].count("z") == size
    (function,) = rows_of(storage, extraction.fetch("procedures"))
    assert function["definition"] == f"SELECT '{'y' * size}'"


def test_many_rows_make_the_same_files_again(database_url: str, storage: Storage) -> None:
    """A second run over the same content gives raw parts with equal bytes."""
    statement = COLUMNS.format(value="repeat(md5(g::text), 10)", rows=300_000)
    first = fetch(database_url, storage, statement, run_id="one").scopes[0]
    second = fetch(database_url, storage, statement, run_id="two").scopes[0]
    assert len(first.parts) == 2
    assert first.planned == 300_000
    assert [part.sha256 for part in first.parts] == [part.sha256 for part in second.parts]
    assert [Path(part.key).name for part in first.parts] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_a_retry_replaces_what_an_earlier_attempt_left(database_url: str, storage: Storage) -> None:
    """The same keys are written again; parts that the retry does not need are deleted."""
    many = fetch(database_url, storage, COLUMNS.format(value="1", rows=600_000)).scopes[0]
    few = fetch(database_url, storage, COLUMNS.format(value="1", rows=5)).scopes[0]
    assert len(many.parts) > len(few.parts) == 1
    assert [stored.key for stored in storage.list("tenant")] == [few.parts[0].key]


def test_a_source_that_counts_otherwise_is_incomplete(database_url: str, storage: Storage) -> None:
    """Rows that differ from the count fail the fetch."""
    run(database_url, "CREATE SEQUENCE calls")
    statement = COLUMNS.format(value="1", rows=10) + (
        " WHERE g <= (SELECT CASE WHEN current_query() LIKE 'COPY%' THEN 9 ELSE 10 END)"
    )
    with pytest.raises(Incomplete, match="10 rows were counted, 9 read"):
        fetch(database_url, storage, statement)


def test_objects_that_come_twice_are_named(database_url: str, storage: Storage) -> None:
    """A statement that joins too much fails with examples."""
    statement = COLUMNS.format(value="1", rows=3).replace("'c' || g", "'c' || g % 2")
    with pytest.raises(Incomplete, match="1 objects came more than once, for example s/t/c1"):
        fetch(database_url, storage, statement)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT 1 AS database_name", "does not return schema_name, table_name, column_name"),
        (COLUMNS.format(value="1 AS x, 2", rows=1).replace("AS value", "AS x"), "two columns"),
        (COLUMNS.format(value="1", rows=1).replace("'s'", "NULL"), "schema_name is null"),
        (
            COLUMNS.format(value="'first'", rows=1).replace("AS value", "AS ordinal_position"),
            "column ordinal_position",
        ),
        ("SELECT * FROM no_such_table", "no_such_table"),
        ("SELECT 1; DROP TABLE x", "syntax error"),
    ],
)
def test_a_wrong_statement_says_what_is_wrong(
    database_url: str, storage: Storage, statement: str, message: str
) -> None:
    """Errors of an own statement are configuration errors, never retried."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        fetch(database_url, storage, statement)
    assert not caught.value.retryable


def test_an_own_statement_may_use_our_parameters(sample_url: str, storage: Storage) -> None:
    """Filters bind into a statement that asks for them; percent signs stay as they are."""
    statement = """SELECT current_database() AS database_name, table_schema AS schema_name,
        table_name, column_name, is_nullable FROM information_schema.columns
        WHERE table_schema = ANY (%(include)s) AND column_name NOT LIKE 'x%%'"""
    result = fetch(
        sample_url, storage, statement, options={"include_schemas": ["hr", 'it\'s "quoted"']}
    )
    rows = rows_of(storage, result)
    assert {row["schema_name"] for row in rows} == {"hr"}
    assert {row["is_nullable"] for row in rows} == {True, False}
    plain = statement.partition("WHERE")[0] + "WHERE column_name LIKE 'a%'"
    assert fetch(sample_url, storage, plain).rows > 10


def test_bytes_that_are_no_utf_8_are_an_error(engine: Any, storage: Storage) -> None:
    """A database without an encoding can hold anything: it is refused, not garbled."""
    admin = engine.database_url
    run(
        admin,
        "CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc"
        " TEMPLATE template0",
    )
    url = admin.rsplit("/", 1)[0] + "/ascii_only"
    with psycopg.connect(url, autocommit=True, client_encoding="latin1") as connection:
        connection.execute(b'CREATE TABLE "caf\xe9" (a integer)')
    with pytest.raises(ConfigurationError, match=r"invalid byte sequence .*client encoding"):
        extraction_of(url, storage).fetch("tables")
    run(admin, "DROP DATABASE ascii_only")


def test_memory_stays_flat(database_url: str) -> None:
    """However many rows come, only some blocks of them are in memory."""
    source = source_of(database_url)
    statement = Statement(COLUMNS.format(value="repeat('x', 200)", rows=400_000), {})
    highest = 0
    before = pa.total_allocated_bytes()
    with source.session() as session:
        for table in session.tables(statement, session.describe(statement)):
            assert table.nbytes < 2 * BLOCK_BYTES
            highest = max(highest, pa.total_allocated_bytes() - before)
    assert 0 < highest < 8 * BLOCK_BYTES
