"""Runs of the ledger, directly and over HTTP; no worker is needed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from flowkeep.clients.direct.watching import updates_of
from flowkeep.contracts import Attempt, NewRun, Run, RunRef, RunStatus, TaskStatus
from flowkeep.contracts.api.run_query import RunQuery
from flowkeep.contracts.api.runs import RunDeletion, RunPatch, RunStart
from flowkeep.errors import (
    AlreadyTerminal,
    CancelPending,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
    RevisionMismatch,
)
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.service.conftest import ServiceClient, direct_client


@pytest.fixture
async def store(settings: Settings) -> Any:
    """The ledger that the clients use."""
    async with await connect(settings=settings) as store:
        yield store


async def add_run(store: Store, **values: Any) -> Run:
    """Record a run."""
    fields = {"workflow_id": f"w-{uuid4()}", "workflow_type": "Hello", "task_queue": "q"}
    run = NewRun.model_validate({"id": uuid7(), **fields, **values})
    return await store.runs.create("default", run)


def attempt_of(run: Run, activity_id: str, number: int, **values: Any) -> Attempt:
    """One attempt of a task of the run's first execution."""
    ref = RunRef(
        run_id=run.id,
        tenant_id=run.tenant_id,
        namespace=run.namespace,
        workflow_id=run.workflow_id,
        temporal_run_id="t-1",
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
    )
    now = datetime.now(UTC)
    fields: dict[str, Any] = {"status": TaskStatus.SUCCEEDED, "scheduled_at": now, **values}
    return Attempt(
        run=ref,
        activity_id=activity_id,
        attempt=number,
        task_name=f"fetch-{activity_id}",
        recorded_at=now,
        **fields,
    )


async def test_each_filter_narrows_the_list(client: ServiceClient, store: Store) -> None:
    """Every filter leaves exactly the runs it describes, newest first."""
    one = await add_run(store, workflow_type="A", owner="ann", labels={"k": "1", "x": "y=z"})
    two = await add_run(store, workflow_type="B", app_id="app", triggered_from="schedule")
    three = await add_run(store, workflow_id="daily", triggered_from="api", parent_run_id=one.id)
    chunk = await add_run(store, kind="chunk")
    await store.runs.mark_running("default", two.id, temporal_run_id="t-2")
    soon = datetime.now(UTC) + timedelta(hours=1)
    for query, expected in (
        (RunQuery(), [three, two, one]),
        (RunQuery(chunks=True), [chunk, three, two, one]),
        (RunQuery(workflow_type="B"), [two]),
        (RunQuery(owner="ann"), [one]),
        (RunQuery(app_id="app", status="started"), [two]),
        (RunQuery(status="in progress"), [two]),
        (RunQuery(label=["k=1", "x=y=z"]), [one]),
        (RunQuery(label=["k=2"]), []),
        (RunQuery(triggered_from=["api", "schedule"]), [three, two]),
        (RunQuery(since=soon), []),
        (RunQuery(until=soon), [three, two, one]),
        (RunQuery(workflow_id="daily"), [three]),
        (RunQuery(parent_run_id=one.id), [three]),
        (RunQuery(paused=True), []),
        (RunQuery(stuck=True), []),
        (RunQuery(status="running", order="updated"), [two]),
    ):
        page = await client.runs.list(query)
        assert [run.id for run in page.data] == [run.id for run in expected], query
        assert page.next is None
    with pytest.raises(InvalidInput, match="nonsense"):
        await client.runs.list(RunQuery(status="nonsense"))
    with pytest.raises(InvalidInput, match="cursor"):
        await client.runs.list(RunQuery(cursor="nonsense"))


@pytest.mark.parametrize("order", ["created", "updated"])
async def test_pages_follow_each_other(client: ServiceClient, store: Store, order: Any) -> None:
    """Pages return every run once, and iterating is the same walk."""
    made = [(await add_run(store)).id for _ in range(5)]
    query = RunQuery(limit=2, order=order, status="pending")
    first = await client.runs.list(query)
    assert (len(first.data), first.has_more) == (2, True)
    seen = [run.id async for run in client.runs.iterate(query)]
    assert seen == (made[::-1] if order == "created" else made)


async def test_a_run_is_found_by_id_and_by_workflow_id(client: ServiceClient, store: Store) -> None:
    """`get` takes the run id, `find` also a workflow id, and both name what is missing."""
    run = await add_run(store, workflow_id="daily", inputs={"day": 1})
    assert await client.runs.get(run.id) == run
    assert (await client.runs.find("daily")).id == run.id
    assert (await client.runs.find(str(run.id))).inputs == {"day": 1}
    unknown = uuid7()
    for call in (
        client.runs.get,
        client.runs.tasks,
        client.runs.attempts,
        client.runs.task_names,
        client.runs.events,
        client.runs.segments,
        client.runs.pauses,
        client.runs.progress,
        client.runs.pause,
        client.runs.resume,
        client.runs.cancel,
        client.runs.terminate,
        client.runs.rerun,
        client.runs.preview_rerun,
        client.runs.delete,
        lambda run_id: client.runs.update(run_id, RunPatch(labels={"a": "b"})),
        lambda run_id: client.runs.value(run_id, "inputs"),
        lambda run_id: anext(client.runs.watch(run_id)),
    ):
        missing: Callable[[UUID], Any] = call
        with pytest.raises(NotFound, match=str(unknown)):
            await missing(unknown)
    with pytest.raises(NotFound, match="nothing"):
        await client.runs.find("nothing")


async def test_tasks_attempts_and_events(client: ServiceClient, store: Store) -> None:
    """Tasks show their newest attempt, attempts show all with what went in and out."""
    run = await add_run(store)
    await store.tasks.upsert_attempts(
        "default",
        [
            attempt_of(run, "child:a/b", 1, status=TaskStatus.FAILED, input={"n": 1}),
            attempt_of(run, "child:a/b", 2, output="x" * 20_000),
            attempt_of(run, "2", 1, status=TaskStatus.FAILED),
        ],
    )
    first = await client.runs.tasks(run.id, limit=1)
    second = await client.runs.tasks(run.id, limit=1, cursor=first.next)
    newest = [(task.activity_id, task.attempt) for task in (*first.data, *second.data)]
    assert sorted(newest) == [("2", 1), ("child:a/b", 2)]
    every = await client.runs.attempts(run.id, "child:a/b")
    assert [task.attempt for task in every.data] == [1, 2]
    assert (await client.runs.attempt(run.id, "child:a/b", 1)).input == {"n": 1}
    assert (await client.runs.attempt(run.id, "child:a/b", 2)).output == "x" * 20_000
    with pytest.raises(NotFound, match="attempt 3"):
        await client.runs.attempt(run.id, "2", 3)
    names = await client.runs.task_names(run.id)
    assert (names.completed, names.failed) == (["fetch-child:a/b"], ["fetch-2"])
    events = await client.runs.events(run.id, limit=1)
    older = await client.runs.events(run.id, cursor=events.next)
    assert [event.kind for event in (*events.data, *older.data)] == ["started", "created"]
    (segment,) = (await client.runs.segments(run.id)).data
    assert segment.temporal_run_id == "t-1"
    assert (await client.runs.pauses(run.id)).data == ()


async def test_an_external_run_lives(client: ServiceClient) -> None:
    """A run outside Temporal is recorded once, moved under the table of moves, and ended."""
    wanted = RunStart(
        workflow_type="nightly", workflow_id="n-1", external=True, arguments={"day": 1}
    )
    started = await client.runs.start(wanted)
    assert (started.created, started.temporal_run_id) == (True, None)
    again = await client.runs.start(wanted)
    assert (again.created, again.run_id) == (False, started.run_id)
    with pytest.raises(Conflict):
        await client.runs.start(wanted.model_copy(update={"on_conflict": "reject"}))
    run_id = started.run_id
    with pytest.raises(IllegalTransition):
        await client.runs.update(run_id, RunPatch(status="completed"))
    running = await client.runs.update(run_id, RunPatch(status="In Progress", state={"a": 1}))
    assert (running.status, running.state) == (RunStatus.RUNNING, {"a": 1})
    assert (await client.runs.progress(run_id)).run.status is RunStatus.RUNNING
    with pytest.raises(Conflict, match="outside Temporal"):
        await client.runs.pause(run_id)
    ended = await client.runs.update(run_id, RunPatch(status="success", outputs={"rows": 7}))
    assert (ended.status, ended.outputs, ended.triggered_from) == (
        RunStatus.SUCCEEDED,
        {"rows": 7},
        "external",
    )
    assert ended.finished_at is not None
    with pytest.raises(AlreadyTerminal):
        await client.runs.update(run_id, RunPatch(state={"a": 2}))
    with pytest.raises(Conflict, match="outside Temporal"):
        await client.runs.rerun(run_id)
    kinds = [event.kind for event in (await client.runs.events(run_id)).data]
    assert kinds == ["succeeded", "started", "created"]


async def test_a_cancel_of_an_external_run_leaves_one_way(client: ServiceClient) -> None:
    """A cancel is noted for whoever executes the run, and only `cancelled` is left."""
    started = await client.runs.start(RunStart(workflow_type="nightly", external=True))
    await client.runs.update(started.run_id, RunPatch(status="running"))
    assert (await client.runs.cancel(started.run_id, "enough")).cancel_requested
    with pytest.raises(CancelPending):
        await client.runs.update(started.run_id, RunPatch(status="succeeded"))
    done = await client.runs.update(started.run_id, RunPatch(status="Stopped"))
    assert done.status is RunStatus.CANCELLED


async def test_a_patch_sets_clears_and_leaves(client: ServiceClient, store: Store) -> None:
    """What a patch does not name stays, null removes, and a stale revision changes nothing."""
    run = await add_run(store, labels={"a": "1", "b": "2"}, state={"x": 1, "y": 2}, owner="ann")
    patch = RunPatch(labels={"a": None, "c": "3"}, state={"x": None, "z": {"n": None}})
    changed = await client.runs.update(run.id, patch, expected_revision=0)
    assert changed.labels == {"b": "2", "c": "3"}
    assert changed.state == {"y": 2, "z": {"n": None}}
    assert (changed.owner, changed.revision) == ("ann", 1)
    with pytest.raises(RevisionMismatch):
        await client.runs.update(run.id, patch, expected_revision=0)
    assert (await client.runs.update(run.id, RunPatch())).revision == 1
    moved = await client.runs.update(run.id, RunPatch(owner=None))
    assert (moved.owner, moved.labels) == (None, changed.labels)
    with pytest.raises(Conflict, match="cancel"):
        await client.runs.update(run.id, RunPatch(status="succeeded"))
    with pytest.raises(InvalidInput):
        await client.runs.update(run.id, RunPatch(state={"a": "\x00"}))


async def test_deletion(client: ServiceClient, store: Store) -> None:
    """Ended runs go with what is theirs, open ones are refused and named, a look deletes none."""
    done, still = await add_run(store), await add_run(store)
    await store.runs.mark_running("default", done.id)
    await store.runs.finish("default", done.id)
    with pytest.raises(Conflict, match=str(still.id)):
        await client.runs.delete(still.id)
    with pytest.raises(Conflict, match=str(still.id)):
        await client.runs.delete_many(RunDeletion(run_ids=[done.id, still.id]))
    look = await client.runs.delete_many(RunDeletion(run_ids=[done.id, uuid7()], dry_run=True))
    assert (look.deleted, look.dry_run) == (1, True)
    await client.runs.delete(done.id)
    with pytest.raises(NotFound):
        await client.runs.get(done.id)


async def test_counts_and_values(client: ServiceClient, store: Store) -> None:
    """Counts name every status, and values come whole, however big."""
    big = {"text": "ü" * 100_000}
    run = await add_run(store, inputs=big)
    counts = await client.runs.count("1h")
    assert counts.counts[RunStatus.PENDING] == 1
    assert set(counts.counts) == set(RunStatus)
    assert await client.runs.value(run.id, "inputs") == big
    assert await client.runs.value(run.id, "outputs") is None


async def test_watching_a_run_that_has_ended(client: ServiceClient, store: Store) -> None:
    """A watch of an ended run gives the audit events behind the one that is known, and the end."""
    run = await add_run(store, inputs={"a": 1})
    await store.runs.mark_running("default", run.id)
    await store.runs.finish("default", run.id, outputs=3)
    kinds = [event.kind for event in (await client.runs.events(run.id)).data]
    updates = [update async for update in client.runs.watch(run.id, after=0)]
    told = [update.event.kind for update in updates if update.event is not None]
    assert told == kinds[::-1]
    last = updates[-1]
    assert last.kind == "end"
    assert last.progress is not None
    assert (last.progress.run.outputs, last.progress.run.inputs) == (3, {"a": 1})
    now = [update.kind async for update in client.runs.watch(run.id)]
    assert now == ["end"]


async def test_a_watcher_may_come_as_the_last_one_leaves(settings: Settings) -> None:
    """Who begins to watch while nobody else does any more is told of the run all the same."""
    async with direct_client(settings) as client:
        run = (await client.runs.start(RunStart(workflow_type="Load", external=True))).run_id
        first = await updates_of(client, run, after=None, interval_seconds=0.1)
        assert await anext(first) is not None
        second = await updates_of(client, run, after=None, interval_seconds=0.1)
        await first.aclose()
        async with asyncio.timeout(60):
            assert await anext(second) is not None
        await second.aclose()
