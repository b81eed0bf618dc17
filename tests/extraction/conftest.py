"""A sample database for all tests of the extraction, and a storage for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.local_engine import LocalEngine
from flowkeep.storage import Storage
from tests.extraction.support import run
from tests.servers.binaries import UnavailableError
from tests.servers.postgres import PostgresServer, postgres_server

NEWER = (
    (15, "CREATE TABLE rich.nulls (a integer UNIQUE NULLS NOT DISTINCT)"),
    (15, "ALTER TABLE rich.nulls ADD FOREIGN KEY (a) REFERENCES rich.nulls (a)"),
    (17, "CREATE TABLE rich.method (a integer) PARTITION BY LIST (a) USING heap"),
    (
        18,
        "CREATE TABLE rich.newest (a integer NOT NULL, b integer CONSTRAINT b_there NOT NULL,"
        " c integer GENERATED ALWAYS AS (a + b) VIRTUAL, d int4range, e int4range,"
        " CONSTRAINT unsure CHECK (a > b) NOT ENFORCED, UNIQUE (d, e WITHOUT OVERLAPS))",
    ),
)
"""Objects that came with a version."""


@pytest.fixture(scope="session")
def sample_url(engine: LocalEngine) -> str:
    """URL of the sample database; nobody changes it."""
    return create_sample_database(engine.database_url, "extraction_sample")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty local storage."""
    return Storage((tmp_path / "storage").as_uri())


@pytest.fixture(scope="session", params=range(14, 19))
async def versioned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PostgresServer]:
    """A server of each version that is supported, one after the other."""
    folder = tmp_path_factory.mktemp(f"postgresql-{request.param}")
    try:
        async with postgres_server(request.param, folder) as server:
            yield server
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def rich_url(versioned: PostgresServer) -> str:
    """URL of the sample database with what it does not show; nobody changes it."""
    url = create_sample_database(versioned.url(), "rich")
    script = Path(__file__).with_name("rich_schema.sql").read_text()
    run(url, script, *(text for major, text in NEWER if major <= versioned.major))
    return url
