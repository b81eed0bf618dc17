"""Deleting moves what is the same as published, and nothing else."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flowkeep.contracts import Run, RunKind, RunStatus, Source
from flowkeep.contracts.archive import ArchiveProgress, Bundle, BundleStatus
from flowkeep.errors import Conflict, Forbidden, NotFound
from flowkeep.statestore import Store
from tests.statestore.archive.support import (
    archive,
    ended,
    everything,
    publish,
    rows,
    small,
    tables,
)
from tests.statestore.records import OTHER, TENANT, at, attempt, new_id, ref_of, running


async def verified(store: Store) -> Bundle:
    """Publish everything into one bundle and verify it."""
    (bundle,) = await publish(store)
    return (await store.archive.verify(TENANT, bundle.id)).bundle


async def test_rows_move_in_one_go(store: Store) -> None:
    """After deletion no table holds a row of the run but its summary line and its labels."""
    run = await ended(store)
    (bundle,) = await archive(store)
    left = await everything(store, run.id)
    labels = left.pop("run_label")
    assert not any(left.values()), left
    assert {(row["key"], row["archived"]) for row in labels} == {("month", True), ("odd", True)}
    (line,) = await rows(store, "run_archive")
    assert (line["id"], line["bundle_id"], line["revision"]) == (run.id, bundle.id, run.revision)
    assert await rows(store, "payload") == []
    assert await rows(store, "archive_pending") == []
    found = await store.archive.get(TENANT, bundle.id)
    assert found.status is BundleStatus.ARCHIVED
    assert found.deleted_at is not None


async def test_repeating_changes_nothing(store: Store) -> None:
    """A second deletion finds everything moved already."""
    await small(store, 5)
    (bundle,) = await archive(store)
    before = await rows(store, "run_archive")
    done = await store.archive.delete(TENANT, bundle.id)
    assert (done.archived, done.before, done.kept, done.gone) == (0, 5, 0, 0)
    assert await rows(store, "run_archive") == before


async def hold(store: Store, run: Run) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE flowkeep.run SET hold_until = now() + interval '1 day' WHERE id = :id"),
            {"id": run.id},
        )


async def policy(store: Store, _run: Run) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO flowkeep.retention_policy (id, tenant_id, legal_hold, created_at,"
                " updated_at) VALUES (gen_random_uuid(), 'acme', true, now(), now())"
            )
        )


async def late_attempt(store: Store, run: Run) -> None:
    ref = ref_of(run, temporal_run_id=run.temporal_run_id)
    await store.system.record([attempt(ref, "late")])


async def stronger_attempt(store: Store, run: Run) -> None:
    """Older than what is stored, of a stronger source: neither count nor newest time changes."""
    ref = ref_of(run, temporal_run_id=run.temporal_run_id)
    tasks = await store.tasks.list_attempts(TENANT, run.id)
    one = next(task for task in tasks if task.activity_id == "2")
    late = attempt(ref, "2", recorded_at=at(-5), output={"other": 1}, source=Source.SERVER)
    await store.system.record([late])
    assert one != next(
        task for task in await store.tasks.list_attempts(TENANT, run.id) if task.activity_id == "2"
    )


async def event(store: Store, run: Run) -> None:
    await store.runs.append_event(TENANT, run.id, "noted")


async def corrected(store: Store, run: Run) -> None:
    await store.runs.record_outcome(
        TENANT, run.id, RunStatus.FAILED, source=Source.SERVER, closed_at=at(200)
    )


async def open_child(store: Store, run: Run) -> None:
    await running(store, parent_run_id=run.id)


async def new_chunk(store: Store, run: Run) -> None:
    chunk, _ = await running(store, parent_run_id=run.id, kind=RunKind.CHUNK)
    await store.runs.finish(TENANT, chunk.id)


CHANGES = (
    hold,
    policy,
    late_attempt,
    stronger_attempt,
    event,
    corrected,
    open_child,
    new_chunk,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_run_that_changed_stays(store: Store, change: Any) -> None:
    """Whatever happens to a run after publishing keeps it, and only it, in the tables."""
    other = await ended(store)
    run = await ended(store)
    bundle = await verified(store)
    await change(store, run)
    before = await everything(store, run.id)
    done = await store.archive.delete(TENANT, bundle.id)
    kept = {run.id, other.id} if change is policy else {run.id}
    assert (done.archived, done.kept) == (2 - len(kept), len(kept))
    assert await everything(store, run.id) == before
    assert {row["id"] for row in await rows(store, "run_archive")} == {run.id, other.id} - kept
    assert await rows(store, "archive_pending") == []


async def test_what_was_kept_is_published_again(store: Store) -> None:
    """A changed run goes into the next bundle."""
    run = await ended(store)
    bundle = await verified(store)
    await corrected(store, run)
    check = await store.archive.verify(TENANT, bundle.id)
    assert (check.runs, check.changed, check.gone) == (1, 1, 0)
    assert (await store.archive.delete(TENANT, bundle.id)).kept == 1
    (again,) = await archive(store)
    assert [row["bundle_id"] for row in await rows(store, "run_archive")] == [again.id]


async def test_a_family_moves_as_one(store: Store) -> None:
    """A chunk that changed keeps its run and the other chunks."""
    parent = await ended(store)
    chunks: list[UUID] = []
    for _ in range(3):
        chunk, _ = await running(store, kind=RunKind.CHUNK, parent_run_id=parent.id)
        await store.runs.finish(TENANT, chunk.id)
        chunks.append(chunk.id)
    single = await ended(store)
    bundle = await verified(store)
    await store.runs.append_event(TENANT, chunks[1], "noted")
    done = await store.archive.delete(TENANT, bundle.id)
    assert (done.archived, done.kept) == (1, 4)
    assert [row["id"] for row in await rows(store, "run_archive")] == [single.id]


async def test_runs_deleted_meanwhile_are_counted(store: Store) -> None:
    """A run that somebody deleted since publishing is gone, not archived."""
    runs = await small(store, 3)
    bundle = await verified(store)
    await store.runs.delete_runs_by_ids(TENANT, [runs[0].id])
    done = await store.archive.delete(TENANT, bundle.id)
    assert (done.archived, done.gone) == (2, 1)
    assert len(await rows(store, "run_archive")) == 2


async def test_only_verified_bundles(store: Store) -> None:
    """A bundle that nobody read back is refused; one of another tenant is forbidden."""
    await small(store, 2)
    (bundle,) = await publish(store)
    before = await tables(store)
    with pytest.raises(Conflict, match="verify it first"):
        await store.archive.delete(TENANT, bundle.id)
    for method in (store.archive.verify, store.archive.delete, store.archive.restore):
        with pytest.raises(Forbidden):
            await method(OTHER, bundle.id)
        with pytest.raises(NotFound):
            await method(TENANT, new_id())
    assert await tables(store) == before


async def test_progress_is_told(store: Store) -> None:
    """Deleting says after each transaction how many runs have moved."""
    await small(store, 3)
    bundle = await verified(store)
    said: list[ArchiveProgress] = []
    await store.archive.delete(TENANT, bundle.id, on_progress=said.append)
    assert [(one.step, one.runs) for one in said] == [("deleted", 3)]


async def test_discarding_gives_the_runs_free(store: Store, storage: Any) -> None:
    """A discarded bundle leaves no object and its runs can be published again."""
    await small(store, 2)
    bundle = await verified(store)
    await store.archive.discard(TENANT, bundle.id)
    assert list(storage.list()) == []
    (again,) = await archive(store)
    with pytest.raises(Conflict, match="restore them first"):
        await store.archive.discard(TENANT, again.id)
    await store.archive.restore(TENANT, again.id)
    await store.archive.discard(TENANT, again.id)
    assert list((await store.archive.list(TENANT)).data) == []
