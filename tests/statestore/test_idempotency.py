"""Idempotency keys in the ledger: one request at a time, and its answer for a day."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts.api.idempotency import Claim, Claimed, KeptAnswer
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT

ANSWER = KeptAnswer(status=201, headers=(("content-type", "application/json"),), body=b'{"a":1}')


async def claim(store: Store, *who: str, lease: float = 60, **fields: str) -> Claim:
    """Claim the key `k` of ana for one request."""
    tenant, subject, key = who or (TENANT, "ana", "k")
    values: dict[str, Any] = {"request": "POST /apps", "digest": "d"} | fields
    return await store.idempotency.claim(tenant, subject, key, lease_seconds=lease, **values)


async def test_one_of_many_begins(store: Store, second: Store) -> None:
    """Of many at once in two processes one begins; the others hear that it runs."""
    claims = await asyncio.gather(*(claim(one) for one in (store, second) for _ in range(10)))
    found = [one.found for one in claims]
    assert sorted(found) == [Claimed.MINE, *[Claimed.RUNNING] * 19]
    assert len({one.holder for one in claims}) == 1


async def test_an_answer_is_kept(store: Store) -> None:
    """The same request finds the first answer as it was; another request finds a used key."""
    mine = await claim(store)
    assert await store.idempotency.answer(TENANT, "ana", "k", mine.holder, ANSWER)
    again = await claim(store)
    assert (again.found, again.answer) == (Claimed.ANSWERED, ANSWER)
    assert (await claim(store, digest="other")).found is Claimed.REUSED
    assert (await claim(store, request="POST /runs")).found is Claimed.REUSED
    assert (await claim(store, TENANT, "ben", "k")).found is Claimed.MINE
    assert (await claim(store, OTHER, "ana", "k")).found is Claimed.MINE


async def test_a_secret_answer_is_not_kept(store: Store) -> None:
    """Of an answer that is withheld only the fact is kept."""
    mine = await claim(store)
    assert await store.idempotency.answer(TENANT, "ana", "k", mine.holder, None)
    again = await claim(store)
    assert (again.found, again.answer) == (Claimed.WITHHELD, None)


async def test_a_dead_holder_is_replaced(store: Store) -> None:
    """When the lease is over another begins, under the same time; the dead one says no more."""
    dead = await claim(store, lease=0)
    alive = await claim(store)
    assert (alive.found, alive.created_at) == (Claimed.MINE, dead.created_at)
    assert alive.holder != dead.holder
    who = (TENANT, "ana", "k")
    assert not await store.idempotency.renew(*who, dead.holder, lease_seconds=60)
    assert not await store.idempotency.answer(*who, dead.holder, ANSWER)
    assert await store.idempotency.renew(*who, alive.holder, lease_seconds=60)
    assert (await claim(store)).found is Claimed.RUNNING
    await store.idempotency.release(*who, alive.holder)
    assert (await claim(store)).found is Claimed.MINE


async def test_a_dead_holder_keeps_the_key_its_meaning(store: Store) -> None:
    """A request that never ended still keeps its key from meaning another one."""
    await claim(store, lease=0)
    assert (await claim(store, digest="other")).found is Claimed.REUSED


async def test_keys_expire(store: Store) -> None:
    """After a day a key is free for anything, whether its row is still there or not."""
    mine = await claim(store)
    await store.idempotency.answer(TENANT, "ana", "k", mine.holder, ANSWER)
    await claim(store, TENANT, "ana", "young")
    old = "UPDATE flowkeep.idempotency SET created_at = now() - interval '25 hours' WHERE key = 'k'"
    async with store.transaction() as tx:
        await tx.connection.execute(text(old))
    fresh = await claim(store, digest="other")
    assert (fresh.found, fresh.created_at > mine.created_at) == (Claimed.MINE, True)
    assert await store.idempotency.purge() == 0
    async with store.transaction() as tx:
        await tx.connection.execute(text(old))
    assert await store.idempotency.purge() == 1
    assert (await claim(store, TENANT, "ana", "young")).found is Claimed.RUNNING


@pytest.mark.parametrize("key", ["", "a\x00", "\ud800", "x" * 801])
async def test_keys_are_short_texts(store: Store, key: str) -> None:
    """A key that no index can hold is refused by name."""
    with pytest.raises(InvalidInput, match="key"):
        await claim(store, TENANT, "ana", key)
