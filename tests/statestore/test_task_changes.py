"""Tasks that callers move to their end."""

from datetime import datetime
from typing import Any

import pytest

from flowkeep.contracts import (
    NO_EXECUTION,
    ErrorInfo,
    NewTask,
    Source,
    TaskKey,
    TaskStatus,
)
from flowkeep.errors import (
    AlreadyTerminal,
    Conflict,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    NotFound,
)
from flowkeep.statestore import Store
from tests.statestore.records import (
    OTHER,
    TENANT,
    at,
    attempt,
    counters,
    failed,
    new_id,
    ref_of,
    running,
    step,
)

BOOM = ErrorInfo(code="BOOM", type="ValueError", message="boom")


UNCHANGEABLE: list[tuple[dict[str, Any], str]] = [
    ({"output": {"a": "\x00"}}, "output.a"),
    ({"output": "\ud800"}, "output"),
    ({"external_id": ""}, "external_id"),
    ({"worker": "x" * 1001}, "worker"),
    ({"error": BOOM.evolve(message="a\x00")}, "error.message"),
    ({"deadline_at": datetime(2026, 1, 1)}, "deadline_at"),  # noqa: DTZ001
    ({"next_retry_at": at(9)}, "next_retry_at"),
    ({"task_name": "t"}, "task_name"),
    ({"input": 7}, "input"),
    ({"source": Source.SERVER}, "source"),
]


async def test_changes_that_cannot_be_stored_are_named(store: Store) -> None:
    """An update of what never changes or cannot be held names the field and changes nothing."""
    run, _ = await running(store)
    added = await step(store, run, status=TaskStatus.RUNNING)
    for fields, named in UNCHANGEABLE:
        with pytest.raises(InvalidInput, match=named):
            await store.tasks.update(TENANT, added.evolve(**fields))
    assert await store.tasks.get(TENANT, added.ref) == added


async def test_a_task_is_moved_to_its_end(store: Store) -> None:
    """Times follow the moves, counters the end, and a repeat of each step changes nothing."""
    run, _ = await running(store)
    task = await step(store, run)
    for change in (
        {"status": "running", "deadline_at": at(5)},
        {"status": "waiting", "external_id": "job-1"},
        {"status": "running", "deadline_at": None},
        {"status": "succeeded", "output": {"n": 1}},
    ):
        before, wanted = task, task.evolve(**change)
        task = await store.tasks.update(TENANT, wanted)
        assert task.status == change["status"]
        assert task.updated_at > before.updated_at
        assert await store.tasks.update(TENANT, wanted) == task
    assert task.started_at is not None
    assert task.finished_at is not None
    assert (task.deadline_at, task.external_id, task.output) == (None, "job-1", {"n": 1})
    assert await counters(store, run.id) == (1, 1, 0)


async def test_a_stale_caller_is_told_to_read_again(store: Store) -> None:
    """Who read before another's change is refused by name, and what the other wrote stays."""
    run, _ = await running(store)
    read = await step(store, run)
    stored = await store.tasks.update(TENANT, read.evolve(status="running"))
    with pytest.raises(Conflict, match="re-read") as caught:
        await store.tasks.update(TENANT, read.evolve(status="cancelled"))
    assert caught.value.code == "STALE_TASK"
    assert await store.tasks.get(TENANT, read.ref) == stored
    async with store.transaction() as tx:
        first = await tx.tasks.update(TENANT, stored.evolve(status="waiting"))
        second = await tx.tasks.update(TENANT, first.evolve(status="running"))
        with pytest.raises(Conflict, match="re-read"):
            await tx.tasks.update(TENANT, first.evolve(status="failed"))
    assert await store.tasks.get(TENANT, read.ref) == second


async def test_an_ended_task_gets_only_what_it_lacks(store: Store) -> None:
    """An end is final: an empty output may be filled once, everything else is refused."""
    run, _ = await running(store)
    task = await step(store, run, status=TaskStatus.RUNNING)
    ended = await store.tasks.update(TENANT, task.evolve(status="succeeded"))
    filled = await store.tasks.update(TENANT, ended.evolve(output=[1], external_id="e"))
    assert (filled.output, filled.external_id, filled.updated_at) == ([1], "e", ended.updated_at)
    for change in (
        {"status": "failed"},
        {"status": "running"},
        {"output": [2]},
        {"output": None},
        {"error": BOOM},
        {"worker": "w"},
    ):
        with pytest.raises(AlreadyTerminal):
            await store.tasks.update(TENANT, filled.evolve(**change))
    with pytest.raises(InvalidInput, match="external_id"):
        await store.tasks.update(TENANT, filled.evolve(external_id="f"))
    assert await store.tasks.get(TENANT, task.ref) == filled
    assert await counters(store, run.id) == (1, 1, 0)


async def test_moves_that_make_no_sense_are_refused(store: Store) -> None:
    """What has not begun cannot succeed, and nothing goes back to pending."""
    run, _ = await running(store)
    task = await step(store, run)
    with pytest.raises(IllegalTransition, match=r"allowed: .*running"):
        await store.tasks.update(TENANT, task.evolve(status="succeeded"))
    task = await store.tasks.update(TENANT, task.evolve(status="running"))
    for status in ("pending", "skipped"):
        with pytest.raises(IllegalTransition):
            await store.tasks.update(TENANT, task.evolve(status=status))
    assert await store.tasks.get(TENANT, task.ref) == task


async def test_retries_are_counted_once(store: Store) -> None:
    """A failure that is tried again is an exception but no end; giving up or succeeding is."""
    run, _ = await running(store)
    first = await step(store, run, status=TaskStatus.RUNNING)
    first = await store.tasks.update(
        TENANT, first.evolve(status="failed", error=BOOM, next_retry_at=at(60))
    )
    assert await counters(store, run.id) == (1, 0, 1)
    second = await step(store, run, attempt=2, status=TaskStatus.RUNNING)
    assert second.retry_count == 1
    assert await counters(store, run.id) == (1, 0, 1)
    await store.tasks.update(TENANT, first.evolve(next_retry_at=None))
    assert await counters(store, run.id) == (1, 0, 1)
    second = await store.tasks.update(
        TENANT, second.evolve(status="timed_out", next_retry_at=at(90))
    )
    assert await counters(store, run.id) == (1, 0, 2)
    await store.tasks.update(TENANT, second.evolve(next_retry_at=None))
    assert await counters(store, run.id) == (1, 1, 2)
    with pytest.raises(AlreadyTerminal):
        await store.tasks.update(TENANT, second.evolve(next_retry_at=at(99)))
    latest = await store.tasks.get(TENANT, TaskKey(run_id=run.id, activity_id="s"))
    assert (latest.attempt, latest.timed_out) == (2, True)


async def test_a_run_that_ended_takes_its_tasks_along(store: Store) -> None:
    """Open tasks are cancelled with the run; their real end may follow, nothing else."""
    run, _ = await running(store)
    task = await step(store, run, status=TaskStatus.RUNNING)
    await store.runs.finish(TENANT, run.id)
    late = await step(store, run, task_name="late")
    done = await step(store, run, task_name="done", status=TaskStatus.SUCCEEDED)
    with pytest.raises(Conflict, match="re-read"):
        await store.tasks.update(TENANT, task.evolve(status="succeeded"))
    cut = await store.tasks.get(TENANT, task.ref)
    for row in (cut, late):
        assert row.error is not None
        assert (row.status, row.error.code) == (TaskStatus.CANCELLED, "RUN_CLOSED")
    assert done.status is TaskStatus.SUCCEEDED
    assert await counters(store, run.id) == (3, 3, 0)
    with pytest.raises(AlreadyTerminal):
        await store.tasks.update(TENANT, cut.evolve(status="running"))
    real = await store.tasks.update(TENANT, cut.evolve(status="succeeded", output=1))
    assert (real.status, real.error, real.output) == (TaskStatus.SUCCEEDED, None, 1)
    await store.tasks.update(TENANT, late.evolve(status="failed", error=BOOM))
    assert await counters(store, run.id) == (3, 3, 1)


async def test_what_a_worker_recorded_is_not_for_callers_to_move(store: Store) -> None:
    """A caller may note who carries a recorded task out; its status is the recorder's."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, status=TaskStatus.RUNNING, finished_at=None)])
    key = TaskKey(run_id=run.id, temporal_run_id=ref.temporal_run_id, activity_id="1")
    task = await store.tasks.get(TENANT, key)
    noted = await store.tasks.update(TENANT, task.evolve(external_id="job-1"))
    assert (noted.external_id, noted.updated_at) == ("job-1", task.updated_at)
    for change in ({"status": "succeeded"}, {"output": 1}, {"deadline_at": at(1)}):
        with pytest.raises(Conflict) as caught:
            await store.tasks.update(TENANT, noted.evolve(**change))
        assert caught.value.code == "RECORDED_TASK"
    assert await store.tasks.get(TENANT, key) == noted
    await store.system.record([attempt(ref)])
    ended = await store.tasks.get(TENANT, key)
    assert (ended.status, ended.external_id) == (TaskStatus.SUCCEEDED, "job-1")


async def test_a_record_replaces_what_a_caller_said(store: Store) -> None:
    """A task that a caller announced is the worker's as soon as the worker reports it."""
    run, ref = await running(store)
    added = await step(
        store, run, activity_id="1", temporal_run_id=ref.temporal_run_id, task_name="fetch"
    )
    await store.system.record([failed(ref)])
    stored = await store.tasks.get(TENANT, added.ref)
    assert (stored.status, stored.source) == (TaskStatus.FAILED, Source.WORKER)
    assert await counters(store, run.id) == (1, 0, 1)


async def test_tasks_of_other_people_and_of_no_run(store: Store) -> None:
    """A missing run or attempt is not found, another tenant's run is forbidden."""
    run, _ = await running(store)
    task = await step(store, run)
    new = NewTask(run_id=new_id(), task_name="s")
    with pytest.raises(NotFound):
        await store.tasks.insert(TENANT, new)
    with pytest.raises(NotFound):
        await store.tasks.claim(TENANT, new.run_id, "s")
    with pytest.raises(NotFound, match="attempt 2"):
        await store.tasks.update(TENANT, task.evolve(attempt=2))
    with pytest.raises(NotFound):
        await store.tasks.get(TENANT, task.ref.evolve(activity_id="t"))
    with pytest.raises(InvalidInput, match="attempt"):
        await store.tasks.get(TENANT, task.ref.evolve(attempt=0))
    with pytest.raises(NotFound):
        await store.tasks.get(OTHER, task.ref)
    with pytest.raises(Forbidden):
        await store.tasks.update(TENANT, task.evolve(tenant_id=OTHER))
    with pytest.raises(InvalidInput, match="Temporal"):
        await store.tasks.upsert_attempts(
            TENANT, [attempt(ref_of(run, temporal_run_id=NO_EXECUTION))]
        )
