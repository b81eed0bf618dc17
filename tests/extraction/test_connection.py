"""Connecting: who is told what, and what is tried again."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.sources.limits import connection_slot, open_connections
from flowkeep.extraction.sources.postgresql_errors import connection_error
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, query, run, source_of, with_

CANARY = "canary-7f3a-secret"


def attempt(url: str) -> FlowkeepError:
    """The error that connecting raises."""
    with pytest.raises(FlowkeepError) as caught, source_of(url).session():
        pass
    return caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": CANARY}, ["password authentication failed", "as flowkeep"]),
        ({"user": "nobody", "password": CANARY}, ["as nobody", "password"]),
        ({"database": "no such database"}, ['"no such database" does not exist', "create"]),
        # Names that no name server has to be asked about, so that the test needs no network.
        ({"host": "-no-such-host"}, ["-no-such-host", "host name is unknown"]),
        ({"host": "x" * 70}, ["x" * 70, "host name is unknown"]),
    ],
)
def test_what_somebody_must_correct_is_not_retried(
    engine: Any, change: dict[str, str], words: list[str]
) -> None:
    """Wrong password, role, database and host are configuration errors that name the place."""
    error = attempt(with_(engine.database_url, **change))
    assert isinstance(error, ConfigurationError)
    assert not error.retryable
    for word in words:
        assert word in str(error)
    assert CANARY not in str(error)


def test_a_refused_connection_is_retried(engine: Any) -> None:
    """Nobody listens: worth another try."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = attempt(with_(engine.database_url, host="127.0.0.1", port=str(port)))
    assert isinstance(error, SourceUnavailable)
    assert error.retryable
    assert f"127.0.0.1:{port}" in str(error)


def test_a_server_without_free_places_is_retried(engine: Any) -> None:
    """Too many connections pass by themselves."""
    admin = engine.database_url
    run(admin, "CREATE DATABASE crowded CONNECTION LIMIT 0", "CREATE ROLE guest LOGIN PASSWORD 'g'")
    error = attempt(with_(admin, user="guest", password="g", database="crowded"))
    run(admin, "DROP DATABASE crowded", "DROP ROLE guest")
    assert isinstance(error, SourceUnavailable)
    assert "too many connections" in str(error)


def test_a_database_that_is_forbidden_says_so(engine: Any) -> None:
    """A role without CONNECT gets a configuration error with the grant it needs."""
    admin = engine.database_url
    run(
        admin,
        "CREATE DATABASE closed",
        "REVOKE CONNECT ON DATABASE closed FROM public",
        "CREATE ROLE stranger LOGIN PASSWORD 's'",
    )
    error = attempt(with_(admin, user="stranger", password="s", database="closed"))
    run(admin, "DROP DATABASE closed", "DROP ROLE stranger")
    assert isinstance(error, ConfigurationError)
    assert "grant CONNECT" in str(error)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(socket.EAI_NONAME, ConfigurationError), (socket.EAI_AGAIN, SourceUnavailable)],
)
def test_a_name_server_that_is_away_is_no_unknown_host(
    number: int, expected: type[FlowkeepError]
) -> None:
    """A temporary failure of name resolution is retried, an unknown name is not."""
    text = f"failed to resolve host 'db': [Errno {number}] words"
    error = connection_error(psycopg.OperationalError(text), "postgres://db:5432/x as y", text)
    assert type(error) is expected


@pytest.mark.parametrize(
    ("text", "retried"),
    [
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is shutting down", True),
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen", True),
        ("server closed the connection unexpectedly", True),
        ("connection timeout expired", True),
        ("server does not support SSL, but SSL was required", False),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x"', False),
        ('FATAL:  role "x" is not permitted to log in', False),
    ],
)
def test_what_the_server_says_decides(text: str, retried: bool) -> None:
    """Texts of a server that is busy are retried, those of a wrong set-up are not."""
    error = connection_error(psycopg.OperationalError(text), "postgres://db:5432/x as y", text)
    assert error.retryable is retried


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ("postgresql://x", "must be a mapping, not str"),
        ({}, "credentials.host is missing"),
        ({"host": "h", "port": 70_000}, "credentials.port"),
        ({"host": "h", "port": CANARY}, "credentials.port"),
        ({"url": f"postgresql://u:{CANARY}@h:notaport/x"}, "the port is no number"),
        ({"url": f"postgresql://u:{CANARY}\u2100@h/x"}, "percent-encode user and password"),
        ({"url": f"postgresql://u:x[{CANARY}]x@h/x"}, "percent-encode user and password"),
        ({"url": f"postgresql://u:12/{CANARY}@h/x"}, "an @ stands behind a slash"),
        ({"host": "h", "extra": {"sslmode": [CANARY]}}, "credentials.extra.sslmode"),
        ({"host": "h", "password": {"x": CANARY}}, "credentials.password"),
    ],
)
def test_credentials_that_do_not_fit_name_the_field(credentials: Any, message: str) -> None:
    """The field is named, its value never."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        SourceCredentials.read(credentials)
    assert CANARY not in str(caught.value)


def test_an_unknown_driver_option_is_named(engine: Any) -> None:
    """An option that the driver does not know is a configuration error."""
    credentials = {"url": engine.database_url, "extra": {"no_such_option": "x"}}
    source = type(source_of(engine.database_url))(SourceCredentials.read(credentials))
    with pytest.raises(ConfigurationError, match="no_such_option"), source.session():
        pass


@pytest.mark.parametrize(
    "credentials",
    [
        {"host": "h", "port": 1, "user": "u", "password": "p@/:", "dbname": "d/x"},
        {"host": "h", "port": "1", "username": "u", "password": "p@/:", "database": "d/x"},
        {"url": "postgresql://u:p%40%2F%3A@h:1/d%2Fx"},
        {"url": "postgresql://other@h:1/d%2Fx", "username": "u", "password": "p@/:"},
        {"url": "postgresql://h?port=1&user=u&password=p%40%2F%3A&dbname=d%2Fx"},
        {"host": "h", "port": 1, "username": "u", "password": "p@/:", "extra": {"database": "d/x"}},
    ],
)
def test_credentials_come_in_several_forms(credentials: dict[str, Any]) -> None:
    """Fields, a URL, or a URL with fields that override it mean the same."""
    read = SourceCredentials.read(credentials)
    assert (read.host, read.port, read.username, read.database) == ("h", 1, "u", "d/x")
    assert read.password.get_secret_value() == "p@/:"
    assert read.extra == {}
    assert "p@/:" not in repr(read)


def test_the_password_is_in_no_file_and_no_error(engine: Any, tmp_path: Path) -> None:
    """A whole extraction by a role with a telling password leaves no trace of it."""
    admin = engine.database_url
    run(admin, f"CREATE ROLE teller LOGIN PASSWORD '{CANARY}'")
    url = with_(admin, user="teller", password=CANARY)
    storage = Storage(tmp_path.as_uri())
    extraction = extraction_of(url, storage, statements={"tables": "SELECT broken"})
    fetched = [extraction.fetch(kind) for kind in ("schemas", "databases")]
    extraction.finish(fetched, [extraction.transform(one) for one in fetched])
    with pytest.raises(ConfigurationError) as caught:
        extraction.fetch("tables")
    run(admin, "DROP ROLE teller")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(CANARY.encode() in path.read_bytes() for path in files)
    assert CANARY not in str(caught.value)
    assert CANARY not in str(fetched)


def test_a_session_reads_one_snapshot_and_writes_nothing(database_url: str) -> None:
    """What others commit stays unseen, names are qualified, and writing is refused."""
    from flowkeep.extraction.sources.base import Statement

    with source_of(database_url).session() as session:
        tables = Statement("SELECT relname FROM pg_catalog.pg_class WHERE relname = 't'", {})
        assert session.count(tables) == 0
        run(database_url, "CREATE TABLE t ()")
        assert session.count(tables) == 0
        assert session.snapshot.count(":") == 2
        shown = {
            name: session.rows(Statement(f"SHOW {name}", {}))[0][0]
            for name in ("transaction_read_only", "search_path", "application_name")
        }
    assert shown == {
        "transaction_read_only": "on",
        "search_path": '""',
        "application_name": "flowkeep",
    }


def test_the_server_describes_itself(database_url: str) -> None:
    """Identifier, version, role and database are those of the server."""
    with source_of(database_url).session() as session:
        info = session.info
    (row,) = query(
        database_url,
        "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
        " current_setting('server_version'), current_user::text, current_database()::text",
    )
    assert (info.server_id, info.version, info.role, info.database) == row


@pytest.mark.parametrize(
    ("version", "ok", "words"),
    [
        ("13.22", False, "too old"),
        ("14.0", True, "PostgreSQL 14.0"),
        ("18.4 (Debian 18.4-1)", True, "PostgreSQL 18.4"),
        ("19beta1", True, "newer than 18"),
    ],
)
def test_versions_are_judged(database_url: str, version: str, ok: bool, words: str) -> None:
    """Versions 14 to 18 are what the statements were made for."""
    info = SourceInfo(server_id="1", version=version, role="r", database="d", namespace="n")
    found, sentence = source_of(database_url).check_version(info)
    assert found is ok
    assert words in sentence


@pytest.fixture
def place() -> Iterator[str]:
    """A source that no other test names."""
    yield "postgres://limits:1"
    assert open_connections("postgres://limits:1") == 0


def test_the_first_connection_goes_alone(place: str) -> None:
    """Until one connection stands, others wait; then as many as the limit allows go on."""
    entered = threading.Semaphore(0)
    leave = threading.Event()

    def hold() -> None:
        with connection_slot(place, 2) as proved:
            proved()
            entered.release()
            leave.wait(30)

    with ThreadPoolExecutor(4) as pool:
        with connection_slot(place, 2) as proved:
            waiting = [pool.submit(hold) for _ in range(4)]
            assert not entered.acquire(timeout=0.3)
            proved()
            assert entered.acquire(timeout=10)
            assert open_connections(place) == 2
        assert entered.acquire(timeout=10)
        assert open_connections(place) == 2
        leave.set()
        for one in waiting:
            one.result(10)


def test_waiting_for_a_place_can_be_stopped(place: str) -> None:
    """The stop flag ends the wait."""
    stop = threading.Event()

    def wait() -> None:
        with connection_slot(place, 1, stop):
            pytest.fail("there was no place")

    with ThreadPoolExecutor(1) as pool, connection_slot(place, 1):
        waiting = pool.submit(wait)
        stop.set()
        with pytest.raises(CancelledError):
            waiting.result(10)
