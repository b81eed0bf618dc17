"""A sample database for all tests of the extraction, and a storage for each."""

from pathlib import Path

import pytest

from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.local_engine import LocalEngine
from flowkeep.storage import Storage


@pytest.fixture(scope="session")
def sample_url(engine: LocalEngine) -> str:
    """URL of the sample database; nobody changes it."""
    return create_sample_database(engine.database_url, "extraction_sample")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty local storage."""
    return Storage((tmp_path / "storage").as_uri())
