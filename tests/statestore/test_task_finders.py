"""Looking for tasks, within a run and across runs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from flowkeep.contracts import Page, TaskStatus, TaskSummary, TaskType
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    failed,
    new_id,
    running,
    step,
)

Ask = Callable[[int, str | None], Awaitable[Page[TaskSummary]]]


async def paged(ask: Ask, limit: int = 3) -> list[TaskSummary]:
    """Return all rows of a list, read page by page."""
    rows: list[TaskSummary] = []
    cursor = None
    while True:
        page = await ask(limit, cursor)
        assert len(page) <= limit
        rows += page.data
        if not page.has_more:
            return rows
        cursor = page.data[-1].cursor


async def test_lists_by_status_and_name(store: Store) -> None:
    """Across runs newest first, within a run by key; each row once over all pages."""
    runs = [await running(store) for _ in range(3)]
    batch = []
    for n, (_, ref) in enumerate(runs):
        batch += [failed(ref, f"f/{i}", task_name="ab"[i % 2], recorded_at=at(i)) for i in range(4)]
        batch += [attempt(ref, f"s/{i}", task_name="ab"[i % 2]) for i in range(n)]
    await store.system.record(batch)
    found = await paged(
        lambda limit, cursor: store.tasks.list(TENANT, status="error", limit=limit, cursor=cursor)
    )
    assert len(found) == 12
    places = [(t.updated_at, t.run_id, t.activity_id) for t in found]
    assert places == sorted(places, reverse=True)
    assert len((await store.tasks.list(TENANT, status=TaskStatus.FAILED, name="a")).data) == 6
    run, _ = runs[2]
    inside = await paged(
        lambda limit, cursor: store.tasks.list(TENANT, run_id=run.id, limit=limit, cursor=cursor)
    )
    assert [t.activity_id for t in inside] == ["f/0", "f/1", "f/2", "f/3", "s/0", "s/1"]
    done = await store.tasks.list(TENANT, run_id=run.id, status="completed", name="b")
    assert [t.activity_id for t in done] == ["s/1"]
    assert not hasattr(done.data[0], "output")
    named = await paged(
        lambda limit, cursor: store.tasks.find_by_name(TENANT, run.id, "a", limit, cursor), limit=1
    )
    assert [t.activity_id for t in named] == ["f/0", "f/2", "s/0"]


@pytest.mark.parametrize("status", [None, "succeeded", "skipped", "done"])
async def test_almost_everything_is_no_list(store: Store, status: str | None) -> None:
    """Across runs, what almost all tasks are cannot be asked for; the error says what can."""
    with pytest.raises(InvalidInput, match="run_id"):
        await store.tasks.list(TENANT, status=status, name="a")


async def test_a_cursor_holds_though_its_row_moves_on(store: Store) -> None:
    """A page continues behind a row that has got another status, or vanished, since."""
    run, ref = await running(store)
    open_ = [
        attempt(ref, str(n), status=TaskStatus.RUNNING, finished_at=None, recorded_at=at(n))
        for n in range(5)
    ]
    await store.system.record(open_)
    first = await store.tasks.list(TENANT, status="running", limit=2)
    await store.system.record([attempt(ref, str(n), recorded_at=at(90)) for n in (3, 4)])
    rest = await store.tasks.list(TENANT, status="running", limit=9, cursor=first.data[-1].cursor)
    assert [t.activity_id for t in (*first, *rest)] == ["4", "3", "2", "1", "0"]
    assert all(t.run_id == run.id for t in rest)


async def test_ids_of_others_lead_to_tasks(store: Store) -> None:
    """An external id leads to its attempts in all runs or one, a child run to its parent's task."""
    child = new_id()
    runs = [(await running(store))[0] for _ in range(3)]
    for run in runs:
        for n in (1, 2):
            await step(store, run, external_id="job-1", attempt=n)
        await step(store, run, task_name="other", external_id="job-2")
    task = await step(store, runs[0], task_name="child", type=TaskType.CHILD, child_run_id=child)
    found = await paged(
        lambda limit, cursor: store.tasks.find_by_external_id(
            TENANT, "job-1", limit=limit, cursor=cursor
        ),
        limit=1,
    )
    assert [(t.run_id, t.attempt) for t in found] == sorted(
        (run.id, n) for run in runs for n in (1, 2)
    )
    of_one = await store.tasks.find_by_external_id(TENANT, "job-1", run_id=runs[1].id)
    assert [(t.run_id, t.attempt) for t in of_one] == [(runs[1].id, 1), (runs[1].id, 2)]
    assert not (await store.tasks.find_by_external_id(TENANT, "job-3")).data
    assert [t.ref for t in await store.tasks.find_by_child_run(TENANT, child)] == [task.ref]


async def test_due_retries_without_a_successor(store: Store) -> None:
    """Retries are due by time and end with a higher attempt, or with their run."""
    run, ref = await running(store)
    other, other_ref = await running(store)
    batch = [failed(ref, str(n), next_retry_at=at(60 - n)) for n in range(6)]
    batch += [failed(ref, "0", 2, next_retry_at=at(70)), attempt(ref, "1", 2)]
    batch += [failed(other_ref, "0", next_retry_at=at(50)), attempt(ref, "9")]
    await store.system.record(batch)

    async def due(now: datetime) -> list[tuple[Any, str, int]]:
        rows = await paged(
            lambda limit, cursor: store.tasks.find_pending_retries(TENANT, now, limit, cursor),
            limit=2,
        )
        return [(t.run_id, t.activity_id, t.attempt) for t in rows]

    assert await due(at(54)) == [(other.id, "0", 1)]
    assert await due(at(55)) == [(other.id, "0", 1), (run.id, "5", 1)]
    expected = [(run.id, str(n), 1) for n in (5, 4, 3, 2)]
    assert await due(at(70)) == [(other.id, "0", 1), *expected, (run.id, "0", 2)]
    await store.runs.fail(TENANT, run.id)
    assert await due(at(99)) == [(other.id, "0", 1)]


async def test_open_tasks_past_their_deadline(store: Store) -> None:
    """Overdue is what is open and whose deadline has passed; ended tasks never are."""
    run, ref = await running(store)
    for n in range(5):
        await step(store, run, task_name=f"s{n}", deadline_at=at(10 - n))
    await store.system.record([attempt(ref, deadline_at=at(1))])
    found = await paged(
        lambda limit, cursor: store.tasks.find_overdue(TENANT, at(9), limit, cursor), limit=2
    )
    assert [t.activity_id for t in found] == ["s4", "s3", "s2"]
    ended = await store.tasks.get(TENANT, found[0].ref)
    await store.tasks.update(TENANT, ended.evolve(status="cancelled"))
    left = await store.tasks.find_overdue(TENANT, at(9))
    assert [t.activity_id for t in left] == ["s3", "s2"]
    assert (await store.tasks.get(TENANT, left.data[0].ref)).status is TaskStatus.PENDING


async def test_attempts_that_ran_out_of_time(store: Store) -> None:
    """Timed out is a status; the list begins with the last one and ends at a time."""
    _, ref = await running(store)
    lost = {"status": TaskStatus.TIMED_OUT}
    batch = [attempt(ref, str(n), recorded_at=at(n), **lost) for n in range(6)]
    await store.system.record([*batch, failed(ref, "9", recorded_at=at(9))])
    found = await paged(
        lambda limit, cursor: store.tasks.find_timed_out(TENANT, at(2), limit, cursor), limit=3
    )
    assert [t.activity_id for t in found] == ["5", "4", "3", "2"]


async def test_lists_refuse_what_they_cannot_answer(store: Store) -> None:
    """Page sizes, cursors, times, statuses and names that are none are each named."""
    run, _ = await running(store)
    task = await step(store, run)
    tasks = store.tasks
    for limit in (0, 101, True, "9"):
        with pytest.raises(InvalidInput, match="limit"):
            await tasks.list(TENANT, status="failed", limit=limit)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="limit"):
            await tasks.find_overdue(TENANT, at(0), limit)  # type: ignore[arg-type]
    rest = task.cursor.partition("/")[2]
    for cursor in (
        "",
        "x",
        task.key,
        f"1.2/{rest}",
        f"x.-.-/{rest}",
        f"{10**30}.-.-/{rest}",
        "1.-.-/nix/-/s/1",
        f"1.-.-/{run.id}/-/s/0",
        f"1.-.-/{run.id}/-/s/99999999999",
        f"1.-.-/{run.id}/-//1",
        f"1.-.-/{run.id}/-/\x00/1",
        7,
    ):
        with pytest.raises(InvalidInput, match="cursor"):
            await tasks.list(TENANT, status="failed", cursor=cursor)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="cursor"):
        await tasks.find_overdue(TENANT, at(0), cursor=task.cursor)  # it has no deadline
    with pytest.raises(InvalidInput, match="cursor"):
        await tasks.list(TENANT, run_id=new_id(), cursor=task.cursor)
    with pytest.raises(InvalidInput, match="status"):
        await tasks.list(TENANT, status="nix")
    for moment in (None, datetime(2026, 1, 1)):  # noqa: DTZ001
        with pytest.raises(InvalidInput, match="now"):
            await tasks.find_pending_retries(TENANT, moment)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="since"):
            await tasks.find_timed_out(TENANT, moment)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="name"):
        await tasks.find_by_name(TENANT, run.id, "a\x00")
    with pytest.raises(InvalidInput, match="external_id"):
        await tasks.find_by_external_id(TENANT, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="child_run_id"):
        await tasks.find_by_child_run(TENANT, "nix")  # type: ignore[arg-type]
