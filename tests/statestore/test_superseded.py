"""What is marked as undone counts for nothing, whatever is reported of it afterwards."""

from typing import Any

import pytest

from flowkeep.contracts import NewTask, Run, RunRef, RunStatus, TaskStatus
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    close_of,
    counters,
    failed,
    record_of,
    running,
    step,
)

OPEN: dict[str, Any] = {"status": TaskStatus.RUNNING, "finished_at": None}


async def undo(store: Store, ref: RunRef, *keys: tuple[str, int]) -> None:
    """Mark attempts as undone."""
    marked = [record_of(ref.temporal_run_id, *key) for key in keys]
    assert await store.system.mark_superseded(ref.run_id, marked, superseded=True) == len(keys)


async def count(store: Store, run: Run) -> tuple[int, int, int]:
    """Return the counters of a run, which are those of its rows."""
    assert await store.system.wrong_counters([run.id]) == []
    return await counters(store, run.id)


async def test_a_mark_and_what_it_changes_are_one(store: Store) -> None:
    """Marking attempts counts anew, and so does taking the mark away."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, "a"), failed(ref, "b", next_retry_at=None)])
    await undo(store, ref, ("b", 1))
    assert await count(store, run) == (1, 1, 0)
    marked = [record_of(ref.temporal_run_id, "b")]
    assert await store.system.mark_superseded(run.id, marked, superseded=False) == 1
    assert await count(store, run) == (2, 2, 1)


async def test_a_retry_that_never_comes(store: Store) -> None:
    """A task whose last attempt is known to be its last has ended, and is counted so."""
    run, ref = await running(store)
    await store.system.record([failed(ref)])
    assert await count(store, run) == (1, 0, 1)
    assert await store.system.expect_no_retry(run.id, [record_of(ref.temporal_run_id)]) == 1
    assert await count(store, run) == (1, 1, 1)


async def test_a_late_record_of_what_was_undone(store: Store) -> None:
    """A worker that reports how an undone attempt ended changes its row and no counter."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, "a", **OPEN)])
    await undo(store, ref, ("a", 1))
    assert await count(store, run) == (0, 0, 0)
    assert await store.system.record([failed(ref, "a", recorded_at=at(9))]) == 1
    assert await count(store, run) == (0, 0, 0)


async def test_an_undone_attempt_above_one_that_counts(store: Store) -> None:
    """A task ends with its last attempt that counts: one above that was undone hides nothing."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, "a", **OPEN), failed(ref, "a", 2, next_retry_at=None)])
    await undo(store, ref, ("a", 2))
    assert await count(store, run) == (1, 0, 0)
    await store.system.record([attempt(ref, "a", recorded_at=at(9))])
    assert await count(store, run) == (1, 1, 0)


async def test_a_new_attempt_of_an_undone_task(store: Store) -> None:
    """A task of which everything was undone counts again with its first attempt that is not."""
    run, ref = await running(store)
    await store.system.record([failed(ref, "a")])
    await undo(store, ref, ("a", 1))
    await store.system.record([attempt(ref, "a", 2)])
    assert await count(store, run) == (1, 1, 0)


@pytest.mark.parametrize("way", ["together", "alone"])
async def test_the_end_of_a_run(store: Store, way: str) -> None:
    """An end closes undone attempts too, and counts those tasks only of which something is kept."""
    run, ref = await running(store)
    await store.system.record(
        [
            attempt(ref, "undone", **OPEN),
            attempt(ref, "kept", **OPEN),
            attempt(ref, "kept", 2, **OPEN),
            failed(ref, "retried"),
        ]
    )
    await undo(store, ref, ("undone", 1), ("kept", 2), ("retried", 1))
    assert await count(store, run) == (1, 0, 0)
    if way == "together":
        await store.system.record([], closes=[close_of(ref)])
    else:
        await store.runs.fail(TENANT, run.id, status=RunStatus.CANCELLED)
    assert await count(store, run) == (1, 1, 0)
    rows = (await store.tasks.list_attempts(TENANT, run.id)).data
    assert all(row.status.terminal and row.next_retry_at is None for row in rows)


async def test_a_caller_changes_what_was_undone(store: Store) -> None:
    """Callers may end an undone task of theirs; it counts for nothing all the same."""
    run, ref = await running(store)
    mine = {"task_name": "s", "temporal_run_id": ref.temporal_run_id, "activity_id": "s"}
    first = await step(store, run, **mine, status=TaskStatus.RUNNING)
    second = await store.tasks.insert(
        TENANT, NewTask(run_id=run.id, **mine, attempt=2, status=TaskStatus.RUNNING)
    )
    await undo(store, ref, ("s", 2))
    assert await count(store, run) == (1, 0, 0)
    undone = await store.tasks.get(TENANT, second.ref)
    await store.tasks.update(TENANT, undone.evolve(status="failed"))
    assert await count(store, run) == (1, 0, 0)
    await store.tasks.update(TENANT, first.evolve(status="succeeded"))
    assert await count(store, run) == (1, 1, 0)
