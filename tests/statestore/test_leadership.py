"""One process leads at a time, and another does as soon as it is gone."""

import asyncio
import time

import pytest
from sqlalchemy import text

from flowkeep.errors import LedgerUnavailable
from flowkeep.statestore import Store
from flowkeep.statestore.leadership import Leadership

POLL = 0.05


async def lead(store: Store, name: str, got: "asyncio.Queue[Leadership]") -> None:
    async with store.leadership(name, poll_seconds=POLL) as held:
        await got.put(held)
        await asyncio.Event().wait()


async def test_one_leads_and_the_next_follows(store: Store, second: Store) -> None:
    """A second process waits while the first one leads, and leads as soon as it stops."""
    got: asyncio.Queue[Leadership] = asyncio.Queue()
    first = asyncio.create_task(lead(store, "a", got))
    held = await got.get()
    await held.confirm()
    waiting = asyncio.create_task(lead(second, "a", got))
    other = asyncio.create_task(lead(second, "b", got))
    await (await got.get()).confirm()  # another name is another matter
    await asyncio.sleep(4 * POLL)
    assert got.empty()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    async with asyncio.timeout(5):
        await (await got.get()).confirm()
    for task in (waiting, other):
        task.cancel()
    await asyncio.gather(waiting, other, return_exceptions=True)


async def test_a_lost_session_is_noticed_before_the_next_write(store: Store, second: Store) -> None:
    """When the server ended the session, `confirm` says so, and somebody else may lead."""
    async with store.leadership("a", poll_seconds=POLL) as held:
        async with second.transaction() as tx:
            await tx.connection.execute(
                text("SELECT pg_terminate_backend(:pid)"), {"pid": held._backend}
            )
        with pytest.raises(LedgerUnavailable):
            await held.confirm()
        started = time.monotonic()
        async with second.leadership("a", poll_seconds=POLL) as other:
            await other.confirm()
        assert time.monotonic() - started < 5
        with pytest.raises(LedgerUnavailable):
            await held.confirm()


async def test_a_silent_holder_loses_the_lock(store: Store, second: Store) -> None:
    """The server itself ends a session that says nothing for twenty seconds."""
    async with store.leadership("a", poll_seconds=POLL) as held:
        cursor = await held._driver.execute("SHOW idle_session_timeout")
        assert await cursor.fetchone() == ("20s",)
