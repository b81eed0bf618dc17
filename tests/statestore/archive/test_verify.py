"""Verifying reads everything back; what is missing, altered or foreign is refused everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowkeep.contracts.archive import Bundle, BundleStatus
from flowkeep.errors import Incomplete, SourceUnavailable
from flowkeep.settings import Settings, StorageSettings
from flowkeep.statestore import Store, connect
from flowkeep.storage import Storage
from tests.extraction.object_store import ObjectStore
from tests.statestore.archive.support import archive, ended, publish, small, tables
from tests.statestore.records import OTHER, TENANT


async def test_a_whole_bundle_is_verified(store: Store) -> None:
    """A bundle that was read back is verified, as often as one likes, in every later status."""
    await ended(store)
    await small(store, 2)
    (bundle,) = await publish(store)
    check = await store.archive.verify(TENANT, bundle.id)
    assert (check.runs, check.changed, check.gone) == (3, 0, 0)
    assert check.bundle.status is BundleStatus.VERIFIED
    await store.archive.delete(TENANT, bundle.id)
    again = await store.archive.verify(TENANT, bundle.id)
    assert (again.gone, again.bundle.status) == (3, BundleStatus.ARCHIVED)


def no_manifest(storage: Storage, bundle: Bundle) -> None:
    storage.delete(f"{bundle.prefix}/manifest.json")


def other_manifest(storage: Storage, bundle: Bundle) -> None:
    key = f"{bundle.prefix}/manifest.json"
    storage.put(key, orjson.dumps({**orjson.loads(storage.get(key)), "flowkeep": "0"}))


def broken_manifest(storage: Storage, bundle: Bundle) -> None:
    storage.put(f"{bundle.prefix}/manifest.json", b'{"schema": "flowkeep.archive/1"')


def no_part(storage: Storage, bundle: Bundle) -> None:
    storage.delete(f"{bundle.prefix}/events.parquet")


def altered_part(storage: Storage, bundle: Bundle) -> None:
    key = f"{bundle.prefix}/tasks.parquet"
    data = bytearray(storage.get(key))
    data[len(data) // 2] ^= 1
    storage.put(key, bytes(data))


def fewer_runs(storage: Storage, bundle: Bundle) -> None:
    key = f"{bundle.prefix}/runs.parquet"
    target = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(storage.get(key))).slice(1), target)
    storage.put(key, target.getvalue().to_pybytes())


def foreign_manifest(storage: Storage, bundle: Bundle) -> None:
    key = f"{bundle.prefix}/manifest.json"
    storage.put(key, orjson.dumps({**orjson.loads(storage.get(key)), "tenant": OTHER}))


DAMAGES = (
    no_manifest,
    other_manifest,
    broken_manifest,
    no_part,
    altered_part,
    fewer_runs,
    foreign_manifest,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_bundle_changes_nothing(
    store: Store, storage: Storage, damage: Callable[[Storage, Bundle], None]
) -> None:
    """Verify, delete and restore refuse it with the same code, and every table stays as it was."""
    await ended(store)
    await small(store, 2)
    (bundle,) = await publish(store)
    await store.archive.verify(TENANT, bundle.id)
    saved = {found.key: storage.get(found.key) for found in storage.list()}
    damage(storage, bundle)
    before = await tables(store)
    for method in (store.archive.verify, store.archive.delete):
        with pytest.raises(Incomplete) as refused:
            await method(TENANT, bundle.id)
        assert refused.value.code == "ARCHIVE_DAMAGED"
        assert await tables(store) == before
    for key, data in saved.items():
        storage.put(key, data)
    assert (await store.archive.delete(TENANT, bundle.id)).archived == 3
    damage(storage, bundle)
    before = await tables(store)
    with pytest.raises(Incomplete):
        await store.archive.restore(TENANT, bundle.id)
    assert await tables(store) == before


async def test_a_store_that_is_down_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    """Without the object store every step says so; once it is back, repeating goes on."""
    objects = ObjectStore(tmp_path / "objects")
    await objects.start()
    place = StorageSettings(url=objects.url, archive_url=objects.url)
    async with await connect(settings=settings.model_copy(update={"storage": place})) as store:
        await ended(store)
        await small(store, 2)
        (bundle,) = await publish(store)

        async def down(*calls: Callable[[], Any]) -> None:
            before = await tables(store)
            await objects.kill()
            for call in calls:
                with pytest.raises(SourceUnavailable):
                    await call()
            await objects.start()
            assert await tables(store) == before

        await down(lambda: store.archive.verify(TENANT, bundle.id))
        await store.archive.verify(TENANT, bundle.id)
        await down(lambda: store.archive.delete(TENANT, bundle.id))
        assert (await store.archive.delete(TENANT, bundle.id)).archived == 3
        await down(lambda: store.archive.restore(TENANT, bundle.id))
        assert (await store.archive.restore(TENANT, bundle.id, hold_days=0)).restored == 3
        assert [one.runs for one in await archive(store)] == [3]
    await objects.kill()
