"""Archived runs answer through the ordinary reads, alike to what they answered before."""

from typing import Any

import pytest

from flowkeep.contracts import Run, TaskKey
from flowkeep.errors import Conflict, Incomplete, InvalidInput, NotFound
from flowkeep.statestore import Store
from flowkeep.storage import Storage
from tests.statestore.archive.support import archive, ended, small
from tests.statestore.records import OTHER, TENANT, attempt, ref_of


async def answers(store: Store, run: Run) -> dict[str, Any]:
    """Return what every read says of a run, page by page."""
    runs, tasks, run_id = store.runs, store.tasks, run.id
    newest = await runs.list_events(TENANT, run_id, 2)
    first = await tasks.list_tasks(TENANT, run_id, 2)
    some = await tasks.list_attempts(TENANT, run_id, limit=2)
    key = TaskKey(run_id=run_id, temporal_run_id=str(run.temporal_run_id), activity_id="1")
    return {
        "run": (await runs.get(TENANT, run_id)).evolve(archived=False),
        "of app": await runs.get_run_by_id(TENANT, "other", run_id),
        "events": list(await runs.list_events(TENANT, run_id, 1000)),
        "two events": list(newest),
        "older events": list(await runs.list_events(TENANT, run_id, 3, before=newest[-1].seq)),
        "none": list(await runs.list_events(TENANT, run_id, 0)),
        "segments": list(await runs.list_segments(TENANT, run_id)),
        "pauses": list(await runs.list_pauses(TENANT, run_id)),
        "tasks": first,
        "more tasks": await tasks.list_tasks(TENANT, run_id, 2, first.data[-1].key),
        "attempts": some,
        "more attempts": await tasks.list_attempts(
            TENANT, run_id, limit=100, cursor=some.data[-1].attempt_key
        ),
        "one": await tasks.list_attempts(TENANT, run_id, "1"),
        "task": await tasks.get(TENANT, key),
        "arguments": await store.state.get_arguments(TENANT, run_id),
    }


async def test_reads_are_the_same(store: Store) -> None:
    """Every read of a run gives the same before and after, but for the mark `archived`."""
    run = await ended(store)
    await small(store, 20)
    before = await answers(store, run)
    await archive(store)
    assert await answers(store, run) == before
    assert (await store.runs.get(TENANT, run.id)).archived
    listed = await store.runs.get_paginated_runs(TENANT, owner="ada")
    assert [(one.id, one.archived) for one in listed] == [(run.id, True)]
    whole = await store.archive.read(TENANT, run.id)
    assert whole.run == await store.runs.get(TENANT, run.id)
    assert whole.attempts == list(await store.tasks.list_attempts(TENANT, run.id))
    assert whole.events == before["events"][::-1]
    assert whole.arguments == before["arguments"]


async def test_a_run_that_is_restored_meanwhile_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored after the table was read and before the archive is, a run still exists."""
    run = await ended(store)
    (bundle,) = await archive(store)
    look = store.runs._archived.run

    async def restore_first(*named: Any) -> Run | None:
        await store.archive.restore(TENANT, bundle.id)
        return await look(*named)

    monkeypatch.setattr(store.runs._archived, "run", restore_first)
    found = await store.runs.get_run_by_id(TENANT, None, run.id)
    assert found is not None
    assert (found.id, found.archived) == (run.id, False)


async def test_other_tenants_see_nothing(store: Store) -> None:
    """An archived run is absent for every other tenant, and unknown to its writes."""
    run = await ended(store)
    await archive(store)
    assert await store.runs.get_run_by_id(OTHER, None, run.id) is None
    assert not await store.runs.list_events(OTHER, run.id)
    assert not (await store.tasks.list_attempts(OTHER, run.id)).data
    with pytest.raises(NotFound):
        await store.archive.read(OTHER, run.id)
    with pytest.raises(NotFound):
        await store.state.get_arguments(OTHER, run.id)


async def test_cursors_of_other_runs_are_refused(store: Store) -> None:
    """A cursor that names no task of the archived run is an error, as it was before."""
    run = await ended(store)
    await archive(store)
    with pytest.raises(InvalidInput, match="names no task"):
        await store.tasks.list_tasks(TENANT, run.id, cursor="x/y")
    with pytest.raises(InvalidInput, match="names no task"):
        await store.tasks.list_attempts(TENANT, run.id, cursor="x/y/1")


async def test_writes_are_refused(store: Store) -> None:
    """Every command on an archived run is a conflict that names the way back."""
    run = await ended(store)
    await archive(store)
    for call in (
        store.runs.append_event(TENANT, run.id, "noted"),
        store.runs.patch_state(TENANT, run.id, {"a": 1}),
        store.runs.request_cancel(TENANT, run.id),
        store.runs.update_with_revision(TENANT, run),
    ):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.code == "RUN_ARCHIVED"
        assert "archive restore" in refused.value.hint


async def test_late_records_are_dropped(store: Store) -> None:
    """A record that arrives after archiving neither fails nor brings the run back."""
    run = await ended(store)
    await archive(store)
    ref = ref_of(run, temporal_run_id=run.temporal_run_id)
    await store.system.record([attempt(ref, "late")])
    assert (await store.runs.get(TENANT, run.id)).archived
    assert len((await store.tasks.list_attempts(TENANT, run.id)).data) == 8


async def test_a_missing_object_is_no_missing_run(store: Store, storage: Storage) -> None:
    """A bundle that is gone is told as damage; it never looks as if the run did not exist."""
    run = await ended(store)
    (bundle,) = await archive(store)
    storage.delete(f"{bundle.prefix}/runs.parquet")
    with pytest.raises(Incomplete, match="missing"):
        await store.runs.get(TENANT, run.id)
    storage.put(f"{bundle.prefix}/tasks.parquet", b"no Parquet at all")
    with pytest.raises(Incomplete, match="cannot be read"):
        await store.tasks.list_attempts(TENANT, run.id)
