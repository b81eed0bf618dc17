"""The way from COPY to files: odd values, stops, deaths."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from flowkeep.errors import ConfigurationError, Incomplete, SourceUnavailable
from flowkeep.extraction.metadata import transport
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.extraction.metadata.transport import BLOCK_BYTES
from flowkeep.extraction.sources.base import Statement
from flowkeep.extraction.sources.limits import open_connections
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, query, run, source_of, with_
from tests.support import eventually

COLUMNS = (
    "SELECT current_database() AS database_name, 's' AS schema_name, 't' AS table_name,"
    " 'c' || g AS column_name, {value} AS value FROM generate_series(1, {rows}) AS g"
)
HELD = "SELECT pg_advisory_lock(4711)"


def rows_of(storage: Storage, result: Any) -> list[dict[str, Any]]:
    """All rows of a fetch."""
    parts = [part for scope in result.scopes for part in scope.parts]
    return [
        row
        for part in parts
        for table in read_tables(storage, part.key)
        for row in table.to_pylist()
    ]


def fetch(url: str, storage: Storage, statement: str, **arguments: Any) -> Any:
    """Fetch columns by a statement of the test."""
    extraction = extraction_of(url, storage, statements={"columns": statement}, **arguments)
    return extraction.fetch("columns")


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
    assert len(many.parts) == 2
    assert [stored.key for stored in storage.list("tenant")] == [few.parts[0].key]


@pytest.fixture
def lock(database_url: str) -> Iterator[Callable[[], None]]:
    """A lock that a statement waits for; call to release it."""
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute(HELD)
        yield lambda: holder.execute("SELECT pg_advisory_unlock(4711)") and None


def backends(url: str, state: str = "active") -> list[int]:
    """Process ids of our sessions on the server that are in a state."""
    rows = query(
        url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'flowkeep' AND state = '{state}'",
    )
    return [row[0] for row in rows]


WAITS_LATE = COLUMNS.format(
    value="CASE WHEN g = 100000 AND current_query() LIKE 'COPY%'"
    " THEN pg_advisory_xact_lock_shared(4711)::text ELSE repeat('x', 100) END",
    rows=100_000,
)
"""Streams many megabytes, then stands still until the lock is released."""


def test_a_stop_ends_the_copy_on_the_server(
    database_url: str, storage: Storage, lock: Callable[[], None]
) -> None:
    """The flag cancels a COPY that sends nothing, and no session and no file is left."""
    stop = threading.Event()
    arrived = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            fetch,
            database_url,
            storage,
            WAITS_LATE,
            stop=stop,
            progress=lambda rows, size: arrived.set(),
        )
        assert arrived.wait(30)
        stop.set()
        with pytest.raises(CancelledError):
            done.result(30)
    assert list(storage.list()) == []
    assert backends(database_url) == []


class SilentProxy:
    """Passes bytes on between a client and a server until it is told to fall silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.silent = threading.Event()
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self.silent.is_set():
                    continue
                server = socket.create_connection(self._target)
                self._open.append(server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if not self.silent.is_set():
                    other.sendall(data)

    def close(self) -> None:
        """Close every connection."""
        for one in self._open:
            one.close()


def test_a_source_that_falls_silent_can_be_left(
    database_url: str,
    storage: Storage,
    lock: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When neither rows nor the cancel arrive, a stop hangs up instead of waiting for ever."""
    monkeypatch.setattr(transport, "_CANCEL_SECONDS", 0.3)
    parts = urlsplit(database_url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = SilentProxy(parts.hostname, parts.port)
    url = with_(database_url, host="127.0.0.1", port=str(proxy.port))
    stop = threading.Event()

    def fall_silent(rows: int, size: int) -> None:
        proxy.silent.set()
        stop.set()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fetch, url, storage, WAITS_LATE, stop=stop, progress=fall_silent)
        with pytest.raises(CancelledError):
            done.result(30)
    proxy.close()
    assert "flowkeep-copy" not in {thread.name for thread in threading.enumerate()}


def test_a_stop_ends_a_statement_before_the_copy(
    database_url: str, storage: Storage, lock: Callable[[], None]
) -> None:
    """The flag also cancels a count that waits."""
    stop = threading.Event()
    statement = COLUMNS.format(value="1", rows=3)
    statement += " WHERE pg_advisory_xact_lock_shared(4711) IS NOT NULL"
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fetch, database_url, storage, statement, stop=stop)
        while not backends(database_url):
            assert not done.done()
        stop.set()
        with pytest.raises(CancelledError):
            done.result(30)


def test_a_stop_is_seen_before_anything_is_sent(database_url: str, storage: Storage) -> None:
    """A flag that is set already lets no statement run."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        fetch(database_url, storage, COLUMNS.format(value="1", rows=3), stop=stop)


async def test_a_backend_that_dies_in_the_middle_is_worth_a_retry(
    database_url: str, storage: Storage, lock: Callable[[], None]
) -> None:
    """A lost connection is SourceUnavailable, and the next try succeeds under the same keys."""
    arrived = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            fetch, database_url, storage, WAITS_LATE, progress=lambda rows, size: arrived.set()
        )
        assert arrived.wait(30)
        (pid,) = await eventually(lambda: backends(database_url) or pytest.fail("not running"))
        run(database_url, f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(SourceUnavailable, match="terminating connection") as caught:
            done.result(30)
    assert caught.value.retryable
    assert list(storage.list()) == []
    lock()
    assert fetch(database_url, storage, WAITS_LATE).rows == 100_000


def test_a_reader_that_fails_ends_the_copy(database_url: str) -> None:
    """An error on our side of the queue leaves neither a thread nor a running statement."""
    source = source_of(database_url)
    statement = Statement(COLUMNS.format(value="repeat('x', 1000)", rows=1_000_000), {})
    with source.session() as session:
        tables = session.tables(statement, session.describe(statement))
        next(tables)
        tables.close()
    assert backends(database_url) == []
    assert "flowkeep-copy" not in {thread.name for thread in threading.enumerate()}
    assert open_connections(source.namespace) == 0


def test_a_statement_that_exceeds_its_time_says_which_option_helps(
    database_url: str, storage: Storage
) -> None:
    """A statement timeout is retryable and names the setting."""
    options = {"statement_timeout_seconds": 0.2}
    statement = COLUMNS.format(value="pg_sleep(1)::text", rows=2)
    with pytest.raises(SourceUnavailable, match="statement_timeout_seconds"):
        fetch(database_url, storage, statement, options=options)


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
