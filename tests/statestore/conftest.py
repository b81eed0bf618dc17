"""A store on a ledger of its own for each test, and short ways to make records."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from flowkeep.settings import DatabaseSettings, Settings
from flowkeep.statestore import Store, connect

SECRET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def settings_for(url: str, *, key: str | None = SECRET_KEY, pool_size: int = 4) -> Settings:
    """Return settings of a ledger."""
    return Settings(
        database=DatabaseSettings(
            url=SecretStr(url),
            pool_size=pool_size,
            secret_key=None if key is None else SecretStr(key),
        )
    )


@pytest.fixture
async def store(ledger_url: str) -> AsyncIterator[Store]:
    """A store on an empty ledger."""
    async with await connect(settings=settings_for(ledger_url)) as store:
        yield store


@pytest.fixture
async def second(ledger_url: str) -> AsyncIterator[Store]:
    """Another process's store on the same ledger."""
    async with await connect(settings=settings_for(ledger_url)) as store:
        yield store
