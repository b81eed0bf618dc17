"""API keys in the ledger: made, found by their secret, ended."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import IssuedKey, NewApiKey
from flowkeep.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, new_id


async def made(store: Store, name: str = "ci", **fields: Any) -> IssuedKey:
    new = NewApiKey(name=name, **{"role": Role.VIEWER, **fields})
    return await store.api_keys.create(TENANT, new, subject="ana", created_by="eve")


async def set_time(store: Store, column: str, ago: timedelta) -> None:
    async with store.transaction() as tx:
        moment = {"at": datetime.now(UTC) - ago}
        await tx.connection.execute(text(f"UPDATE flowkeep.api_key SET {column} = :at"), moment)


async def test_only_a_hash_of_the_secret_is_stored(store: Store) -> None:
    """The row holds the SHA-256 of the secret and its public beginning, and no more of it."""
    key = await made(store, app_roles={"crm": Role.EDITOR})
    async with store.transaction() as tx:
        row = (await tx.connection.execute(text("SELECT * FROM flowkeep.api_key"))).mappings().one()
    assert row["hash"] == hashlib.sha256(key.secret.encode()).digest()
    assert row["prefix"] == key.secret[:19]
    assert key.secret[20:] not in str({**row, "hash": None})
    assert len({(await made(store)).secret for _ in range(3)}) == 3
    assert await store.api_keys.get(TENANT, key.id) == key.shown()
    assert (key.subject, key.created_by, key.app_roles) == ("ana", "eve", {"crm": Role.EDITOR})


async def test_a_secret_finds_its_key(store: Store) -> None:
    """The right secret is the key's; one with a letter changed, or in another form, is nobody's."""
    key = await made(store)
    assert await store.api_keys.authenticate(key.secret) == key.shown()
    other = await made(store)
    wrong = [
        key.secret[:-1] + ("A" if key.secret[-1] != "A" else "B"),
        key.prefix + other.secret[19:],
        key.secret + "A",
        key.secret.upper(),
        *("", "fk_", key.prefix, "\x00", "é" * 50, "' OR true --"),
    ]
    for secret in wrong:
        with pytest.raises(Unauthenticated):
            await store.api_keys.authenticate(secret)


async def test_an_ended_key_lets_nobody_in(store: Store) -> None:
    """A key that was revoked or has expired is refused by its secret and by its id, saying why."""
    key = await made(store)
    revoked = await store.api_keys.revoke(TENANT, key.id, revoked_by="eve")
    again = await store.api_keys.revoke(TENANT, key.id, revoked_by="bob")
    assert (again, revoked.revoked_by) == (revoked, "eve")
    late = await made(store, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert await store.api_keys.confirm(late.id) == late.shown()
    await set_time(store, "expires_at", timedelta(seconds=1))
    for one, why in ((key, "revoked"), (late, "expired")):
        with pytest.raises(Unauthenticated, match=why):
            await store.api_keys.authenticate(one.secret)
        with pytest.raises(Unauthenticated, match=why):
            await store.api_keys.confirm(one.id)
    with pytest.raises(Unauthenticated, match="not known"):
        await store.api_keys.confirm(new_id())


async def test_ended_keys_are_deleted(store: Store) -> None:
    """Only keys that ended before the time go, of the one tenant."""
    ended, active = await made(store), await made(store)
    await store.api_keys.revoke(TENANT, ended.id)
    past, future = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    assert await store.api_keys.delete_ended(TENANT, past) == 0
    assert await store.api_keys.delete_ended(OTHER, future) == 0
    assert await store.api_keys.delete_ended(TENANT, future) == 1
    assert [key.id for key in await store.api_keys.list(TENANT)] == [active.id]


async def test_the_use_of_a_key_is_noted_once_a_minute(store: Store) -> None:
    """A second use within the minute writes nothing; one after it does."""
    key = await made(store)
    await store.api_keys.note_use(key.id)
    first = (await store.api_keys.get(TENANT, key.id)).last_used_at
    await store.api_keys.note_use(key.id)
    assert (await store.api_keys.get(TENANT, key.id)).last_used_at == first
    await set_time(store, "last_used_at", timedelta(seconds=61))
    await store.api_keys.note_use(key.id)
    second = (await store.api_keys.get(TENANT, key.id)).last_used_at
    assert first is not None
    assert second is not None
    assert second > first


async def test_keys_keep_inside_their_tenant(store: Store) -> None:
    """Another tenant finds no key, and may change none."""
    key = await made(store)
    with pytest.raises(NotFound):
        await store.api_keys.get(OTHER, key.id)
    assert len(await store.api_keys.list(OTHER)) == 0
    for call in (store.api_keys.revoke(OTHER, key.id), store.api_keys.rename(OTHER, key.id, "x")):
        with pytest.raises(Forbidden):
            await call
    for call in (store.api_keys.revoke(TENANT, new_id()), store.api_keys.get(TENANT, new_id())):
        with pytest.raises(NotFound):
            await call
    assert await store.api_keys.get(TENANT, key.id) == key.shown()
    assert (await store.api_keys.rename(TENANT, key.id, "new")).name == "new"


async def test_one_first_key_of_many_starts(store: Store, second: Store) -> None:
    """Of processes that start at once one makes the key; a new one comes when none is usable."""
    new = NewApiKey(name="first", system=True)
    ledgers = [store, second] * 4
    found = await asyncio.gather(
        *(one.api_keys.ensure_system(TENANT, new, subject="admin") for one in ledgers)
    )
    (key,) = [one for one in found if one is not None]
    assert (key.system, key.role, key.subject) == (True, Role.ADMIN, "admin")
    await store.api_keys.revoke(TENANT, key.id)
    assert await store.api_keys.ensure_system(OTHER, new, subject="admin") is not None
    assert await store.api_keys.ensure_system(TENANT, new, subject="admin") is None


async def test_a_key_that_has_expired_already(store: Store) -> None:
    """A key cannot be made for the past."""
    with pytest.raises(InvalidInput, match="expires_at"):
        await made(store, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert len(await store.api_keys.list(TENANT)) == 0
