"""Whole flushes: attempts, starts and ends together, in one transaction and few statements."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from flowkeep.contracts import (
    Attempt,
    PauseRequest,
    RunStarted,
    RunStatus,
    SegmentClose,
    SegmentKind,
    TaskStatus,
)
from flowkeep.errors import Forbidden, InvalidInput, LedgerUnavailable
from flowkeep.statestore import Store
from tests.statestore.locks import blocked
from tests.statestore.plans import statements
from tests.statestore.records import (
    OTHER,
    TENANT,
    at,
    attempt,
    close_of,
    counters,
    failed,
    kinds,
    new_run,
    ref_of,
    running,
)


async def test_concurrent_flushes_of_whole_runs_agree(store: Store, second: Store) -> None:
    """Starts, attempts and ends of the same runs, known and unknown, from many writers at once."""
    asked = [await store.runs.create(TENANT, new_run()) for _ in range(6)]
    refs = [ref_of(run) for run in asked] + [ref_of(new_run()) for _ in range(6)]
    starts = [RunStarted(run=ref, started_at=at(0)) for ref in refs[:6]]
    attempts = [attempt(ref, str(n)) for ref in refs for n in range(3)]
    closes = [close_of(ref, outputs={"n": 1}, expected_tasks=3) for ref in refs]
    order = random.Random(5)

    async def flush(target: Store) -> None:
        mine = [*starts, *attempts, *closes]
        order.shuffle(mine)
        for begin in range(0, len(mine), 15):
            part = mine[begin : begin + 15]
            await target.system.record(
                [record for record in part if isinstance(record, Attempt)],
                closes=[record for record in part if isinstance(record, SegmentClose)],
                starts=[record for record in part if isinstance(record, RunStarted)],
            )

    await asyncio.gather(*(flush((store, second)[n % 2]) for n in range(8)))
    for n, ref in enumerate(refs):
        run = await store.runs.get(TENANT, ref.run_id)
        assert (run.status, run.outputs) == (RunStatus.SUCCEEDED, {"n": 1})
        assert (run.tasks_total, run.tasks_finished) == (3, 3)
        begin = ["created", "started"] if n < 6 else ["adopted"]
        assert await kinds(store, ref.run_id) == [*begin, "succeeded"]


async def test_a_whole_flush_takes_few_statements(store: Store) -> None:
    """However many runs a flush adopts, starts and closes, it asks the database the same often."""
    counts = []
    for size in (1, 20):
        asked = [ref_of(await store.runs.create(TENANT, new_run())) for _ in range(size)]
        refs = [*asked, *(ref_of(new_run()) for _ in range(size))]
        with statements(store) as told:
            await store.system.record(
                [attempt(ref) for ref in refs],
                closes=[close_of(ref) for ref in refs],
                starts=[RunStarted(run=ref, started_at=at(0)) for ref in asked],
            )
        counts.append(len(told))
        for ref in refs:
            assert (await store.runs.get(TENANT, ref.run_id)).status is RunStatus.SUCCEEDED
    assert counts == [5, 5]


async def test_a_refused_record_leaves_nothing_of_its_flush(store: Store) -> None:
    """One record of another tenant's run undoes attempts, starts and ends beside it."""
    run, ref = await running(store)
    fresh = ref_of(new_run())
    foreign = replace(ref, tenant_id=OTHER)
    with pytest.raises(Forbidden):
        await store.system.record(
            [attempt(ref), attempt(fresh)], closes=[close_of(fresh), close_of(foreign)]
        )
    with pytest.raises(InvalidInput, match="closed_at"):
        await store.system.record(
            [attempt(ref)], closes=[close_of(ref, closed_at=at(1).replace(tzinfo=None))]
        )
    assert list(await store.tasks.list_attempts(TENANT, run.id)) == []
    assert await store.runs.get_run_by_id(TENANT, None, fresh.run_id) is None
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.RUNNING


async def test_ends_of_deleted_runs_are_dropped(store: Store) -> None:
    """What arrives after a run was deleted changes nothing, and costs nothing else."""
    (gone, old), (_, ref) = [await running(store) for _ in range(2)]
    await store.system.record([], closes=[close_of(old)])
    await store.runs.delete_runs_by_ids(TENANT, [gone.id])
    closes = [close_of(old), close_of(ref)]
    starts = [RunStarted(run=old, started_at=at(0))]
    assert (
        await store.system.record([attempt(old), attempt(ref)], closes=closes, starts=starts) == 1
    )
    assert await store.runs.get_run_by_id(TENANT, None, gone.id) is None
    assert (await store.runs.get(TENANT, ref.run_id)).status is RunStatus.SUCCEEDED


async def test_a_flush_that_loses_its_connection_can_be_repeated(
    store: Store, second: Store
) -> None:
    """Killed while it waits for a lock, a flush says that the ledger is away and wrote nothing."""
    run, ref = await running(store)
    records = [attempt(ref), attempt(ref_of(new_run()))]
    async with second.transaction() as tx:
        await tx.connection.execute(
            text("SELECT 1 FROM flowkeep.run WHERE id = :id FOR UPDATE"), {"id": run.id}
        )
        writing = asyncio.create_task(store.system.record(records, closes=[close_of(ref)]))
        await blocked(second)
        killing = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await tx.connection.execute(killing)
        with pytest.raises(LedgerUnavailable):
            await writing
    assert await counters(store, run.id) == (0, 0, 0)
    assert await store.system.record(records, closes=[close_of(ref)]) == 2
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.SUCCEEDED


async def test_ends_together_take_open_attempts_with_them(store: Store) -> None:
    """Of many runs closed at once each has its own open attempts cancelled and counted."""
    refs = [(await running(store))[1] for _ in range(3)]
    open_ = {"status": TaskStatus.RUNNING, "finished_at": None}
    attempts = [attempt(ref, str(n), **open_) for i, ref in enumerate(refs) for n in range(i)]
    attempts += [failed(ref, "again") for ref in refs]
    await store.system.record(attempts)
    await store.system.record([], closes=[close_of(ref, closed_at=at(7)) for ref in refs])
    for i, ref in enumerate(refs):
        assert await counters(store, ref.run_id) == (i + 1, i + 1, 1)
        tasks = await store.tasks.list_attempts(TENANT, ref.run_id)
        cut = [task for task in tasks if task.activity_id != "again"]
        assert [(t.status.value, t.finished_at) for t in cut] == [("cancelled", at(7))] * i
        assert all(task.error and task.error.code == "RUN_CLOSED" for task in cut)
        assert all(task.next_retry_at is None for task in tasks)


async def test_ends_that_need_care_are_written_beside_the_others(store: Store) -> None:
    """A paused run, a big result and two ends of one run, in one flush with a common one."""
    (_, common), (_, big), (_, twice), (paused, waits) = [await running(store) for _ in range(4)]
    await store.runs.set_waiting(TENANT, paused.id, pause=PauseRequest(paused=True))
    large = ["x" * 20_000]
    closes = [
        close_of(common, outputs={"n": 1}),
        close_of(big, outputs=large),
        close_of(twice, RunStatus.FAILED, closed_at=at(5)),
        close_of(twice, outputs={"n": 2}, closed_at=at(6)),
        close_of(waits, RunStatus.CANCELLED),
    ]
    await store.system.record([], closes=closes)
    refs = (common, big, twice, waits)
    ended = [await store.runs.get(TENANT, ref.run_id) for ref in refs]
    assert [run.outputs for run in ended] == [{"n": 1}, large, {"n": 2}, None]
    assert (ended[2].finished_at, ended[3].status) == (at(6), RunStatus.CANCELLED)
    (pause,) = await store.runs.list_pauses(TENANT, paused.id)
    assert pause.resumed_at is not None


async def test_what_was_closed_is_looked_at_soon(store: Store) -> None:
    """An end is compared with Temporal some seconds later, what is open half a minute later."""
    (_, open_), (_, closed), (_, careful) = [await running(store) for _ in range(3)]
    await store.system.record([], closes=[close_of(closed), close_of(careful, outputs="x" * 9000)])
    async with store.transaction() as tx:
        found = await tx.connection.execute(
            text(
                "SELECT s.temporal_run_id, s.reconcile_at - r.updated_at"
                " FROM flowkeep.run_segment AS s JOIN flowkeep.run AS r ON r.id = s.run_id"
            )
        )
        due = {name: after.total_seconds() for name, after in found.all()}
    assert [due[ref.temporal_run_id] for ref in (open_, closed, careful)] == [30, 5, 5]


async def test_executions_keep_their_order_however_late_they_are_reported(store: Store) -> None:
    """A chain's last end ends the run, though what came before is heard of after it."""
    first = ref_of(new_run())
    second = replace(
        first,
        temporal_run_id=str(uuid4()),
        first_run_id=first.temporal_run_id,
        segment_kind=SegmentKind.CONTINUE,
        began_at=datetime.now(UTC) + timedelta(seconds=1),
    )
    third = replace(
        second,
        temporal_run_id=str(uuid4()),
        began_at=second.began_at and second.began_at + timedelta(seconds=1),
    )
    middle = close_of(second, RunStatus.RUNNING, kind=SegmentKind.CONTINUE)
    await store.system.record([attempt(third)])
    await store.system.record([], closes=[close_of(third, kind=SegmentKind.CONTINUE)])
    await store.system.record([attempt(second)], closes=[middle])
    await store.system.record([attempt(first)], closes=[close_of(first, RunStatus.RUNNING)])
    run = await store.runs.get(TENANT, first.run_id)
    assert run.status is RunStatus.SUCCEEDED
    segments = await store.runs.list_segments(TENANT, run.id)
    began = sorted(segments, key=lambda one: (one.started_at, one.seq))
    assert [one.temporal_run_id for one in began] == [
        ref.temporal_run_id for ref in (first, second, third)
    ]
