"""Deleting archived runs: their lines and labels go, and holds are respected."""

import asyncio

import pytest

from flowkeep.contracts import RunKind
from flowkeep.errors import Conflict
from flowkeep.statestore import Store
from tests.statestore.archived import archive
from tests.statestore.definitions import new_definition
from tests.statestore.leftovers import sizes
from tests.statestore.locks import blocked
from tests.statestore.records import OTHER, TENANT, new_id, new_run
from tests.statestore.test_removal import ended


async def archive_lines(store: Store) -> int:
    """Return how many archived runs are listed, and make sure that no label is left of others."""
    async with store._scope.read() as session:
        lines = await session.execute("SELECT count(*) FROM {schema}.run_archive")
        lost = await session.execute(
            "SELECT count(*) FROM {schema}.run_label AS l WHERE archived"
            " AND NOT EXISTS (SELECT FROM {schema}.run_archive AS a WHERE a.id = l.run_id)"
        )
        assert lost.scalar_one() == 0
        return int(lines.scalar_one())


async def test_archived_runs_are_deleted_by_id(store: Store) -> None:
    """Archived runs go with their chunks and labels, are counted by dry runs, and stay away."""
    live, _ = await ended(store)
    archived, _ = await ended(store, labels={"a": "b"})
    kept, _ = await ended(store, labels={"a": "b"})
    chunk, _ = await ended(store, kind=RunKind.CHUNK, parent_run_id=archived.id)
    await archive(store, archived.id, kept.id, chunk.id)
    ids = [live.id, archived.id, new_id()]
    delete = store.runs.delete_runs_by_ids
    assert await delete(OTHER, ids) == 0
    assert await delete(TENANT, ids, dry_run=True) == 2
    assert await archive_lines(store) == 3
    assert await delete(TENANT, ids) == 2
    assert await archive_lines(store) == 1
    assert [run.id for run in await store.runs.get_paginated_runs(TENANT)] == [kept.id]
    assert await delete(TENANT, ids) == 0
    for gone in (archived.id, chunk.id):
        with pytest.raises(Conflict, match="deleted or archived"):
            await store.runs.create(TENANT, new_run(id=gone))


async def test_archived_runs_are_deleted_with_their_app(store: Store) -> None:
    """A hold of archived runs refuses the whole app, dry or not; without it all go, in batches."""
    definition = (await store.definitions.create(TENANT, new_definition())).id
    await ended(store, app_id="one")
    archived = [(await ended(store, app_id="one"))[0].id for _ in range(4)]
    archived.append((await ended(store, app_id="one", definition_id=definition))[0].id)
    other, _ = await ended(store, app_id="two")
    await archive(store, *archived, other.id)
    delete = store.runs.delete_runs_by_app
    await store.retention.set_policy(TENANT, definition_id=definition, days=None, legal_hold=True)
    for dry_run in (True, False):
        with pytest.raises(Conflict, match=rf"hold.*{archived[-1]}"):
            await delete(TENANT, "one", batch_size=2, force=True, dry_run=dry_run)
        with pytest.raises(Conflict, match=rf"hold.*{archived[-1]}"):
            await store.runs.delete_runs_by_ids(TENANT, archived, dry_run=dry_run)
    assert ((await sizes(store))["runs"], await archive_lines(store)) == (1, 6)
    await store.retention.delete_policy(TENANT, definition_id=definition)
    assert await delete(TENANT, "one", batch_size=2, dry_run=True) == 6
    assert await delete(TENANT, "one", batch_size=2) == 6
    assert ((await sizes(store))["runs"], await archive_lines(store)) == (0, 1)


async def test_a_hold_set_meanwhile_keeps_archived_runs(store: Store) -> None:
    """A hold that is set while archived runs are being deleted is waited for, and respected."""
    run, _ = await ended(store)
    await archive(store, run.id)
    async with store.transaction() as tx:
        await tx.retention.set_policy(TENANT, days=None, legal_hold=True)
        deleting = asyncio.create_task(store.runs.delete_runs_by_ids(TENANT, [run.id]))
        await blocked(store)
    with pytest.raises(Conflict, match="hold"):
        await deleting
    assert await archive_lines(store) == 1
