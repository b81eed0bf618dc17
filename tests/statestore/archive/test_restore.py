"""Restoring brings rows back exactly, once, with a hold."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from flowkeep.contracts import RunKind
from flowkeep.contracts.archive import BundleStatus
from flowkeep.errors import Conflict, InvalidInput, NotFound
from flowkeep.statestore import Store
from tests.statestore.archive.support import archive, ended, everything, publish, rows, small
from tests.statestore.records import TENANT, kinds, new_id, new_run, running


async def test_rows_come_back_exactly(store: Store) -> None:
    """Every row of every table is as it was, but for the hold and the two events that tell."""
    run = await ended(store)
    other = await ended(store, inputs=None, labels={}, arguments=None)
    before = {one.id: await everything(store, one.id) for one in (run, other)}
    (bundle,) = await archive(store)
    done = await store.archive.restore(TENANT, bundle.id, hold_days=7)
    assert (done.restored, done.absent) == (2, 0)
    assert done.bundle.status is BundleStatus.RESTORED
    for run_id, expected in before.items():
        found = await everything(store, run_id)
        assert found["run"][0].pop("hold_until") == done.hold_until
        assert expected["run"][0].pop("hold_until") is None
        events = found.pop("run_event")
        told = [row for row in events if row["kind"] in ("archived", "restored")]
        assert [row["payload"] for row in told] == [{"bundle_id": str(bundle.id)}] * 2
        assert [row for row in events if row not in told] == expected.pop("run_event")
        for row in (*found["arguments"], *expected["arguments"]):
            if row["arguments_of"] is not None:
                del row["created_at"], row["updated_at"]
        assert found == expected
        assert (await kinds(store, run_id))[-2:] == ["archived", "restored"]
    assert done.hold_until - datetime.now(UTC) > timedelta(days=6)
    assert await rows(store, "run_archive") == []
    assert await publish(store) == []


async def test_restored_runs_live_on(store: Store) -> None:
    """A restored run takes writes again, and new events come behind the old ones."""
    run = await ended(store)
    (bundle,) = await archive(store)
    await store.archive.restore(TENANT, bundle.id)
    event = await store.runs.append_event(TENANT, run.id, "noted")
    assert (await store.runs.list_events(TENANT, run.id))[0] == event
    assert not (await store.runs.get(TENANT, run.id)).archived


async def test_some_runs_of_a_bundle(store: Store) -> None:
    """Named runs come back with their chunks, the others stay archived; repeating is safe."""
    parent = await ended(store)
    chunk, _ = await running(store, kind=RunKind.CHUNK, parent_run_id=parent.id)
    await store.runs.finish(TENANT, chunk.id)
    others = await small(store, 3)
    (bundle,) = await archive(store)
    done = await store.archive.restore(TENANT, bundle.id, [parent.id])
    assert (done.restored, done.absent, done.bundle.status) == (2, 0, BundleStatus.ARCHIVED)
    again = await store.archive.restore(TENANT, bundle.id, [parent.id])
    assert (again.restored, again.absent) == (0, 2)
    rest = await store.archive.restore(TENANT, bundle.id)
    assert (rest.restored, rest.absent, rest.bundle.status) == (3, 2, BundleStatus.RESTORED)
    for one in others:
        assert await kinds(store, one.id) == [*(await kinds(store, one.id))]
    assert len(await rows(store, "run")) == 5


async def test_an_open_run_of_the_same_workflow_id_is_no_conflict(store: Store) -> None:
    """A workflow_id that runs again keeps its new run, its alias, and gets the old run back."""
    run = await ended(store, workflow_id="again")
    (bundle,) = await archive(store)
    new = await store.runs.create(TENANT, new_run(workflow_id="again", arguments={"new": 1}))
    await store.archive.restore(TENANT, bundle.id)
    page = await store.runs.find_by_workflow_id(TENANT, "again")
    assert {one.id for one in page} == {run.id, new.id}
    aliases = await rows(store, "state_entry", "key = 'again'")
    assert [row["arguments_of"] for row in aliases] == [new.id]


async def test_again_and_again(store: Store) -> None:
    """A run that was archived, restored and archived again lies in the newest bundle only."""
    run = await ended(store)
    (first,) = await archive(store)
    await store.archive.restore(TENANT, first.id, hold_days=0)
    (second,) = await archive(store)
    assert [row["bundle_id"] for row in await rows(store, "run_archive")] == [second.id]
    assert (await store.archive.restore(TENANT, first.id)).restored == 0
    await store.archive.restore(TENANT, second.id)
    told = [kind for kind in await kinds(store, run.id) if kind in ("archived", "restored")]
    assert told == ["archived", "restored"] * 2


async def test_an_older_ledger_counts_on(store: Store) -> None:
    """Numbers given after a restore are higher than the restored ones, on an older backup too."""
    run = await ended(store)
    (bundle,) = await archive(store)
    async with store.transaction() as tx:
        for table in ("run_event", "run_segment"):
            await tx.connection.execute(
                text(f"ALTER TABLE flowkeep.{table} ALTER COLUMN seq RESTART WITH 1")
            )
    await store.archive.restore(TENANT, bundle.id)
    event = await store.runs.append_event(TENANT, run.id, "noted")
    assert (await store.runs.list_events(TENANT, run.id))[0].seq == event.seq


async def test_bad_input(store: Store) -> None:
    """Unknown runs, empty lists, odd holds and bundles that are not archived are refused."""
    await small(store, 1)
    (bundle,) = await publish(store)
    with pytest.raises(Conflict, match="still in the tables"):
        await store.archive.restore(TENANT, bundle.id)
    await store.archive.verify(TENANT, bundle.id)
    await store.archive.delete(TENANT, bundle.id)
    with pytest.raises(NotFound, match="does not hold"):
        await store.archive.restore(TENANT, bundle.id, [new_id()])
    with pytest.raises(InvalidInput, match="empty list"):
        await store.archive.restore(TENANT, bundle.id, [])
    with pytest.raises(InvalidInput, match="hold_days"):
        await store.archive.restore(TENANT, bundle.id, hold_days=-1)
    assert len(await rows(store, "run_archive")) == 1
