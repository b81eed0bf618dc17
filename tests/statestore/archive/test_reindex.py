"""The catalogue can be made from the bundles alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from flowkeep.statestore import Store
from flowkeep.statestore.archive import bundles
from flowkeep.statestore.repositories import rollups
from flowkeep.statestore.session import Session
from flowkeep.storage import Storage
from tests.statestore.archive.support import archive, ended, keys, publish, rows, small
from tests.statestore.records import OTHER, TENANT

LOST = "TRUNCATE flowkeep.run_archive, flowkeep.archive_bundle, flowkeep.archive_pending"
NO_LABELS = "DELETE FROM flowkeep.run_label WHERE archived"


RESTORED = """
WITH line AS (
    DELETE FROM {schema}.run_archive
    WHERE id = (SELECT id FROM {schema}.run_archive ORDER BY id LIMIT 1) RETURNING *
)
INSERT INTO {schema}.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT id, tenant_id, namespace, workflow_id, workflow_type, task_queue, '{}', kind, labels,
    triggered_from, status, '{}', 0, created_at, updated_at FROM line
"""


async def run_sql(store: Store, *statements: str) -> None:
    async with store.transaction() as tx:
        for statement in statements:
            await tx.connection.execute(text(statement))


async def lines(store: Store) -> list[dict[str, Any]]:
    """Return the archive's lines without the time, which only the ledger knew."""
    return [{**row, "archived_at": None} for row in await rows(store, "run_archive")]


async def test_a_lost_catalogue_comes_back(store: Store) -> None:
    """Lines, labels and bundles are what they were before the tables were lost."""
    run = await ended(store)
    await small(store, 3)
    await archive(store, max_runs_per_bundle=2)
    before, labels = await lines(store), await rows(store, "run_label")
    whole = await store.archive.read(TENANT, run.id)
    await run_sql(store, LOST, NO_LABELS)
    assert await store.runs.get_run_by_id(TENANT, None, run.id) is None
    done = await store.archive.reindex(TENANT)
    assert (done.bundles, done.runs, done.present, done.deleted) == (2, 4, 0, 0)
    assert (done.unfinished, done.refused) == ([], {})
    assert await lines(store) == before
    assert await rows(store, "run_label") == labels
    again = await store.archive.read(TENANT, run.id)
    assert again == whole.evolve(archived_at=again.archived_at)
    assert await store.archive.reindex(TENANT) == done
    assert await lines(store) == before


async def test_a_reindex_waits_for_restores(store: Store, second: Store) -> None:
    """What comes back while a reindex looks is not listed again: it looks when it is alone."""
    await small(store, 2)
    await archive(store)
    before = await lines(store)
    async with second._scope.write() as session:
        await bundles.pass_catalogue(session, TENANT, alone=False)
        reindexing = asyncio.create_task(store.archive.reindex(TENANT))
        done, _ = await asyncio.wait({reindexing}, timeout=0.5)
        assert not done
        await session.execute(RESTORED)
    assert (await reindexing).present == 1
    (left,) = await lines(store)
    assert left == max(before, key=lambda line: str(line["id"]))


async def test_present_and_deleted_runs_are_left_out(store: Store) -> None:
    """A run in the tables stays there, a deleted one stays deleted."""
    runs = await small(store, 4)
    (bundle,) = await archive(store)
    await store.archive.restore(TENANT, bundle.id, [runs[0].id])
    await store.runs.delete_runs_by_ids(TENANT, [runs[1].id])
    await run_sql(store, LOST)
    done = await store.archive.reindex(TENANT)
    assert (done.runs, done.present, done.deleted) == (2, 1, 1)
    assert {row["id"] for row in await rows(store, "run_archive")} == {run.id for run in runs[2:]}


async def test_statistics_are_counted_in_short_statements(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months are counted day by day, none left out: the whole of one outlasts a time limit."""
    await small(store, 2)
    (bundle,) = await archive(store)
    await run_sql(store, LOST, "DELETE FROM flowkeep.run_rollup")
    counted: list[tuple[str, datetime, datetime]] = []
    recount = rollups.recount

    async def told(session: Session, ranges: list[tuple[str, datetime, datetime]]) -> None:
        counted.extend(ranges)
        await recount(session, ranges)

    monkeypatch.setattr(rollups, "recount", told)
    await store.archive.reindex(TENANT)
    first = datetime(bundle.month.year, bundle.month.month, 1, tzinfo=UTC)
    assert counted[0][1] == first
    assert counted[-1][2] == (first + timedelta(days=32)).replace(day=1)
    assert all(one[2] == following[1] for one, following in pairwise(counted))
    assert all(until - since <= timedelta(days=1) for _, since, until in counted)
    (found,) = await rows(store, "run_rollup", "grain = 'all'")
    assert (found["gone"], found["runs"]) == (False, 2)


async def test_the_newest_of_two_bundles_counts(store: Store) -> None:
    """A run that was archived twice is read from its newest bundle."""
    run = await ended(store)
    (first,) = await archive(store)
    await store.archive.restore(TENANT, first.id, hold_days=0)
    await store.runs.append_event(TENANT, run.id, "noted")
    (second,) = await archive(store)
    await run_sql(store, LOST)
    await store.archive.reindex(TENANT)
    assert [row["bundle_id"] for row in await rows(store, "run_archive")] == [second.id]
    bundles = {one.id: one.status for one in await store.archive.list(TENANT)}
    assert bundles == {first.id: "restored", second.id: "archived"}


async def test_foreign_and_damaged_bundles_are_reported(store: Store, storage: Storage) -> None:
    """What lies in a wrong folder, is altered or unfinished is told and not used."""
    await small(store, 1)
    (good,) = await archive(store)
    await small(store, 1)
    (altered,) = await archive(store)
    await small(store, 1)
    (unfinished,) = await archive(store)
    await small(store, 1, OTHER)
    (foreign,) = await archive(store, OTHER)
    storage.put(f"{altered.prefix}/tasks.parquet", b"PAR1")
    storage.delete(f"{unfinished.prefix}/manifest.json")
    folder = foreign.prefix.replace(OTHER, TENANT)
    for key in [key for key in keys(storage) if key.startswith(foreign.prefix)]:
        storage.put(f"{folder}/{Path(key).name}", storage.get(key))
    await run_sql(store, LOST)
    done = await store.archive.reindex(TENANT)
    assert (done.bundles, done.runs, done.unfinished) == (1, 1, [unfinished.prefix])
    assert set(done.refused) == {altered.prefix, folder}
    assert "altered" in done.refused[altered.prefix]
    assert OTHER in done.refused[folder]
    assert [row["bundle_id"] for row in await rows(store, "run_archive")] == [good.id]


async def test_another_manifest_than_the_ledgers_is_refused(store: Store, storage: Storage) -> None:
    """Where the ledger still knows a bundle, a manifest that was changed is not trusted."""
    await small(store, 1)
    (bundle,) = await publish(store)
    key = f"{bundle.prefix}/manifest.json"
    manifest = orjson.loads(storage.get(key))
    storage.put(key, orjson.dumps({**manifest, "flowkeep": "0"}))
    done = await store.archive.reindex(TENANT)
    assert "another manifest" in done.refused[bundle.prefix]
    assert await rows(store, "run_archive") == []
