"""Tasks that callers add or claim."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import (
    NO_EXECUTION,
    RunStatus,
    Source,
    TaskStatus,
    TaskType,
    task_activity_id,
)
from flowkeep.errors import (
    AlreadyTerminal,
    Conflict,
    InvalidInput,
)
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    counters,
    new_id,
    new_run,
    running,
    step,
)


async def test_an_inserted_task_is_a_task_like_any_other(store: Store) -> None:
    """It is stored as given, has a key made of name, index and turn, and is listed and counted."""
    run = await store.runs.create(TENANT, new_run())
    added = await step(
        store,
        run,
        task_name="load",
        task_index=3,
        iteration=2,
        batch="b",
        external_id="job-7",
        max_attempts=4,
        timeout_seconds=60,
        scheduled_at=at(0),
        input={"n": 1.0, "big": 2**70},
        worker="w",
    )
    assert (added.activity_id, added.temporal_run_id) == ("load[3]#2", NO_EXECUTION)
    assert (added.status, added.type, added.source) == (
        TaskStatus.PENDING,
        TaskType.ITEM,
        Source.CLIENT,
    )
    assert (added.deadline_at, added.started_at, added.finished_at) == (at(60), None, None)
    assert added.input == {"n": 1.0, "big": 2**70}
    assert await store.tasks.get(TENANT, added.ref) == added
    assert (await store.tasks.list_tasks(TENANT, run.id)).data == [added]
    assert (await store.tasks.list_attempts(TENANT, run.id, cursor=f"-/{added.activity_id}/0")).data
    assert await counters(store, run.id) == (1, 0, 0)
    stored = await store.runs.get(TENANT, run.id)
    assert (stored.status, stored.revision) == (RunStatus.PENDING, 0)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (("a",), "a"),
        (("a", 0), "a[0]"),
        (("a", -1, 0), "a#0"),
        (("a", 2, 1), "a[2]#1"),
    ],
)
def test_keys_leave_out_what_there_is_not(made: Any, expected: str) -> None:
    """A task without items or turns is called by its name alone."""
    assert task_activity_id(*made) == expected


async def test_inserting_again_returns_what_is_there(store: Store) -> None:
    """A repeat changes nothing, also after the task has moved on; anything else is a Conflict."""
    run, _ = await running(store)
    fields: dict[str, Any] = {"input": {"x": [1.0, 1e16, True]}, "external_id": "e", "batch": "b"}
    added = await step(store, run, **fields)
    moved = await store.tasks.update(
        TENANT, added.evolve(status="running", child_run_id=new_id(), worker="w")
    )
    assert await step(store, run, **fields) == moved
    assert await step(store, run, **fields, worker="other") == moved
    for other in (
        {"input": {"x": [1.0, 1e16, 1]}},
        {"batch": None},
        {"external_id": "f"},
        {"timeout_seconds": 1},
        {"type": TaskType.ACTIVITY},
        {"task_name": "t", "activity_id": "s"},
    ):
        with pytest.raises(Conflict, match=next(iter(other))):
            await step(store, run, **{**fields, **other})
    assert (await store.tasks.list_attempts(TENANT, run.id)).data == [moved]
    assert await counters(store, run.id) == (1, 0, 0)


async def test_a_value_of_a_megabyte_lies_beside_the_row(store: Store) -> None:
    """Big inputs and outputs come back whole, compare equal, and leave the row small."""
    run, _ = await running(store)
    big = {"text": "x" * 1_000_000}
    added = await step(store, run, input=big, status=TaskStatus.RUNNING)
    assert await step(store, run, input=dict(big), status=TaskStatus.RUNNING) == added
    with pytest.raises(Conflict, match="input"):
        await step(store, run, input={"text": "y" * 1_000_000}, status=TaskStatus.RUNNING)
    done = await store.tasks.update(TENANT, added.evolve(status="succeeded", output=[big]))
    assert (done.input, done.output) == (big, [big])
    assert await store.tasks.get(TENANT, added.ref) == done
    async with store.transaction() as tx:
        found = await tx.connection.execute(
            text("SELECT input, output, octet_length(input_hash) FROM flowkeep.task")
        )
        assert tuple(found.one()) == (None, None, 32)


UNSTORABLE: list[tuple[dict[str, Any], str]] = [
    ({"input": {"a": "\x00"}}, "input.a"),
    ({"input": ["\ud800"]}, r"input\[0\]"),
    ({"input": float("nan")}, "input"),
    ({"input": object()}, "input"),
    ({"task_name": ""}, "task_name"),
    ({"task_name": "a\x00"}, "task_name"),
    ({"task_name": "x" * 1001}, "task_name"),
    ({"activity_id": ""}, "activity_id"),
    ({"external_id": "\ud800"}, "external_id"),
    ({"batch": "a\nb"}, "batch"),
    ({"worker": ""}, "worker"),
    ({"temporal_run_id": "a/b"}, "temporal_run_id"),
    ({"type": TaskType.STEP}, "type 'step' is for steps inside activities"),
    ({"scheduled_at": datetime(2026, 1, 1)}, "scheduled_at"),  # noqa: DTZ001
]


async def test_what_cannot_be_stored_is_named(store: Store) -> None:
    """An insert that PostgreSQL could not hold names the field and leaves nothing."""
    run, _ = await running(store)
    for fields, named in UNSTORABLE:
        with pytest.raises(InvalidInput, match=named):
            await step(store, run, **fields)
    assert not (await store.tasks.list_attempts(TENANT, run.id)).data
    assert await counters(store, run.id) == (0, 0, 0)


async def test_a_claim_is_given_once(store: Store, second: Store) -> None:
    """The first who asks gets the task; everybody else, the same one after a crash, sees it."""
    run, _ = await running(store)
    mine, created = await store.tasks.claim(
        TENANT, run.id, "load", 2, worker="w1", timeout_seconds=30
    )
    assert created
    assert (mine.activity_id, mine.status, mine.worker) == ("load[2]", TaskStatus.RUNNING, "w1")
    assert mine.started_at is not None
    assert mine.deadline_at is not None
    for other in (store, second):
        assert await other.tasks.claim(TENANT, run.id, "load", 2, worker="w2") == (mine, False)
    another, created = await second.tasks.claim(TENANT, run.id, "load", 3)
    assert created
    assert another.activity_id == "load[3]"
    await store.tasks.update(TENANT, mine.evolve(status="succeeded"))
    await store.runs.finish(TENANT, run.id)
    again, created = await second.tasks.claim(TENANT, run.id, "load", 2)
    assert (again.status, created) == (TaskStatus.SUCCEEDED, False)
    with pytest.raises(AlreadyTerminal, match="claimed"):
        await store.tasks.claim(TENANT, run.id, "load", 4)
    assert await counters(store, run.id) == (2, 2, 0)


async def test_claims_of_nonsense_are_refused(store: Store) -> None:
    """Names, indexes and time-outs that cannot be, and keys that another task has."""
    run, _ = await running(store)
    for arguments, named in [
        (("", 0), "task_name"),
        (("a", -2), "task_index"),
        (("a", 2**31), "task_index"),
        (("a", "x"), "task_index"),
        ((None, 0), "task_name"),
    ]:
        with pytest.raises(InvalidInput, match=named):
            await store.tasks.claim(TENANT, run.id, *arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="timeout_seconds"):
        await store.tasks.claim(TENANT, run.id, "a", timeout_seconds=0)
    with pytest.raises(InvalidInput, match="run_id"):
        await store.tasks.claim(TENANT, "nix", "a")  # type: ignore[arg-type]
    await store.tasks.claim(TENANT, run.id, "a", 0)
    with pytest.raises(Conflict, match="task_name"):
        await store.tasks.claim(TENANT, run.id, "a[0]")
    assert await counters(store, run.id) == (1, 0, 0)
