"""Rotation of the key of secrets: all of them move to the newest key, and none is ever lost."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from flowkeep.contracts.rotation import Rotation
from flowkeep.errors import ConfigurationError, InvalidInput
from flowkeep.statestore import Store, connect
from flowkeep.statestore.keyring import Keyring
from tests.statestore.conftest import SECRET_KEY, settings_for
from tests.statestore.records import OTHER, TENANT
from tests.statestore.test_plans import plans

NEW = Fernet.generate_key().decode()
OLD_ID, NEW_ID = Keyring([SECRET_KEY]).key_id, Keyring([NEW]).key_id


FILL = """
INSERT INTO flowkeep.secret (id, tenant_id, key_id, ciphertext, created_at, updated_at)
SELECT gen_random_uuid(), 'acme', :key_id, 'x', now(), now() FROM generate_series(1, 10000)
"""


class Halt(Exception):
    """Stops a rotation in the middle."""


async def put_some(store: Store, count: int) -> dict[str, str]:
    """Store secrets of two tenants; returns values by id."""
    values = {}
    for n in range(count):
        reference = await store.secrets.put((TENANT, OTHER)[n % 2], f"value-{n}")
        values[reference["secret_ref"]] = f"value-{n}"
    return values


async def read_all(store: Store, ids: list[str]) -> dict[str, str]:
    return {
        secret_id: await store.secrets.get((TENANT, OTHER)[n % 2], secret_id)
        for n, secret_id in enumerate(ids)
    }


async def test_all_secrets_move_to_the_newest_key(ledger_url: str, store: Store) -> None:
    """After a rotation the old key is needed by nothing, and every value reads as before."""
    values = await put_some(store, 7)
    heard: list[Rotation] = []
    async with await connect(settings=settings_for(ledger_url, key=f"{NEW},{SECRET_KEY}")) as both:
        [newest, older] = await both.system.secret_keys()
        assert (newest.key_id, newest.secrets, newest.newest) == (NEW_ID, 0, True)
        assert (older.key_id, older.secrets, older.newest) == (OLD_ID, 7, False)
        done = await both.system.rotate_secrets(3, on_progress=heard.append)
        assert (done.key_id, done.seen, done.rotated) == (NEW_ID, 7, {OLD_ID: 7})
        assert [step.seen for step in heard] == [3, 6, 7]
        again = await both.system.rotate_secrets()
        assert (again.seen, again.rotated, again.busy, again.damaged) == (7, {}, 0, 0)
    async with await connect(settings=settings_for(ledger_url, key=NEW)) as new:
        assert await read_all(new, list(values)) == values
        [only] = await new.system.secret_keys()
        assert (only.key_id, only.secrets, only.configured) == (NEW_ID, 7, True)


async def test_a_missing_key_is_named_and_nothing_changes(ledger_url: str, store: Store) -> None:
    """Without a key that stored secrets need, a rotation names it and touches no secret."""
    values = await put_some(store, 3)
    third = Fernet.generate_key().decode()
    async with await connect(settings=settings_for(ledger_url, key=f"{NEW},{third}")) as other:
        await other.secrets.put(TENANT, "newer")
        with pytest.raises(ConfigurationError, match=rf"{OLD_ID} \(3 secrets\)") as caught:
            await other.system.rotate_secrets()
        assert SECRET_KEY not in str(caught.value)
        uses = {use.key_id: use for use in await other.system.secret_keys()}
        assert (uses[OLD_ID].secrets, uses[OLD_ID].configured) == (3, False)
    assert await read_all(store, list(values)) == values


async def test_a_rotation_goes_on_where_it_was_stopped(ledger_url: str, store: Store) -> None:
    """A rotation that dies between batches loses nothing; the next one does the rest."""
    values = await put_some(store, 6)

    def stop(step: Rotation) -> None:
        raise Halt

    async with await connect(settings=settings_for(ledger_url, key=f"{NEW},{SECRET_KEY}")) as both:
        with pytest.raises(Halt):
            await both.system.rotate_secrets(2, on_progress=stop)
        assert [use.secrets for use in await both.system.secret_keys()] == [2, 4]
        assert await read_all(both, list(values)) == values
        assert (await both.system.rotate_secrets(2)).rotated == {OLD_ID: 4}
        assert await read_all(both, list(values)) == values


async def test_rotations_and_writers_at_the_same_time(ledger_url: str, store: Store) -> None:
    """Two rotations share the work while secrets are stored and deleted; each is done once."""
    values = await put_some(store, 40)
    ids = list(values)
    both = settings_for(ledger_url, key=f"{NEW},{SECRET_KEY}")
    async with await connect(settings=both) as one, await connect(settings=both) as two:
        first, second, *_ = await asyncio.gather(
            one.system.rotate_secrets(5),
            two.system.rotate_secrets(5),
            store.secrets.delete(TENANT, ids[38]),
            put_some(one, 10),
        )
        gone = values.pop(ids.pop(38))
        assert gone == "value-38"
        done = first.rotated.get(OLD_ID, 0) + second.rotated.get(OLD_ID, 0)
        rest = await one.system.rotate_secrets()
        assert done + rest.rotated.get(OLD_ID, 0) in (39, 40)
        # The tenants alternate, so the two halves are read apart once one is missing.
        assert await read_all(one, ids[:38]) == {key: values[key] for key in ids[:38]}
        assert [use.secrets for use in await one.system.secret_keys()] == [49, 0]


async def test_a_locked_secret_is_left_for_the_next_time(ledger_url: str, store: Store) -> None:
    """A secret that somebody is changing is neither waited for nor lost; it counts as busy."""
    ids = list(await put_some(store, 2))
    async with (
        await connect(settings=settings_for(ledger_url, key=f"{NEW},{SECRET_KEY}")) as both,
        await psycopg.AsyncConnection.connect(ledger_url) as connection,
    ):
        await connection.execute("SELECT 1 FROM flowkeep.secret WHERE id = %s FOR UPDATE", [ids[0]])
        first = await both.system.rotate_secrets()
        assert (first.busy, first.rotated) == (1, {OLD_ID: 1})
        await connection.rollback()
        assert (await both.system.rotate_secrets()).rotated == {OLD_ID: 1}


async def test_an_altered_secret_stops_nobody(ledger_url: str, store: Store) -> None:
    """What nothing can decrypt is named and left as it is, and all the others are rotated."""
    ids = list(await put_some(store, 3))
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        await connection.execute(
            "UPDATE flowkeep.secret SET tenant_id = 'rival' WHERE id = %s", [ids[0]]
        )
    async with await connect(settings=settings_for(ledger_url, key=f"{NEW},{SECRET_KEY}")) as both:
        done = await both.system.rotate_secrets()
        assert (done.damaged, [str(found) for found in done.damaged_ids]) == (1, ids[:1])
        assert done.rotated == {OLD_ID: 2}
        with pytest.raises(ConfigurationError, match="altered"):
            await both.secrets.get(OTHER, ids[0])


async def test_rotation_walks_the_primary_key(ledger_url: str) -> None:
    """Counting and rotating many secrets reads ranges of the primary key, never the whole table."""
    async with await connect(settings=settings_for(ledger_url, pool_size=1)) as store:
        async with store.transaction() as tx:
            await tx.connection.execute(text(FILL), {"key_id": OLD_ID})
            await tx.connection.execute(text("ANALYZE flowkeep.secret"))
        found = await plans(store, lambda: store.system.rotate_secrets(500), generic=False)
    assert len(found) > 20
    read = [node for plan in found for node in plan]
    assert {node["Index Name"] for node in read if "Index Name" in node} == {"secret_pk"}
    whole = [node for node in read if node["Node Type"] == "Seq Scan"]
    assert whole == []


@pytest.mark.parametrize("batch_size", [0, -1, 10_001, True, "5"])
async def test_a_batch_has_a_size(store: Store, batch_size: int) -> None:
    """A batch size that is none is refused before anything is read."""
    with pytest.raises(InvalidInput, match="batch_size"):
        await store.system.rotate_secrets(batch_size)


async def test_no_key_no_rotation(ledger_url: str) -> None:
    """Without any key the error says how to make one."""
    async with await connect(settings=settings_for(ledger_url, key=None)) as bare:
        calls: list[Callable[[], object]] = [bare.system.rotate_secrets, bare.system.secret_keys]
        for call in calls:
            with pytest.raises(ConfigurationError, match="no key for secrets"):
                await call()  # type: ignore[misc]
