"""Stops, lost connections and sources that fall silent, in the middle of reading."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
import pytest

from flowkeep.errors import SourceUnavailable
from flowkeep.extraction.metadata import transport
from flowkeep.extraction.sources.base import Statement
from flowkeep.extraction.sources.limits import open_connections
from flowkeep.storage import Storage
from tests.extraction.support import COLUMNS, fetch, query, run, source_of, with_
from tests.support import eventually

HELD = "SELECT pg_advisory_lock(4711)"


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
            progress=lambda _: arrived.set(),
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

    def fall_silent(_: object) -> None:
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
            fetch, database_url, storage, WAITS_LATE, progress=lambda _: arrived.set()
        )
        assert arrived.wait(30)
        (pid,) = await eventually(lambda: backends(database_url) or pytest.fail("not running"))
        run(database_url, f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(
            SourceUnavailable, match=r"terminating connection|closed the connection"
        ) as caught:
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
