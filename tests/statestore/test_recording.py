"""Batches of attempts: whole, once, in any order, from anywhere."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import (
    Attempt,
    ErrorInfo,
    Source,
    Task,
    TaskStatus,
    TaskType,
)
from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.statestore import Store
from tests.statestore.records import (
    OTHER,
    TENANT,
    at,
    attempt,
    close_of,
    failed,
    kinds,
    new_id,
    new_run,
    ref_of,
    running,
)


async def counters(store: Store, run_id: Any) -> tuple[int, int, int]:
    run = await store.runs.get(TENANT, run_id)
    return run.tasks_total, run.tasks_finished, run.exceptions_count


async def stored(store: Store, run_id: Any) -> list[Task]:
    return list(await store.tasks.list_attempts(TENANT, run_id))


async def test_an_attempt_comes_back_as_it_was_reported(store: Store) -> None:
    """Every field of an attempt is stored and read back."""
    run, ref = await running(store)
    reported = attempt(
        ref,
        "fetch/3#1",
        2,
        task_index=3,
        batch="b1",
        type=TaskType.LOCAL_ACTIVITY,
        external_id="job-9",
        child_run_id=new_id(),
        max_attempts=5,
        timeout_seconds=7200.5,
        deadline_at=at(9),
        input={"größe": ["ü", 1.5, None]},
        output=[1, {"a": "🙂"}],
        error=ErrorInfo(code="X", type="T", message="m", cause=["c"], stack="s"),
        worker="host:1",
    )
    assert await store.system.record([reported]) == 1
    (task,) = await stored(store, run.id)
    given = set(Task.model_fields) & set(Attempt.__slots__)
    assert len(given) > 15
    for name in given - {"next_retry_at"}:
        assert getattr(task, name) == getattr(reported, name), name
    assert (task.updated_at, task.superseded) == (reported.recorded_at, False)
    assert (task.duration_ms, task.retry_count, task.timed_out) == (500.0, 1, False)


async def test_recording_neither_bumps_revision_nor_updated_at(store: Store) -> None:
    """Attempts and counters leave the optimistic lock of the run alone."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, str(n)) for n in range(5)])
    after = await store.runs.get(TENANT, run.id)
    assert (after.revision, after.updated_at) == (run.revision, run.updated_at)
    assert after.tasks_total == 5


async def test_redelivery_changes_nothing(store: Store) -> None:
    """A batch twice, or with repeats inside, is written once; counters count tasks."""
    run, ref = await running(store)
    batch = [failed(ref, "a", 1), failed(ref, "a", 2), attempt(ref, "a", 3), attempt(ref, "b")]
    assert await store.system.record([*batch, *batch]) == 4
    before = await stored(store, run.id)
    assert await counters(store, run.id) == (2, 2, 2)
    assert await store.system.record(list(reversed(batch))) == 0
    assert await stored(store, run.id) == before
    assert await counters(store, run.id) == (2, 2, 2)


async def test_counters_follow_attempts_in_any_order(store: Store) -> None:
    """A retried task is unfinished until its last attempt ends, whatever arrives first."""
    run, ref = await running(store)
    await store.system.record([failed(ref, "a", 2)])
    assert await counters(store, run.id) == (1, 0, 1)
    await store.system.record([failed(ref, "a", 1)])
    assert await counters(store, run.id) == (1, 0, 2)
    await store.system.record([attempt(ref, "a", 3, status=TaskStatus.RUNNING)])
    assert await counters(store, run.id) == (1, 0, 2)
    await store.system.record([attempt(ref, "a", 3, recorded_at=at(9))])
    assert await counters(store, run.id) == (1, 1, 2)
    await store.system.record(
        [attempt(ref, "a", 2, source=Source.SERVER), failed(ref, "b", next_retry_at=None)]
    )
    assert await counters(store, run.id) == (2, 2, 2)


async def test_weaker_or_older_never_overwrites(store: Store) -> None:
    """By source, then status, then time: every order of arrival ends in the same row."""
    run, _ = await running(store)
    ref = ref_of(run)
    reports = [
        attempt(ref, status=TaskStatus.RUNNING, recorded_at=at(9), source=Source.WORKER),
        attempt(ref, status=TaskStatus.SUCCEEDED, recorded_at=at(3), output={"n": 3}),
        attempt(ref, status=TaskStatus.FAILED, recorded_at=at(4)),
        attempt(ref, status=TaskStatus.CANCELLED, recorded_at=at(9), source=Source.CLIENT),
        attempt(ref, status=TaskStatus.TIMED_OUT, recorded_at=at(1), source=Source.SERVER),
    ]
    order = random.Random(7)
    for n in range(10):
        order.shuffle(reports)
        named = [replace(report, activity_id=f"t{n}") for report in reports]
        for report in named:
            await store.system.record([report])
        (task,) = await store.tasks.list_attempts(TENANT, run.id, f"t{n}")
        assert (task.status, task.source) == (TaskStatus.TIMED_OUT, Source.SERVER)
    assert await counters(store, run.id) == (10, 10, 10)


async def test_a_stronger_record_keeps_what_it_does_not_know(store: Store) -> None:
    """A correction leaves the description alone, but takes the old result with it."""
    run, ref = await running(store)
    await store.system.record([attempt(ref, worker="w1", input=[1], output={"n": 1})])
    await store.system.record(
        [
            attempt(
                ref,
                status=TaskStatus.TIMED_OUT,
                source=Source.SERVER,
                started_at=None,
                finished_at=at(50),
            )
        ]
    )
    (task,) = await stored(store, run.id)
    assert (task.worker, task.input, task.output) == ("w1", [1], None)
    assert (task.started_at, task.finished_at) == (at(1), at(50))


async def test_a_foreign_run_is_refused_whole(store: Store) -> None:
    """A record that names another tenant's run writes nothing of its batch."""
    run, ref = await running(store)
    for bad in (replace(ref, tenant_id=OTHER), ref_of(run, tenant_id=OTHER)):
        with pytest.raises(Forbidden):
            await store.system.record([attempt(ref, "good"), attempt(bad, "bad")])
    with pytest.raises(Forbidden):
        await store.tasks.upsert_attempts(OTHER, [attempt(ref)])
    assert await stored(store, run.id) == []


async def test_a_poison_record_fails_its_batch_and_nothing_else(store: Store) -> None:
    """What PostgreSQL refuses is InvalidInput and leaves nothing, so a caller can split."""
    run, ref = await running(store)
    poison = attempt(ref, "x" * 5000 + "".join(map(chr, range(200, 9000))))
    with pytest.raises(InvalidInput):
        await store.system.record([attempt(ref, "good"), poison])
    with pytest.raises(InvalidInput, match="recorded_at"):
        await store.system.record([attempt(ref, recorded_at=at(0).replace(tzinfo=None))])
    assert await store.system.record([attempt(ref, "good")]) == 1
    assert await counters(store, run.id) == (1, 1, 0)


async def test_text_that_postgresql_cannot_hold_is_mended(store: Store) -> None:
    """NUL, lone surrogates, NaN and huge numbers never cost the record."""
    run, ref = await running(store)
    awkward = {
        "nul": "a\x00b",
        "literal": "a\\u0000b",
        "slash": "\\\x00",
        "half": "x\ud800y",
        "nan": float("nan"),
        "huge": 10**40,
        "bytes": b"\x00\xff",
        "set": {1},
        "key\x00": 1,
    }
    error = ErrorInfo(code="X", type="T\x00", message="bad \x00 \udfff")
    reported = attempt(
        ref, "nul\x00id", task_name="n\x00", input=awkward, output=["\x00"], error=error
    )
    assert await store.system.record([reported]) == 1
    (task,) = await stored(store, run.id)
    assert task.activity_id == "nul\ufffdid"
    assert task.input["nul"] == "a\ufffdb"
    assert task.input["literal"] == "a\\u0000b"
    assert task.input["slash"] == "\\\ufffd"
    assert task.input["half"] == "x\ufffdy"
    assert (task.input["nan"], task.input["huge"], task.input["set"]) == (None, 10**40, [1])
    assert task.output == ["\ufffd"]
    assert task.error is not None
    assert task.error.type == "T\ufffd"


async def test_big_results_lie_outside_the_row(store: Store) -> None:
    """Values above 8 KiB are stored once per content and read back, NUL included."""
    run, ref = await running(store)
    big = ["\x00ü" * 3000]
    await store.system.record([attempt(ref, str(n), output=big, input="x" * n) for n in range(5)])
    await store.system.record([attempt(ref, "limit", output="y" * 8190)])
    assert all(
        task.output == big for task in await stored(store, run.id) if task.key[-1] in "01234"
    )
    async with store.transaction() as tx:
        count = await tx.connection.execute(text("SELECT count(*) FROM flowkeep.payload"))
        assert count.scalar_one() == 1
        inline = text("SELECT count(*) FROM flowkeep.task WHERE output IS NOT NULL")
        assert (await tx.connection.execute(inline)).scalar_one() == 1


async def test_concurrent_flushes_of_overlapping_keys_agree(store: Store, second: Store) -> None:
    """Many writers of the same attempts of many runs, in any order: no deadlock, exact counts."""
    runs = [await store.runs.create(TENANT, new_run()) for _ in range(6)]
    refs = [ref_of(run) for run in runs] + [ref_of(new_run()) for _ in range(6)]
    records: list[Attempt] = []
    for ref in refs:
        for n in range(6):
            records += [failed(ref, str(n), 1), failed(ref, str(n), 2), attempt(ref, str(n), 3)]
    order = random.Random(3)

    async def flush(target: Store) -> None:
        mine = records.copy()
        order.shuffle(mine)
        for start in range(0, len(mine), 40):
            await target.system.record(mine[start : start + 40])

    await asyncio.gather(*(flush((store, second)[n % 2]) for n in range(8)))
    for ref in refs:
        assert await counters(store, ref.run_id) == (6, 6, 12)
        assert len(await stored(store, ref.run_id)) == 18
        assert (await kinds(store, ref.run_id)) in (["created", "started"], ["adopted"])


async def test_flushes_and_commands_do_not_lose_each_other(store: Store, second: Store) -> None:
    """Recording beside patches and a close: counters, state and events are all there."""
    run, ref = await running(store)
    await asyncio.gather(
        *(store.system.record([attempt(ref, str(n))]) for n in range(20)),
        *(second.runs.patch_state(TENANT, run.id, {f"k{n}": n}) for n in range(10)),
    )
    await asyncio.gather(
        store.system.record([attempt(ref, "late", status=TaskStatus.RUNNING)]),
        second.system.close_segment(close_of(ref)),
    )
    after = await store.runs.get(TENANT, run.id)
    assert (after.tasks_total, after.tasks_finished) == (21, 21)
    assert len(after.state) == 10
    assert all(task.status.terminal for task in await stored(store, run.id))


async def test_an_open_record_after_the_end_is_closed_at_once(store: Store) -> None:
    """Nothing open stays in a closed run: late start rows are cancelled, late results kept."""
    run, ref = await running(store)
    await store.system.close_segment(close_of(ref))
    await store.system.record(
        [
            attempt(ref, "started", status=TaskStatus.RUNNING, finished_at=None),
            failed(ref, "retrying"),
        ]
    )
    tasks = {task.activity_id: task for task in await stored(store, run.id)}
    assert tasks["started"].status is TaskStatus.CANCELLED
    assert tasks["started"].error is not None
    assert tasks["started"].error.code == "RUN_CLOSED"
    assert (tasks["retrying"].status, tasks["retrying"].next_retry_at) == (TaskStatus.FAILED, None)
    assert await counters(store, run.id) == (2, 2, 1)
    await store.system.record([attempt(ref, "started")])
    (task,) = await store.tasks.list_attempts(TENANT, run.id, "started")
    assert task.status is TaskStatus.SUCCEEDED


async def test_commits_that_need_not_wait_are_written_all_the_same(store: Store) -> None:
    """Recording without waiting for the disk leaves the same rows, and other writes durable."""
    run, ref = await running(store)
    assert await store.system.record([attempt(ref)], durable=False) == 1
    assert await counters(store, run.id) == (1, 1, 0)
    async with store.transaction() as tx:
        setting = await tx.connection.execute(text("SHOW synchronous_commit"))
        assert setting.scalar_one() == "on"


async def test_an_empty_batch_is_no_work(store: Store) -> None:
    """Nothing to record needs no transaction."""
    assert await store.system.record([]) == 0
    assert await store.tasks.upsert_attempts(TENANT, []) == 0
