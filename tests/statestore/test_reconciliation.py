"""What the ledger proves by counting, what it calls due, and what it leaves to be looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowkeep.contracts import (
    ErrorInfo,
    RunRef,
    RunStatus,
    SegmentKind,
    Source,
    Stuck,
    TaskStatus,
    TaskType,
)
from flowkeep.contracts.reconciliation import ClosedExecution, DueExecution, NextLook, Standing
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    close_of,
    failed,
    new_id,
    running,
)

NS = "default"
FATAL = ErrorInfo(code="BOOM", type="ValueError", message="boom", retryable=False)


def told(ref: RunRef, status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> ClosedExecution:
    return ClosedExecution(
        **{
            "temporal_run_id": ref.temporal_run_id,
            "status": status,
            "closed_at": at(100.01),
            **fields,
        }
    )


async def standing(store: Store, ref: RunRef, *args: Any, **fields: Any) -> Standing:
    found = await store.system.confirm(NS, [told(ref, *args, **fields)])
    return found[ref.temporal_run_id]


async def every(store: Store) -> list[str]:
    """Return the executions that are not proven."""
    found: list[DueExecution] = []
    for closed in (True, False):
        found += await store.system.due_executions(
            NS, closed=closed, limit=100, until=datetime.now(UTC) + timedelta(days=1)
        )
    return [one.temporal_run_id for one in found]


def later(ref: RunRef, **fields: Any) -> RunRef:
    return replace(ref, temporal_run_id=str(new_id()), first_run_id=ref.temporal_run_id, **fields)


async def test_as_many_tasks_as_the_workflow_counted_prove_an_execution(store: Store) -> None:
    """One that ended as Temporal says, with each counted task finished, is due no more."""
    _, ref = await running(store)
    await store.system.record([attempt(ref, str(n)) for n in range(3)])
    await store.system.close_segment(close_of(ref, expected_tasks=3))
    assert await every(store) == [ref.temporal_run_id]
    assert await standing(store, ref) is Standing.PROVEN
    assert await every(store) == []
    assert await standing(store, ref) is Standing.PROVEN


PROVABLE: dict[str, list[dict[str, Any]]] = {
    "a failure, then a success": [{"failed": 1}, {"number": 2}],
    "the last of all attempts failed": [{"failed": 1, "max_attempts": 1, "next_retry_at": None}],
    "a failure that is not retried": [{"failed": 1, "error": FATAL, "next_retry_at": None}],
    "cancelled": [{"status": TaskStatus.CANCELLED}],
    "a local activity": [{"type": TaskType.LOCAL_ACTIVITY}],
    "a step inside does not count": [{}, {"id": "1/load#1", "type": TaskType.STEP}],
}
UNPROVEN: dict[str, list[dict[str, Any]]] = {
    "no task": [],
    "one too many": [{}, {"id": "2"}],
    "a gap": [{"failed": 1}, {"number": 3}],
    "the first is missing": [{"number": 2}],
    "a failure after which another may have been lost": [{"failed": 1, "next_retry_at": None}],
    "still running": [{"status": TaskStatus.RUNNING, "finished_at": None}],
    "completed elsewhere": [{"status": TaskStatus.WAITING, "finished_at": None}],
    "a success that the server did not take": [{}, {"number": 2}],
    "an end that was only guessed": [{"source": Source.CLIENT}],
}


def attempts(ref: RunRef, shapes: list[dict[str, Any]]) -> list[Any]:
    made = []
    for given in shapes:
        fields = dict(given)
        key, number = fields.pop("id", "1"), fields.pop("failed", None)
        if number is not None:
            made.append(failed(ref, key, number, **fields))
        else:
            made.append(attempt(ref, key, fields.pop("number", 1), **fields))
    return made


@pytest.mark.parametrize("name", PROVABLE)
async def test_what_proves_a_task(store: Store, name: str) -> None:
    """Attempts without a gap, of which the last could not be followed by another."""
    _, ref = await running(store)
    await store.system.record(attempts(ref, PROVABLE[name]))
    await store.system.close_segment(close_of(ref, expected_tasks=1))
    assert await standing(store, ref) is Standing.PROVEN


@pytest.mark.parametrize("name", UNPROVEN)
async def test_what_does_not_prove_a_task(store: Store, name: str) -> None:
    """Anything behind which a lost attempt may hide is left to the history."""
    _, ref = await running(store)
    await store.system.record(attempts(ref, UNPROVEN[name]))
    await store.system.close_segment(close_of(ref, expected_tasks=1))
    assert await standing(store, ref) is Standing.INCOMPLETE
    assert await every(store) == [ref.temporal_run_id]


async def test_an_end_without_a_count_proves_nothing(store: Store) -> None:
    """A reset, an end that the server told, and one whose report was refused are examined."""
    for fields in (
        {"kind": SegmentKind.RESET, "expected_tasks": 0},
        {"expected_tasks": None, "source": Source.SERVER},
        {"expected_tasks": 0, "closed_at": at(80)},
        {"expected_tasks": 0, "status": RunStatus.FAILED, "failure_reason": "activity_error"},
    ):
        _, ref = await running(store)
        close = close_of(ref, **fields)
        await store.system.close_segment(close)
        assert await standing(store, ref, close.status) is Standing.INCOMPLETE, fields


async def test_ends_that_differ_are_told_and_left_alone(store: Store) -> None:
    """Another status, a termination, an open execution and an unknown one each have a name."""
    _, ref = await running(store)
    assert await standing(store, ref) is Standing.OPEN
    await store.system.close_segment(close_of(ref, RunStatus.CANCELLED, expected_tasks=0))
    assert await standing(store, ref) is Standing.DIFFERS
    assert await standing(store, ref, RunStatus.CANCELLED, terminated=True) is Standing.DIFFERS
    assert await standing(store, later(ref)) is Standing.UNKNOWN
    assert await standing(store, ref, RunStatus.CANCELLED) is Standing.PROVEN


async def test_a_chain_is_proven_with_its_last_execution(store: Store) -> None:
    """The count goes over the chain; executions that continued as new are cleared with the end."""
    _, first = await running(store)
    second, third = later(first), later(first)
    for ref in (first, second, third):
        await store.system.record([attempt(ref, "1")])
    for ref in (first, second):
        assert await standing(store, ref, RunStatus.RUNNING) is Standing.CONTINUED
    assert len(await every(store)) == 3
    await store.system.close_segment(close_of(third, expected_tasks=3, kind=SegmentKind.CONTINUE))
    assert await standing(store, third) is Standing.PROVEN
    assert await every(store) == []


async def test_a_chain_with_a_lost_middle_is_not_proven(store: Store) -> None:
    """Tasks of an execution that the ledger never heard of are missing in the count."""
    _, first = await running(store)
    last = later(first)
    await store.system.record([attempt(first, "1"), attempt(last, "1")])
    await store.system.close_segment(close_of(last, expected_tasks=3, kind=SegmentKind.CONTINUE))
    assert await standing(store, last) is Standing.INCOMPLETE


async def test_a_chain_that_is_not_proven_is_looked_at_at_once(store: Store) -> None:
    """What continued as new waits for its chain's end no longer, and is not put off again."""
    run, first = await running(store)
    last = later(first)
    await store.system.record([attempt(last, "1")])
    assert await standing(store, first, RunStatus.RUNNING) is Standing.CONTINUED
    await store.system.close_segment(close_of(last, expected_tasks=2, kind=SegmentKind.CONTINUE))
    assert await standing(store, last) is Standing.INCOMPLETE
    assert await store.system.due_executions(NS, closed=True, limit=10) == []
    assert await store.system.chains_now(NS, []) == 0
    assert await store.system.chains_now(NS, [run.id]) == 1
    [due] = await store.system.due_executions(NS, closed=True, limit=10)
    assert (due.temporal_run_id, due.tries) == (first.temporal_run_id, 1)
    assert await store.system.chains_now(NS, [run.id]) == 0


async def test_an_execution_that_a_retry_replaced_does_not_count(store: Store) -> None:
    """The retry counts anew what its chain had before, without what failed."""
    _, first = await running(store)
    bad, good = later(first), later(first)
    await store.system.record(
        [
            attempt(ref, str(n))
            for ref, many in ((first, 2), (bad, 1), (good, 3))
            for n in range(many)
        ]
    )
    await store.system.close_segment(
        close_of(
            bad,
            RunStatus.FAILED,
            expected_tasks=3,
            kind=SegmentKind.CONTINUE,
            tentative=True,
            failure_reason="workflow_error",
        )
    )
    assert await standing(store, bad, RunStatus.FAILED) is Standing.PROVEN
    await store.system.close_segment(close_of(good, expected_tasks=5, kind=SegmentKind.RETRY))
    assert await standing(store, good) is Standing.PROVEN


async def test_a_run_that_did_not_end_with_its_last_execution(store: Store) -> None:
    """A retry that may follow and never came leaves the run open, so nothing is proven."""
    run, ref = await running(store)
    await store.system.close_segment(
        close_of(ref, RunStatus.FAILED, expected_tasks=0, tentative=True)
    )
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.RUNNING
    assert await standing(store, ref, RunStatus.FAILED) is Standing.INCOMPLETE


async def test_each_firing_of_a_cron_is_a_chain_of_its_own(store: Store) -> None:
    """Firings are proven one by one, by their own counts."""
    _, first = await running(store)
    second = later(first)
    await store.system.record([attempt(first, "1"), attempt(second, "1"), attempt(second, "2")])
    await store.system.close_segment(close_of(first, expected_tasks=1, tentative=True))
    await store.system.close_segment(close_of(second, expected_tasks=2, kind=SegmentKind.CRON))
    found = await store.system.confirm(NS, [told(first), told(second)])
    assert set(found.values()) == {Standing.PROVEN}


async def test_a_change_in_between_is_not_lost(store: Store, second: Store) -> None:
    """Whoever clears or postpones what has become due again meanwhile changes nothing."""
    _, ref = await running(store)
    assert await store.system.reconcile_soon(NS, ref.temporal_run_id) == 1
    (seen,) = await store.system.due_executions(NS, closed=False, limit=10)
    await second.system.look_again(NS, [NextLook(ref.temporal_run_id, seen.due_at, 60)])
    assert (
        await store.system.look_again(NS, [NextLook(ref.temporal_run_id, seen.due_at, None)]) == 0
    )
    assert await store.system.due_executions(NS, closed=False, limit=10) == []
    assert await every(store) == [ref.temporal_run_id]
    assert await store.system.reconcile_soon(NS, ref.temporal_run_id) == 1
    (again,) = await store.system.due_executions(NS, closed=False, limit=10)
    assert again.tries == 1
    assert (
        await store.system.look_again(NS, [NextLook(ref.temporal_run_id, again.due_at, None)]) == 1
    )
    assert await every(store) == []


async def test_what_is_due_comes_in_pages_and_is_counted(store: Store) -> None:
    """Pages follow each other without a repeat; the backlog says how many and since when."""
    refs = [(await running(store))[1] for _ in range(5)]
    assert (await store.system.backlog(NS)).due == 0
    marked = await store.system.reconcile_all_soon([(NS, ref.temporal_run_id) for ref in refs])
    assert marked == 5
    assert await store.system.reconcile_all_soon([("elsewhere", refs[0].temporal_run_id)]) == 0
    backlog = await store.system.backlog(NS)
    assert (backlog.due, backlog.oldest_seconds >= 0) == (5, True)
    seen: list[DueExecution] = []
    while page := await store.system.due_executions(
        NS, closed=False, limit=2, after=seen[-1] if seen else None
    ):
        seen += page
    assert {one.temporal_run_id for one in seen} == {ref.temporal_run_id for ref in refs}
    assert len(seen) == 5
    assert await store.system.due_executions("elsewhere", closed=False, limit=10) == []


async def test_why_a_run_does_not_move(store: Store) -> None:
    """It is kept with the time of its first sight, changes nothing else, and ends with the run."""
    run, ref = await running(store)
    stuck = Stuck(code="NO_WORKER", message="nobody", attempts=1, since=at(1))
    assert await store.system.set_stuck(run.id, stuck)
    assert await store.system.set_stuck(
        run.id, stuck.model_copy(update={"attempts": 2, "since": at(9)})
    )
    found = await store.runs.get(TENANT, run.id)
    assert found.stuck == stuck.model_copy(update={"attempts": 2})
    assert (found.revision, found.updated_at) == (run.revision, run.updated_at)
    assert await store.system.clear_stuck(run.id)
    assert not await store.system.clear_stuck(run.id)
    await store.system.set_stuck(run.id, stuck)
    await store.system.close_segment(close_of(ref))
    assert (await store.runs.get(TENANT, run.id)).stuck is None
    assert not await store.system.set_stuck(run.id, stuck)


async def test_marks_go_forward(store: Store) -> None:
    """Up to when Temporal's list was read is kept per namespace and never goes back."""
    assert await store.system.listed_to(NS) is None
    await store.system.set_listed_to(NS, at(10))
    await store.system.set_listed_to(NS, at(5))
    assert await store.system.listed_to(NS) == at(10)
    assert await store.system.listed_to("elsewhere") is None
    for _ in range(2):
        await store.system.serve_queue(NS, "mine")
    assert await store.system.served_queues(NS) == {"mine"}
    assert await store.system.served_queues("elsewhere") == set()


async def test_runs_that_do_not_move_are_listed(store: Store) -> None:
    """Newest first, page by page, with the reason; a run that moves again leaves the list."""
    runs = [(await running(store))[0] for _ in range(4)]
    stuck = Stuck(code="NO_WORKER", message="nobody", since=at(1))
    for run in runs[:3]:
        await store.system.set_stuck(run.id, stuck)
    page = await store.runs.find_stuck(TENANT, limit=2)
    assert [run.id for run in page] == [runs[2].id, runs[1].id]
    assert page.data[0].stuck == stuck
    await store.system.clear_stuck(runs[1].id)
    rest = await store.runs.find_stuck(TENANT, limit=2, last_id=runs[1].id)
    assert ([run.id for run in rest], rest.has_more) == ([runs[0].id], False)
    assert (await store.runs.find_stuck("rival")).data == []
    listed = await store.runs.get_paginated_runs(TENANT, limit=10)
    assert {run.id: run.stuck for run in listed} == {
        runs[0].id: stuck,
        runs[1].id: None,
        runs[2].id: stuck,
        runs[3].id: None,
    }
