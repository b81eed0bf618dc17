"""MariaDB: what can go wrong while rows are read, and what is tried again."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import FlowkeepError, SourceUnavailable
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.sources.base import SOURCE_CHANGED, Session, Statement
from flowkeep.extraction.sources.limits import open_connections
from flowkeep.extraction.sources.mysql import MySQLSource
from flowkeep.storage import Storage
from tests.extraction.other_sources.support import extraction_of, source_of
from tests.servers.mariadb import MariaDBServer, mariadb_server

CANARY = "canary-7f3a-secret"


def attempt(url: str, **credentials: Any) -> FlowkeepError:
    """The error that connecting raises."""
    source = MySQLSource(SourceCredentials.read({"url": url, **credentials}))
    with pytest.raises(FlowkeepError) as caught, source.session():
        pass
    assert CANARY not in str(caught.value)
    return caught.value


def own(select: str) -> Statement:
    """Columns that do not exist."""
    return Statement(
        "SELECT 'def' AS database_name, 's' AS schema_name, 't' AS table_name,"
        f" seq AS column_name, {select}",
        {},
    )


SLOW = own("SLEEP(IF(seq > 5000, 60, 0)) AS value FROM shop.seq_1_to_1000000")
TYPES: dict[str, Any] = {
    "database_name": "text",
    "schema_name": "text",
    "table_name": "text",
    "column_name": "text",
    "value": "text",
}


def read(session: Session, statement: Statement = SLOW) -> int:
    """Rows that arrived."""
    with closing(session.tables(statement, TYPES)) as tables:
        return sum(table.num_rows for table in tables)


def running(mariadb: MariaDBServer) -> list[Any]:
    """Numbers of the connections on which something sleeps."""
    text = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT%SLEEP(%seq_1%'"
    return [row[0] for row in mariadb.query(f"{text} AND id <> CONNECTION_ID()")]


def until(condition: Any) -> Any:
    """What a condition becomes once it is true."""
    while not (found := condition()):
        pass
    return found


def test_a_stop_ends_the_statement_on_the_server(mariadb: MariaDBServer) -> None:
    """Whoever waits is woken up at once, and nothing goes on running."""
    stop = threading.Event()
    source = source_of(mariadb.url)

    def work() -> int:
        with source.session(stop=stop) as session:
            return read(session)

    with ThreadPoolExecutor() as pool:
        working = pool.submit(work)
        until(lambda: running(mariadb) or working.done())
        stop.set()
        with pytest.raises(CancelledError):
            working.result(timeout=30)
    until(lambda: not running(mariadb))
    assert open_connections(source.namespace) == 0


def test_a_connection_that_is_cut_is_retried(mariadb: MariaDBServer) -> None:
    """A connection that ends in the middle of the rows is an outage, not an end."""
    source = source_of(mariadb.url)

    def work() -> int:
        with source.session() as session:
            return read(session)

    with ThreadPoolExecutor() as pool:
        working = pool.submit(work)
        (connection,) = until(lambda: running(mariadb) or working.done())
        mariadb.run(f"KILL CONNECTION {connection}")
        with pytest.raises(SourceUnavailable, match="reading mysql://"):
            working.result(timeout=30)


async def test_a_server_that_dies_is_retried(mariadb: MariaDBServer, tmp_path: Path) -> None:
    """A server killed in the middle of the rows is an outage; so is asking it again."""
    async with mariadb_server(tmp_path / "dying") as server:
        source = source_of(server.url)

        def work() -> int:
            with source.session() as session:
                return read(session)

        with ThreadPoolExecutor() as pool:
            working = pool.submit(work)
            until(lambda: running(server) or working.done())
            server.process.kill()
            with pytest.raises(SourceUnavailable):
                working.result(timeout=30)
        await server.process.wait()
        assert isinstance(attempt(server.url), SourceUnavailable)


def test_a_statement_that_takes_too_long_ends(mariadb: MariaDBServer) -> None:
    """The server ends it, and the error says which option to raise."""
    source = source_of(mariadb.url, statement_timeout_seconds=0.3)
    with (
        pytest.raises(SourceUnavailable, match="statement_timeout_seconds"),
        source.session() as session,
    ):
        read(session, own("BENCHMARK(2000000000, MD5(seq)) AS value FROM shop.seq_1_to_2"))


def test_a_session_reads_on_after_rows_nobody_wanted(mariadb: MariaDBServer) -> None:
    """Rows that are left over do not stand in the way of the next statement."""
    statement = own("seq AS value FROM shop.seq_1_to_50000")
    with source_of(mariadb.url).session() as session:
        with closing(session.tables(statement, TYPES)) as tables:
            next(tables)
        assert session.count(statement) == 50_000
        assert read(session, statement) == 50_000


def test_a_change_between_counting_and_reading_is_told(mariadb: MariaDBServer) -> None:
    """Fewer rows than were counted mean that the source changed: the kind is read again."""
    source = source_of(mariadb.url)
    statement = extraction_of(source, Storage("file:///nowhere")).statement("tables")
    mariadb.run("CREATE TABLE shop.fleeting (a int)")
    with source.session() as session:
        columns = session.describe(statement)
        session.count(statement)
        mariadb.run("DROP TABLE shop.fleeting")
        with pytest.raises(SourceUnavailable, match="counted") as caught:
            list(session.tables(statement, columns))
    assert caught.value.code == SOURCE_CHANGED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT nothing FROM nowhere.at_all", ["SOURCE_CHANGED"]),
        ("SELECT 1 AS a, 2 AS a", ["Duplicate column name 'a'", "correct the SQL"]),
        ("SELEKT 1", ["error in your SQL syntax", "correct the SQL of this kind"]),
    ],
)
def test_wrong_sql_is_explained(mariadb: MariaDBServer, text: str, words: list[str]) -> None:
    """What the server does not understand is quoted with the way out."""
    with (
        pytest.raises(FlowkeepError) as caught,
        source_of(mariadb.url).session() as session,
    ):
        session.describe(Statement(text, {}))
    for word in words:
        assert word in f"{caught.value.code} {caught.value}"


def test_percent_signs_need_no_doubling(mariadb: MariaDBServer) -> None:
    """SQL without parameters is taken as it stands, also when others have some."""
    with source_of(mariadb.url).session() as session:
        statement = Statement("SELECT '100%' AS a WHERE 'x' LIKE '%'", {"include": None})
        assert session.rows(statement) == [("100%",)]
