"""Lists of tasks and attempts."""

import pytest

from flowkeep.contracts import TaskStatus
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, at, attempt, failed, new_id, ref_of, running


async def test_tasks_are_paged_by_time_with_their_highest_attempt(store: Store) -> None:
    """Each task appears once, as its last attempt, in the order it was scheduled."""
    run, ref = await running(store)
    batch = []
    for n in range(25):
        name = f"a/{n:02}#1"
        when = at(n // 5)
        batch += [
            failed(ref, name, 1, scheduled_at=when),
            attempt(ref, name, 2, scheduled_at=when),
        ]
    assert await store.tasks.upsert_attempts(TENANT, batch) == 50
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.tasks.list_tasks(TENANT, run.id, 4, cursor)
        assert all(task.attempt == 2 for task in page)
        seen += [task.activity_id for task in page]
        if not page.has_more:
            break
        cursor = page.data[-1].key
    assert seen == [f"a/{n:02}#1" for n in range(25)]


async def test_attempts_are_paged_by_key(store: Store) -> None:
    """Attempts of all executions come ordered by execution, activity and number."""
    run, first = await running(store)
    second = ref_of(run, first_run_id=first.temporal_run_id)
    batch = [failed(ref, name, n) for ref in (first, second) for name in "ab" for n in (1, 2, 10)]
    await store.tasks.upsert_attempts(TENANT, batch)
    expected = sorted((b.run.temporal_run_id, b.activity_id, b.attempt) for b in batch)
    seen = []
    cursor = None
    while True:
        page = await store.tasks.list_attempts(TENANT, run.id, limit=5, cursor=cursor)
        seen += [(t.temporal_run_id, t.activity_id, t.attempt) for t in page]
        if not page.has_more:
            break
        cursor = page.data[-1].attempt_key
    assert seen == expected
    only = await store.tasks.list_attempts(
        TENANT, run.id, "b", temporal_run_id=second.temporal_run_id
    )
    assert [(t.activity_id, t.attempt) for t in only] == [("b", 1), ("b", 2), ("b", 10)]


async def test_an_attempt_without_times_is_listed(store: Store) -> None:
    """Where nobody said when it was scheduled, the earliest known time stands in."""
    run, ref = await running(store)
    await store.tasks.upsert_attempts(
        TENANT,
        [
            attempt(ref, "b", scheduled_at=None, started_at=None, recorded_at=at(5)),
            attempt(ref, "a", scheduled_at=None, started_at=at(7), status=TaskStatus.RUNNING),
        ],
    )
    found = await store.tasks.list_tasks(TENANT, run.id)
    assert [task.activity_id for task in found] == ["b", "a"]


async def test_cursors_that_fit_nothing_are_refused(store: Store) -> None:
    """A malformed cursor, one of another run, and page sizes out of range are named."""
    run, ref = await running(store)
    await store.tasks.upsert_attempts(TENANT, [attempt(ref)])
    for cursor in (
        "",
        "x",
        "a/b",
        f"{ref.temporal_run_id}/nix",
        f"{ref.temporal_run_id}/",
        "\x00/a",
    ):
        with pytest.raises(InvalidInput, match="cursor"):
            await store.tasks.list_tasks(TENANT, run.id, cursor=cursor)
    for cursor in ("", "a/b", "a/b/c", "a/b/99999999999"):
        with pytest.raises(InvalidInput, match="cursor"):
            await store.tasks.list_attempts(TENANT, run.id, cursor=cursor)
    for limit in (0, 101):
        with pytest.raises(InvalidInput, match="limit"):
            await store.tasks.list_tasks(TENANT, run.id, limit)
        with pytest.raises(InvalidInput, match="limit"):
            await store.tasks.list_attempts(TENANT, run.id, limit=limit)


async def test_tasks_of_nobody_are_none(store: Store) -> None:
    """An unknown run, and a foreign one, have no tasks."""
    run, ref = await running(store)
    await store.tasks.upsert_attempts(TENANT, [attempt(ref)])
    for tenant, run_id in ((OTHER, run.id), (TENANT, new_id())):
        assert not (await store.tasks.list_tasks(tenant, run_id)).data
        assert not (await store.tasks.list_attempts(tenant, run_id)).data
