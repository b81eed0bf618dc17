"""What comes too late for a run that is gone does not bring it back."""

import pytest

from flowkeep.contracts import PauseRequest, RunKind
from flowkeep.errors import Conflict, NotFound
from flowkeep.statestore import Store
from flowkeep.statestore.repositories import tombstones
from tests.statestore.leftovers import sizes
from tests.statestore.records import (
    TENANT,
    attempt,
    close_of,
    new_id,
    new_run,
    ref_of,
    running,
)


async def test_late_records_are_dropped(store: Store, second: Store) -> None:
    """Attempts, ends and pauses of a deleted run write nothing; others of the batch are written."""
    run, ref = await running(store)
    await second.system.record([attempt(ref)])
    other, other_ref = await running(store)
    await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    late = [attempt(ref, "2"), attempt(other_ref)]
    for known in (second, store):  # one had heard of the run before, one not
        await known.system.record(late)
        with pytest.raises(NotFound, match="deleted"):
            await known.system.close_segment(close_of(ref))
        with pytest.raises(NotFound, match="deleted"):
            await known.system.set_paused(ref, PauseRequest(paused=True))
    found = await sizes(store)
    assert (found["runs"], found["tasks"]) == (1, 1)
    assert [task.run_id for task in await store.tasks.list_attempts(TENANT, other.id)] == [other.id]


async def test_a_late_execution_of_a_gone_run_is_dropped(store: Store) -> None:
    """A later execution, and a late chunk, of a deleted run are not adopted either."""
    run, ref = await running(store)
    await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    later = ref_of(run, temporal_run_id=str(new_id()), first_run_id=ref.temporal_run_id)
    chunk = ref_of(new_run(), parent_run_id=run.id, kind=RunKind.CHUNK)
    child = ref_of(new_run(), parent_run_id=run.id)
    assert await store.system.record([attempt(later), attempt(chunk), attempt(child)]) == 1
    assert (await sizes(store))["runs"] == 1


async def test_an_id_is_not_used_again(store: Store) -> None:
    """Creating or saving a run under the id of a deleted one is a conflict."""
    run, _ = await running(store)
    await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    with pytest.raises(Conflict, match="deleted or archived"):
        await store.runs.create(TENANT, new_run(id=run.id, workflow_id=run.workflow_id))
    with pytest.raises(Conflict, match="deleted or archived"):
        await store.runs.save(TENANT, run)
    assert (await sizes(store))["runs"] == 0


async def test_old_marks_go(store: Store) -> None:
    """Tombstones older than 90 days are removed by apply, younger ones stay."""
    for _ in range(2):
        run, _ = await running(store)
        await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    async with store._scope.write() as session:
        await session.execute(
            "UPDATE {schema}.run_tombstone SET deleted_at = now() - make_interval(days => :days)"
            " WHERE run_id = :id",
            {"days": tombstones.KEPT_DAYS + 1, "id": run.id},
        )
    assert (await store.retention.apply(TENANT)).tombstones == 1
    assert (await sizes(store))["tombstones"] == 1


async def test_values_that_nobody_needs_are_swept(store: Store) -> None:
    """A big value without a run goes after a day, one that is needed stays."""
    _, ref = await running(store)
    await store.system.record([attempt(ref, output="x" * 9000)])
    async with store._scope.write() as session:
        await session.execute(
            "UPDATE {schema}.payload SET created_at = now() - make_interval(days => 2)"
        )
        await session.execute(
            "INSERT INTO {schema}.payload SELECT tenant_id, sha256(convert_to(n || '', 'UTF8')),"
            " size, encoding, data, created_at + make_interval(days => n)"
            " FROM {schema}.payload, generate_series(0, 2, 2) AS n"
        )
    assert (await store.retention.apply(TENANT)).payloads == 1
    assert (await sizes(store))["payloads"] == 2
