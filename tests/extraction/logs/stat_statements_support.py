"""A server that counts its statements, and a role whose work is known."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import psycopg
import pytest

from flowkeep.extraction.logs.sources.stat_statements import StatStatementsSource
from flowkeep.extraction.logs.sources.stat_statements_options import StatStatementsOptions
from flowkeep.extraction.logs.statement import LoggedStatement
from tests.extraction.logs.history_support import Runs
from tests.extraction.support import run, source_of, with_
from tests.servers.binaries import UnavailableError
from tests.servers.postgres import PostgresServer, postgres_server

MOST = 100
"""Entries the server keeps: as few as it can."""


@pytest.fixture(scope="module", params=[14, 17])
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PostgresServer]:
    """A server that counts its statements."""
    settings = {
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.max": str(MOST),
    }
    folder = tmp_path_factory.mktemp(f"counting-{request.param}") / "server"
    try:
        async with postgres_server(request.param, folder, settings) as server:
            yield server
    except UnavailableError as error:
        pytest.skip(str(error))


class App:
    """A database with the extension, and a role of the same name that works in it.

    Args:
        server: Where; what it has counted is reset.
    """

    def __init__(self, server: PostgresServer) -> None:
        self.name = f"app {uuid4().hex[:8]}"
        run(
            server.url(),
            f'CREATE DATABASE "{self.name}"',
            f"CREATE ROLE \"{self.name}\" LOGIN PASSWORD 'x'",
        )
        self.admin = server.url(self.name)
        run(
            self.admin,
            'CREATE SCHEMA "tools%s"',
            'CREATE EXTENSION pg_stat_statements SCHEMA "tools%s"',
            "CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 5) AS g",
            f'GRANT SELECT ON t TO "{self.name}"',
        )
        self.url = with_(self.admin, user=self.name.replace(" ", "%20"), password="x")
        self.reset()
        self.runs = Runs()

    def work(self, statements: dict[str, int], *, url: str = "") -> None:
        """Run statements so many times."""
        with psycopg.connect(url or self.url, autocommit=True, prepare_threshold=None) as one:
            for text, times in statements.items():
                for _ in range(times):
                    one.execute(text.encode())

    def reset(self, arguments: str = "") -> None:
        """Reset all counters, or some."""
        run(self.admin, f'SELECT "tools%s".pg_stat_statements_reset({arguments})')

    def source(self, url: str = "", **options: str) -> StatStatementsSource:
        """The counters as a source, for the superuser by default."""
        return StatStatementsSource(
            source=source_of(url or self.admin), options=StatStatementsOptions(**options)
        )

    def count(self, **options: str) -> dict[str, int]:
        """What one more run counts of the role's statements: calls by text."""
        before = len(self.runs.statements)
        self.runs.run(self.source(**options))
        new = self.runs.statements[before:]
        return {one.text: one.calls for one in self.own(new)}

    def own(self, statements: list[LoggedStatement]) -> list[LoggedStatement]:
        """The role's statements among others."""
        return [one for one in statements if one.user == one.database == self.name]


@pytest.fixture
def app(server: PostgresServer) -> Iterator[App]:
    """A new database and role."""
    app = App(server)
    yield app
    run(server.url(), f'DROP DATABASE "{app.name}" (FORCE)', f'DROP ROLE "{app.name}"')


ONE, TWO = "SELECT a FROM t WHERE a < $1", "SELECT count(*) FROM t"
