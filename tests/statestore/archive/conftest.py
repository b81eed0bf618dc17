"""A store whose archive lies in a folder of the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowkeep.settings import Settings, StorageSettings
from flowkeep.statestore import Store, connect
from flowkeep.storage import Storage
from tests.statestore.conftest import settings_for


@pytest.fixture
def settings(ledger_url: str, tmp_path: Path) -> Settings:
    """Settings of the ledger and of a storage of its own."""
    place = StorageSettings(url=(tmp_path / "storage").as_uri())
    return settings_for(ledger_url).model_copy(update={"storage": place})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store on an empty ledger."""
    async with await connect(settings=settings) as store:
        yield store


@pytest.fixture
def storage(settings: Settings) -> Storage:
    """Where the store keeps its bundles."""
    return Storage(settings.storage.place_of_archive())
