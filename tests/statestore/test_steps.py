"""Steps of an activity: who may record them, and what the next attempt finds."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import RunStatus, TaskStatus, TaskType
from flowkeep.contracts.steps import RecordedStep
from flowkeep.errors import Forbidden, NotFound, StaleAttempt
from flowkeep.statestore import Store
from tests.statestore.plans import check, plans
from tests.statestore.records import OTHER, TENANT, at, close_of, new_run, ref_of, running
from tests.statestore.stepping import record_steps, scope_of, step
from tests.support import eventually


def by_ordinal(found: list[RecordedStep]) -> dict[int, RecordedStep]:
    assert len({one.ordinal for one in found}) == len(found)
    return {one.ordinal: one for one in found}


async def test_the_next_attempt_finds_what_was_recorded(store: Store) -> None:
    """A result comes back letter by letter, and only the last attempt of a step counts."""
    _, ref = await running(store)
    scope = scope_of(ref)
    assert await store.system.open_steps(scope, ref) == []
    first, failed = step(scope, 1), step(scope, 2, status=TaskStatus.FAILED, output=None)
    shown = step(scope, 3, status=TaskStatus.RUNNING, output=None, finished_at=None)
    assert await record_steps(store, [first, failed, shown]) == set()
    again = step(scope, 2, attempt=2, output="[1e22, 2]")
    assert await record_steps(store, [again, first]) == set()  # a repeat changes nothing

    found = by_ordinal(await store.system.open_steps(scope_of(ref, fence=at(1)), ref))
    assert found[1].output == first.output
    assert (found[2].attempt, found[2].output) == (2, "[1e22, 2]")
    assert (found[3].status, found[3].function, found[3].digest) == ("failed", "tests.work", "d3")
    tasks = await store.tasks.list_tasks(TENANT, ref.run_id)
    assert [(one.activity_id, one.task_index, one.type) for one in tasks] == [
        ("1/work#1", 1, TaskType.STEP),
        ("1/work#2", 2, TaskType.STEP),
        ("1/work#3", 3, TaskType.STEP),
    ]
    assert tasks.data[0].output == {"z": 1.0, "a": "\x00 1"}
    assert tasks.data[2].error is not None
    assert tasks.data[2].error.code == "ATTEMPT_NOT_REPORTED"
    run = await store.runs.get(TENANT, ref.run_id)
    assert (run.tasks_total, run.tasks_finished, run.exceptions_count) == (0, 0, 0)
    assert await store.system.wrong_counters([ref.run_id]) == []


async def test_activities_do_not_see_each_others_steps(store: Store) -> None:
    """An activity whose id begins like another's has steps of its own."""
    _, ref = await running(store)
    for activity_id in ("1", "10", "1/work#1", "1/"):
        scope = scope_of(ref, activity_id)
        await store.system.open_steps(scope, ref)
        assert await record_steps(store, [step(scope, 1, output=f'"{activity_id}"')]) == set()
    for activity_id in ("1", "10", "1/work#1", "1/"):
        [found] = await store.system.open_steps(scope_of(ref, activity_id), ref)
        assert found.output == f'"{activity_id}"'


async def test_an_older_attempt_neither_opens_nor_records(store: Store) -> None:
    """What a newer attempt has opened is lost to all before it; others in the group are written."""
    _, ref = await running(store)
    old, new, other = scope_of(ref), scope_of(ref, fence=at(5)), scope_of(ref, "2")
    for scope in (old, new, other):
        await store.system.open_steps(scope, ref)
    records = [step(other, 1), step(old, 1), step(new, 1, output="1")]
    assert await record_steps(store, records) == {1}
    with pytest.raises(StaleAttempt, match=r"activity '1' of run .* has a newer attempt"):
        await store.system.open_steps(old, ref)
    [found] = await store.system.open_steps(new, ref)
    assert found.output == "1"


async def test_what_cannot_be_written_is_refused(store: Store) -> None:
    """A try that has ended stays as it was, and whoever tells another end hears that."""
    _, ref = await running(store)
    scope = scope_of(ref)
    await store.system.open_steps(scope, ref)
    assert await record_steps(store, [step(scope, 1, status=TaskStatus.FAILED)]) == set()
    assert await record_steps(store, [step(scope, 1), step(scope, 2)]) == {0}


async def test_nothing_is_recorded_behind_a_take_over(store: Store, second: Store) -> None:
    """While attempts take over from each other, each finds all that earlier ones ever recorded."""
    _, ref = await running(store)
    writers: dict[int, int] = {}
    found: dict[int, set[int]] = {}
    stores = [store, second]

    async def live(number: int) -> None:
        """Open, see what is recorded, record steps until somebody takes over."""
        scope, mine = scope_of(ref, fence=at(number)), stores[number % 2]
        found[number] = set(by_ordinal(await mine.system.open_steps(scope, ref)))
        ordinal = max(found[number], default=0)
        while True:
            ordinal += 1
            if await record_steps(mine, [step(scope, ordinal, output=str(number))]):
                return
            assert ordinal not in writers
            writers[ordinal] = number

    lives = []
    for number in range(12):
        lives.append(asyncio.create_task(live(number)))

        async def goes_on(number: int = number) -> None:
            assert list(writers.values()).count(number) >= 2

        await eventually(goes_on, interval=0.001)
    last = await store.system.open_steps(scope_of(ref, fence=at(99)), ref)
    await asyncio.wait_for(asyncio.gather(*lives), 60)
    for number, seen in found.items():
        assert {one for one, writer in writers.items() if writer < number} <= seen
    assert {one.ordinal: one.output for one in last} == {
        ordinal: str(number) for ordinal, number in writers.items()
    }


async def test_big_results_lie_apart(store: Store) -> None:
    """A result above 8 KiB is kept once, found again, and goes with its run."""
    run, ref = await running(store)
    scope = scope_of(ref)
    await store.system.open_steps(scope, ref)
    big = '"' + "x" * 100_000 + '"'
    assert await record_steps(store, [step(scope, n, output=big) for n in (1, 2)]) == set()
    found = by_ordinal(await store.system.open_steps(scope, ref))
    assert found[1].output is None
    assert found[1].output_hash is not None
    assert await store.system.step_output(TENANT, found[1].output_hash) == big
    with pytest.raises(NotFound):
        await store.system.step_output(OTHER, found[1].output_hash)
    task = await store.tasks.list_tasks(TENANT, ref.run_id)
    assert task.data[0].output == "x" * 100_000
    await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    async with store.transaction() as tx:
        for table in ("task", "step_scope", "payload", "payload_ref"):
            count = await tx.connection.execute(text(f"SELECT count(*) FROM flowkeep.{table}"))
            assert count.scalar_one() == 0, table


async def test_a_run_that_goes_takes_its_steps_along(store: Store) -> None:
    """A run that is deleted while steps are recorded leaves none of them."""
    run, ref = await running(store)
    scope = scope_of(ref)
    await store.system.open_steps(scope, ref)
    refused: set[int] = set()
    ordinal = 0

    async def keep_recording() -> None:
        nonlocal ordinal
        while not refused:
            ordinal += 1
            refused.update(await record_steps(store, [step(scope, ordinal)]))

    recording = asyncio.create_task(keep_recording())

    async def some() -> None:
        assert ordinal >= 5

    await eventually(some, interval=0.001)
    await store.system.record([], closes=[close_of(ref)])
    await store.runs.delete_runs_by_ids(TENANT, [run.id])
    await asyncio.wait_for(recording, 60)
    async with store.transaction() as tx:
        count = await tx.connection.execute(text("SELECT count(*) FROM flowkeep.task"))
        assert count.scalar_one() == 0
    with pytest.raises(NotFound, match="deleted"):
        await store.system.open_steps(scope, ref)


async def test_steps_adopt_their_run(store: Store) -> None:
    """The first that is heard of a run may be a step; a run of another tenant is refused."""
    ref = ref_of(new_run())
    assert await store.system.open_steps(scope_of(ref), ref) == []
    run = await store.runs.get(TENANT, ref.run_id)
    assert run.status is RunStatus.RUNNING
    foreign = replace(ref, tenant_id=OTHER)
    with pytest.raises(Forbidden):
        await store.system.open_steps(scope_of(foreign), foreign)


@pytest.mark.parametrize("generic", [False, True])
async def test_steps_are_found_by_key(store: Store, generic: bool) -> None:
    """Opening and recording read no table as a whole, however many steps there are."""
    _, ref = await running(store)
    scope = scope_of(ref)
    await store.system.open_steps(scope, ref)
    for begin in range(0, 5000, 1000):
        batch = [step(scope, begin + n, output="1") for n in range(1000)]
        await record_steps(store, batch)
    async with store.transaction() as tx:
        await tx.connection.execute(text("ANALYZE"))
    newer = scope_of(ref, fence=at(9))
    for call, wanted in (
        (lambda: store.system.open_steps(newer, ref), {"task_step_ix"}),
        (lambda: record_steps(store, [step(newer, 6000)]), {"step_scope_pk"}),
    ):
        check(await plans(store, call, generic=generic), wanted=wanted, most_sorted=6000)


async def test_steps_end_with_their_run(store: Store) -> None:
    """Open steps are cancelled when the run ends, uncounted, until a real record replaces that."""
    run, ref = await running(store)
    scope = scope_of(ref)
    await store.system.open_steps(scope, ref)
    open_ones: dict[str, Any] = {"output": None, "finished_at": None}
    shown = step(scope, 1, status=TaskStatus.RUNNING, **open_ones)
    asleep = step(scope, 2, status=TaskStatus.WAITING, **open_ones)
    await record_steps(store, [shown, asleep])
    await store.system.record([], closes=[close_of(ref, RunStatus.FAILED)])
    page = await store.tasks.list_tasks(TENANT, run.id)
    assert [(one.status, one.error and one.error.code) for one in page] == [
        (TaskStatus.CANCELLED, "RUN_CLOSED")
    ] * 2
    ended = await store.runs.get(TENANT, run.id)
    assert (ended.tasks_total, ended.tasks_finished) == (0, 0)
    await record_steps(store, [step(scope, 1)])
    first, second = await store.tasks.list_tasks(TENANT, run.id)
    assert (first.status, first.error, second.status) == (
        TaskStatus.SUCCEEDED,
        None,
        TaskStatus.CANCELLED,
    )
    assert (await store.tasks.list_tasks(TENANT, run.id, steps=False)).data == []
