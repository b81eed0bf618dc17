"""A MariaDB server with a sample, for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from tests.extraction.other_sources.support import MARIADB_SAMPLE
from tests.servers.binaries import UnavailableError
from tests.servers.mariadb import MariaDBServer, mariadb_server


@pytest.fixture(scope="session")
async def mariadb(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MariaDBServer]:
    """A server with the sample in it; what a test adds it removes."""
    try:
        async with mariadb_server(tmp_path_factory.mktemp("mariadb") / "server") as server:
            server.run(*MARIADB_SAMPLE)
            yield server
    except UnavailableError as error:
        pytest.skip(str(error))
