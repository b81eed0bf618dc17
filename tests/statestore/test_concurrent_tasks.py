"""Two writers at the same tasks, each in a real transaction of its own."""

import asyncio
from typing import Any

import pytest

from flowkeep.contracts import NewTask, Source, Task, TaskKey, TaskStatus, TaskType
from flowkeep.errors import AlreadyTerminal, Conflict
from flowkeep.statestore import Store
from tests.statestore.callers import callers_connection
from tests.statestore.locks import blocked
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    counters,
    failed,
    record_of,
    running,
    step,
)


async def test_of_two_claimers_one_gets_the_task(store: Store, second: Store) -> None:
    """However many ask at once, exactly one is told that the task is theirs."""
    run, _ = await running(store)
    for index in range(5):
        answers = await asyncio.gather(
            *(
                by.tasks.claim(TENANT, run.id, "load", index, worker=f"w{n}")
                for n, by in enumerate([store, second] * 3)
            )
        )
        assert sum(created for _, created in answers) == 1
        winner = next(n for n, (_, created) in enumerate(answers) if created)
        assert {row.worker for row, _ in answers} == {f"w{winner}"}
    assert await counters(store, run.id) == (5, 0, 0)


async def test_a_claim_that_was_not_committed_is_nobodys(store: Store, second: Store) -> None:
    """Who asks while another's claim is open waits; when that is undone, the task is theirs."""
    run, _ = await running(store)
    async with callers_connection(store) as connection:
        _, created = await store.using(connection).tasks.claim(TENANT, run.id, "s", worker="first")
        assert created
        asked = asyncio.create_task(second.tasks.claim(TENANT, run.id, "s", worker="second"))
        await blocked(store)
        await connection.rollback()
    row, created = await asked
    assert (row.worker, created) == ("second", True)
    assert await counters(store, run.id) == (1, 0, 0)


async def test_two_inserts_of_one_task_are_one(store: Store, second: Store) -> None:
    """Alike both return the same row; with another input the later one is a Conflict."""
    run, _ = await running(store)
    one = NewTask(run_id=run.id, task_name="s", input={"n": 1})
    alike = await asyncio.gather(*(by.tasks.insert(TENANT, one) for by in (store, second) * 3))
    assert all(row == alike[0] for row in alike)
    answers = await asyncio.gather(
        *(
            by.tasks.insert(TENANT, NewTask(run_id=run.id, task_name="t", input=n))
            for n, by in enumerate((store, second))
        ),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Task"]
    assert await counters(store, run.id) == (2, 0, 0)


async def test_of_two_changes_of_one_reading_one_is_made(store: Store, second: Store) -> None:
    """Two who read the same row and change it: one wins, the other must read again."""
    run, _ = await running(store)
    read = await step(store, run, status=TaskStatus.RUNNING)
    ends: list[dict[str, Any]] = [{"status": "succeeded", "output": 1}, {"status": "failed"}]
    answers = await asyncio.gather(
        *(
            by.tasks.update(TENANT, read.evolve(**end))
            for by, end in zip((store, second), ends, strict=True)
        ),
        return_exceptions=True,
    )
    (won,) = [answer for answer in answers if isinstance(answer, Task)]
    (lost,) = [answer for answer in answers if isinstance(answer, Conflict)]
    assert lost.code == "STALE_TASK"
    assert await store.tasks.get(TENANT, read.ref) == won
    assert await counters(store, run.id) == (1, 1, int(won.status is TaskStatus.FAILED))


async def test_a_change_waits_for_the_close_of_its_run(store: Store, second: Store) -> None:
    """While the run closes an update waits; then its row was cancelled, so it must read again."""
    run, _ = await running(store)
    read = await step(store, run, status=TaskStatus.RUNNING)
    async with store.transaction() as tx:
        await tx.runs.finish(TENANT, run.id)
        update = asyncio.create_task(second.tasks.update(TENANT, read.evolve(status="waiting")))
        claim = asyncio.create_task(second.tasks.claim(TENANT, run.id, "other"))
        await blocked(store)
    with pytest.raises(Conflict, match="re-read"):
        await update
    with pytest.raises(AlreadyTerminal):
        await claim
    assert (await store.tasks.get(TENANT, read.ref)).status is TaskStatus.CANCELLED
    assert await counters(store, run.id) == (1, 1, 0)


async def test_nothing_stays_open_when_records_race_the_close(store: Store, second: Store) -> None:
    """Attempts reported while the run closes: none is open afterwards, and all are counted."""
    for _ in range(5):
        run, ref = await running(store)
        open_ = {"status": TaskStatus.RUNNING, "finished_at": None}
        await asyncio.gather(
            *(store.system.record([attempt(ref, f"a{n}", **open_)]) for n in range(3)),
            second.runs.finish(TENANT, run.id),
            *(second.system.record([failed(ref, f"b{n}")]) for n in range(3)),
            store.tasks.insert(TENANT, NewTask(run_id=run.id, task_name="s")),
        )
        rows = (await store.tasks.list_attempts(TENANT, run.id)).data
        assert len(rows) == 7
        assert all(row.status.terminal and row.next_retry_at is None for row in rows)
        assert await counters(store, run.id) == (7, 7, 3)


async def test_repeats_of_a_batch_at_once_count_once(store: Store, second: Store) -> None:
    """The same attempts from two recorders, in two orders, leave the rows and counters of one."""
    run, ref = await running(store)
    batch = [failed(ref, str(n)) for n in range(20)] + [attempt(ref, str(n), 2) for n in range(20)]
    written = await asyncio.gather(
        *(by.system.record(rows) for by in (store, second) for rows in (batch, batch[::-1]))
    )
    assert sum(written) == 40
    assert await counters(store, run.id) == (20, 20, 20)


async def test_a_caller_and_the_recorder_at_one_task(store: Store, second: Store) -> None:
    """Whoever comes first, the worker's record is what stays, and it is counted once."""
    run, ref = await running(store)
    for n in range(5):
        new = NewTask(
            run_id=run.id,
            task_name="fetch",
            activity_id=str(n),
            temporal_run_id=ref.temporal_run_id,
            type=TaskType.ACTIVITY,
        )
        await asyncio.gather(
            second.system.record([attempt(ref, str(n))]),
            store.tasks.insert(TENANT, new),
        )
        key = TaskKey(
            run_id=run.id, temporal_run_id=ref.temporal_run_id, activity_id=str(n), attempt=1
        )
        assert (await store.tasks.get(TENANT, key)).status is TaskStatus.SUCCEEDED
    assert await counters(store, run.id) == (5, 5, 0)


@pytest.mark.parametrize("later", [Source.WORKER, Source.SERVER])
async def test_a_flush_and_what_history_says_meet_at_one_attempt(
    store: Store, second: Store, later: Source
) -> None:
    """Whoever comes second counts from what the first has written, not from what was there before.

    A worker's flush has written a failure and not committed it when the same attempt, and the one
    after it, come from the reconciler or another worker.
    """
    run, ref = await running(store)
    async with store.transaction() as tx:
        await tx.system.record([failed(ref), failed(ref, "2")])
        late: dict[str, Any] = {"source": later, "recorded_at": at(9), "next_retry_at": None}
        told = [failed(ref, **late), attempt(ref, number=2), attempt(ref, "2", source=later)]
        meeting = asyncio.create_task(second.system.record(told))
        await blocked(store)
    assert await meeting == 2 + (later is Source.SERVER)
    assert await second.system.wrong_counters([run.id]) == []


async def test_a_mark_and_a_flush_meet_at_one_attempt(store: Store, second: Store) -> None:
    """Who marks what was undone waits for a flush, counts all of it, and the next flush does so."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, status=TaskStatus.RUNNING, finished_at=None)])
    marked = [record_of(ref.temporal_run_id)]
    async with store.transaction() as tx:
        await tx.system.record([failed(ref, next_retry_at=None)])
        marking = asyncio.create_task(
            second.system.mark_superseded(run.id, marked, superseded=True)
        )
        await blocked(store)
    assert await marking == 1
    assert await counters(store, run.id) == (0, 0, 0)
    async with store.transaction() as tx:
        await tx.system.mark_superseded(run.id, marked, superseded=False)
        recording = asyncio.create_task(
            second.system.record([failed(ref, number=2), attempt(ref, recorded_at=at(9))])
        )
        await blocked(store)
    assert await recording == 2
    assert await counters(store, run.id) == (1, 0, 1)
