"""Runs and executions that are first heard of by a record of them."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import (
    RunKind,
    RunStatus,
    SegmentKind,
    Source,
    Task,
    derive_run_id,
)
from flowkeep.errors import InvalidInput, OpenRunExists
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    close_of,
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


async def test_the_first_record_starts_a_pending_run(store: Store) -> None:
    """A record proves that Temporal accepted the run: it runs, by a command, with its event."""
    run = await store.runs.create(TENANT, new_run())
    ref = ref_of(run)
    await store.system.record([attempt(ref)])
    after = await store.runs.get(TENANT, run.id)
    assert (after.status, after.revision) == (RunStatus.RUNNING, 1)
    assert after.temporal_run_id == ref.temporal_run_id
    assert await kinds(store, run.id) == ["created", "started"]


async def test_runs_that_came_without_our_client_are_adopted(store: Store) -> None:
    """The first record of an unknown run creates it and its segment, once."""
    temporal = new_id()
    run_id = derive_run_id("default", "cli-started", str(temporal))
    ref = ref_of(new_run(id=run_id), workflow_id="cli-started", temporal_run_id=str(temporal))
    await store.system.record([attempt(ref, "a"), attempt(ref, "b")])
    await store.system.record([attempt(ref, "c")])
    run = await store.runs.get(TENANT, run_id)
    assert (run.status, run.triggered_from, run.tasks_total) == (RunStatus.RUNNING, "external", 3)
    assert abs(run.created_at.timestamp() * 1000 - (temporal.int >> 80)) < 2
    assert await kinds(store, run_id) == ["adopted"]
    (segment,) = await store.runs.list_segments(TENANT, run_id)
    assert (segment.temporal_run_id, segment.kind) == (str(temporal), SegmentKind.START)


async def test_children_and_chunks_know_their_parent(store: Store) -> None:
    """A child run is created by its first record, below its parent, with the parent's trigger."""
    parent, _ = await running(store)
    ref = ref_of(
        new_run(),
        kind=RunKind.CHUNK,
        parent_run_id=parent.id,
        root_run_id=parent.id,
        labels={"a": "b"},
    )
    await store.system.record([attempt(ref)])
    child = await store.runs.get(TENANT, ref.run_id)
    assert (child.kind, child.parent_run_id, child.root_run_id) == (
        RunKind.CHUNK,
        parent.id,
        parent.id,
    )
    assert (child.triggered_from, child.labels) == ("child", {"a": "b"})
    assert await kinds(store, child.id) == ["created"]


async def test_a_later_execution_is_a_segment_with_its_event(store: Store) -> None:
    """Continue-as-new adds a segment; only from the second on there is an event."""
    run, first = await running(store)
    second = ref_of(run, first_run_id=first.temporal_run_id)
    await store.system.record([attempt(first), attempt(second)])
    segments = await store.runs.list_segments(TENANT, run.id)
    assert [s.kind for s in segments] == [SegmentKind.START, SegmentKind.CONTINUE]
    assert await kinds(store, run.id) == ["created", "started", "segment_started"]
    assert await counters(store, run.id) == (2, 2, 0)


async def test_an_execution_stays_with_its_first_run(store: Store) -> None:
    """Records of a known execution go to its run, whatever id they derived."""
    run, ref = await running(store)
    await store.system.record([attempt(replace(ref, run_id=new_id()), "x")])
    assert [task.activity_id for task in await stored(store, run.id)] == ["x"]


async def test_adopted_runs_may_have_awkward_names(store: Store) -> None:
    """A foreign run whose names hold what text cannot is recorded under the nearest ones."""
    ref = ref_of(new_run(), workflow_id="w\x00\ud800", workflow_type="ü\x00")
    assert await store.system.record([attempt(ref)]) == 1
    run = await store.runs.get(TENANT, ref.run_id)
    assert (run.workflow_id, run.workflow_type) == ("w\ufffd\ufffd", "ü\ufffd")
    for length in (450, 2000):
        long = ref_of(new_run(), app_id="ü" * length)
        assert await store.system.record([attempt(long)]) == 1
        assert (await store.runs.get(TENANT, long.run_id)).app_id == "ü" * 400
    await store.runs.count_by_status(TENANT, "1d", app_id="ü" * 400)
    with pytest.raises(InvalidInput, match="tenant_id"):
        await store.system.record([attempt(ref_of(new_run(), tenant_id=""))])


async def test_adopted_runs_can_be_saved(store: Store) -> None:
    """Whatever characters Temporal took, a run is saved again, or into another ledger."""
    ref = ref_of(new_run(), workflow_id="order\u00a01\n", workflow_type="")
    assert await store.system.record([attempt(ref)]) == 1
    run = await store.runs.get(TENANT, ref.run_id)
    saved = await store.runs.save(TENANT, run.evolve(owner="ada"))
    assert (saved.workflow_id, saved.owner) == ("order\u00a01\n", "ada")
    copy = run.evolve(id=new_id(), namespace="other")
    assert (await store.runs.save(TENANT, copy)).workflow_id == run.workflow_id


async def test_a_newer_execution_ends_a_run_nobody_closed(store: Store) -> None:
    """Of two started runs of one workflow_id the earlier has ended, nobody knows how."""
    old, _ = await running(store, workflow_id="w")
    newer = ref_of(new_run(workflow_id="w"))
    await store.system.record([attempt(newer)])
    assert (await store.runs.get(TENANT, newer.run_id)).status is RunStatus.RUNNING
    ended = await store.runs.get(TENANT, old.id)
    assert (ended.status, ended.failure_reason) == (RunStatus.UNKNOWN, "lost")
    corrected = await store.runs.record_outcome(
        TENANT, old.id, RunStatus.CANCELLED, source=Source.SERVER, closed_at=at(5)
    )
    assert corrected.status is RunStatus.CANCELLED


async def test_a_late_record_of_an_older_execution_does_not_end_the_newer(store: Store) -> None:
    """An older run that was never recorded is adopted as ended, beside the open one."""
    older = ref_of(new_run(workflow_id="w"))
    newer, _ = await running(store, workflow_id="w")
    await store.system.record([attempt(older)])
    assert (await store.runs.get(TENANT, newer.id)).status is RunStatus.RUNNING
    assert (await store.runs.get(TENANT, older.run_id)).status is RunStatus.UNKNOWN
    ended = await store.system.close_segment(close_of(older, outputs={"n": 1}))
    assert (ended.status, ended.outputs) == (RunStatus.SUCCEEDED, {"n": 1})


async def test_a_requested_run_is_not_ended_by_a_foreign_execution(store: Store) -> None:
    """A run that waits for its start keeps its workflow_id until its starter settles it."""
    pending = await store.runs.create(TENANT, new_run(workflow_id="w"))
    foreign = ref_of(new_run(workflow_id="w"))
    with pytest.raises(OpenRunExists) as caught:
        await store.system.record([attempt(foreign)])
    assert caught.value.run_id == pending.id


async def test_a_deleted_run_is_adopted_again(store: Store) -> None:
    """A run that vanished after this process had seen it does not stop its records."""
    run, ref = await running(store)
    await store.system.record([attempt(ref)])
    async with store.transaction() as tx:
        for table in ("task", "run_event", "run_segment", "run"):
            column = "id" if table == "run" else "run_id"
            await tx.connection.execute(
                text(f"DELETE FROM flowkeep.{table} WHERE {column} = :id"), {"id": run.id}
            )
    assert await store.system.record([attempt(ref, "2")]) == 1
    assert await counters(store, run.id) == (1, 1, 0)
