"""MariaDB: what can go wrong, who is told what, and what is tried again."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.sources.base import SOURCE_CHANGED, Session, Statement
from flowkeep.extraction.sources.limits import open_connections
from flowkeep.extraction.sources.mysql import MySQLSource
from flowkeep.extraction.sources.mysql_grants import Grants
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


@pytest.fixture
def roles(mariadb: MariaDBServer) -> Iterator[MariaDBServer]:
    """The server with roles that may do little; they are gone afterwards."""
    grants = {
        "reader": "SELECT ON *.*",
        "seer": "SELECT, SHOW VIEW, TRIGGER ON *.*",
        "clerk": "SELECT ON shop.orders",
        "clerk2": "SELECT ON shop.orders",
        "nobody": "USAGE ON *.*",
    }
    for name, grant in grants.items():
        mariadb.run(
            f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY 'pw-{name}'",
            f"GRANT {grant} TO {name}@'%'",
        )
    yield mariadb
    for name in grants:
        mariadb.run(f"DROP USER {name}@'%'")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": CANARY}, ["Access denied", "as keeper", "check user and password"]),
        ({"password": "пароль-" + CANARY}, ["Access denied", "check user and password"]),
        ({"username": "stranger"}, ["Access denied", "as stranger"]),
        ({"database": "no_such"}, ["Unknown database 'no_such'", "credentials.database"]),
        ({"host": "-no-such-host"}, ["-no-such-host", "host name is unknown"]),
        ({"host": "x" * 70}, ["x" * 70, "host name is unknown"]),
        ({"extra": {"ssl_mode": "required"}}, ["SSL", "ssl_mode"]),
        ({"extra": {"ssl_mode": "sometimes"}}, ["ssl_mode is 'sometimes'", "verify_identity"]),
        ({"extra": {"ssl_ca": "/no/such/file"}}, ["certificate cannot be read", "ssl_ca"]),
        ({"extra": {"init_command": "SELECT 1"}}, ["credentials.extra.init_command", "ssl_mode"]),
    ],
)
def test_what_somebody_must_correct_is_not_retried(
    mariadb: MariaDBServer, fields: dict[str, Any], words: list[str]
) -> None:
    """Wrong password, role, database, host and options are configuration errors that name it."""
    error = attempt(mariadb.url, **fields)
    assert isinstance(error, ConfigurationError)
    for word in words:
        assert word in str(error)


def test_a_refused_connection_is_retried() -> None:
    """Nobody listens: worth another try."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = attempt(f"mysql://user:{CANARY}@127.0.0.1:{port}/")
    assert isinstance(error, SourceUnavailable)
    assert f"127.0.0.1:{port}" in str(error)


def test_a_server_without_free_places_is_retried(mariadb: MariaDBServer) -> None:
    """Too many connections pass by themselves."""
    mariadb.run("CREATE USER guest@'%' IDENTIFIED BY 'g' WITH MAX_USER_CONNECTIONS 1")
    url = mariadb.url_of("guest", "g")
    with source_of(url).session():
        error = attempt(url)
    mariadb.run("DROP USER guest@'%'")
    assert isinstance(error, SourceUnavailable)
    assert "max_user_connections" in str(error)


def test_a_database_above_schemas_does_not_exist(mariadb: MariaDBServer) -> None:
    """Who lists schemas as databases is told where to write them."""
    source = source_of(mariadb.url)
    with pytest.raises(ConfigurationError, match="include_schemas"), source.session("shop"):
        pass


def test_a_limited_role_says_what_is_hidden(roles: MariaDBServer, storage: Storage) -> None:
    """A role without rights everywhere is warned about, and its result is compared with none."""
    url = roles.url_of("clerk", "pw-clerk")
    extraction = extraction_of(source_of(url), storage)
    tables = extraction.fetch("tables")
    assert tables.rows == 1
    (scope,) = tables.scopes
    assert scope.visibility.startswith("grants ")
    handler = SQLHandler(source_class=MySQLSource)
    handler.load({"url": url})
    result = handler.preflight_check({})
    (check,) = [one for one in result.checks if one.name.startswith("visibility")]
    assert not check.ok
    assert check.level == "warning"
    assert "lacks SELECT, SHOW VIEW, TRIGGER ON *.*" in check.message


def test_equal_grants_are_equal_visibility(roles: MariaDBServer) -> None:
    """Roles with equal grants see alike; other grants, another password or name do not matter."""

    def visibility(name: str) -> str:
        with source_of(roles.url_of(name, f"pw-{name}")).session() as session:
            return session.visibility

    assert visibility("clerk") == visibility("clerk2")
    assert len({visibility(name) for name in ("clerk", "reader", "nobody", "seer")}) == 4
    assert visibility("seer") == "all"
    with source_of(roles.url).session() as session:
        assert session.visibility == "all"


def test_who_may_read_everything_sees_everything(roles: MariaDBServer, storage: Storage) -> None:
    """What the preflight asks for is enough: all counts are those of a role with all rights."""
    seer = source_of(roles.url_of("seer", "pw-seer"))
    for kind in seer.statements:
        mine = extraction_of(seer, storage, "seer").fetch(kind)
        theirs = extraction_of(source_of(roles.url), storage, "all").fetch(kind)
        assert mine.rows == theirs.rows
        assert [part.sha256 for part in mine.scopes[0].parts] == [
            part.sha256 for part in theirs.scopes[0].parts
        ]


def test_schemas_without_any_right_are_closed(roles: MariaDBServer) -> None:
    """A grant on a schema or a pattern of names opens it, with escapes as the server reads them."""
    grants = Grants(
        [
            "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*1'",
            "GRANT SELECT ON `shop\\_%`.* TO `a`@`%`",
            "GRANT EXECUTE ON FUNCTION `tools`.`f` TO `a`@`%`",
        ]
    )
    names = ["shop_1", "shopx", "tools", "other"]
    assert [grants.open(name) for name in names] == [True, False, True, False]
    assert grants.missing == ("SELECT", "SHOW VIEW", "TRIGGER")
    assert Grants(["GRANT SELECT ON *.* TO `a`@`%`", "REVOKE SELECT ON `x`.* FROM `a`"]).missing


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


@pytest.mark.parametrize(
    ("version", "right", "words"),
    [
        ("10.11.19-MariaDB-log", True, "MariaDB 10.11.19"),
        ("5.5.5-10.5.3-MariaDB", False, "10.6 or later"),
        ("8.0.36", True, "MySQL 8.0.36"),
        ("5.7.44-log", False, "8.0 or later"),
    ],
)
def test_versions_are_judged(mariadb: MariaDBServer, version: str, right: bool, words: str) -> None:
    """Servers older than the statements are refused with the version that is needed."""
    source = source_of(mariadb.url)
    with source.session() as session:
        info = session.info.model_copy(update={"version": version})
    found, sentence = source.check_version(info)
    assert found is right
    assert words in sentence
