"""Commands: each checks the move, and every change leaves its event."""

import asyncio
from typing import Any

import pytest

from flowkeep.contracts import PauseRequest, RunStatus, TaskStatus
from flowkeep.errors import (
    AlreadyTerminal,
    CancelPending,
    FlowkeepError,
    IllegalTransition,
    InvalidInput,
    NotFound,
    RevisionMismatch,
)
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    attempt,
    close_of,
    kinds,
    new_id,
    new_run,
    ref_of,
    running,
)


async def test_a_run_through_all_its_moves(store: Store) -> None:
    """Each command moves the run, bumps the revision by one and appends one event."""
    run, _ = await running(store)
    assert (run.status, run.revision) == (RunStatus.RUNNING, 1)
    run = await store.runs.set_waiting(TENANT, run.id, wait={"for": "approval"}, actor="wf")
    assert (run.status, run.wait, run.revision) == (RunStatus.WAITING, {"for": "approval"}, 2)
    run = await store.runs.resume(TENANT, run.id, patch={"ok": True}, actor="ana")
    assert (run.status, run.wait, run.state) == (RunStatus.RUNNING, None, {"ok": True})
    run = await store.runs.patch_state(TENANT, run.id, {"n": 1}, remove=["ok"])
    assert run.state == {"n": 1}
    run = await store.runs.finish(TENANT, run.id, outputs={"rows": 3})
    assert (run.status, run.outputs, run.revision) == (RunStatus.SUCCEEDED, {"rows": 3}, 5)
    assert run.finished_at is not None
    events = list(reversed(await store.runs.list_events(TENANT, run.id)))
    assert [event.kind for event in events] == [
        "created",
        "started",
        "waiting",
        "resumed",
        "state_patched",
        "succeeded",
    ]
    assert [event.revision for event in events] == [0, 1, 2, 3, 4, 5]
    assert events[3].payload == {
        "from": "waiting",
        "to": "running",
        "source": "client",
        "set": ["ok"],
    }
    assert events[3].actor == "ana"
    assert events[4].payload == {"set": ["n"], "removed": ["ok"]}


async def test_a_pause_is_a_wait_with_an_open_pause(store: Store) -> None:
    """Pausing keeps who and why; resuming closes it with what it changed."""
    run, _ = await running(store)
    pause = PauseRequest(paused=True, reason="maintenance", actor="ana")
    run = await store.runs.set_waiting(TENANT, run.id, pause=pause)
    assert (run.status, run.pause_reason) == (RunStatus.WAITING, "maintenance")
    assert await store.runs.set_waiting(TENANT, run.id, pause=pause) == run
    (opened,) = await store.runs.list_pauses(TENANT, run.id)
    assert (opened.reason, opened.paused_by, opened.resumed_at) == ("maintenance", "ana", None)
    run = await store.runs.resume(TENANT, run.id, patch={"speed": 2}, actor="bob")
    assert run.pause_reason is None
    (closed,) = await store.runs.list_pauses(TENANT, run.id)
    assert (closed.payload, closed.resumed_by) == ({"speed": 2}, "bob")
    assert closed.resumed_at is not None
    await store.runs.set_waiting(TENANT, run.id, pause=pause)
    await store.runs.fail(TENANT, run.id, status=RunStatus.CANCELLED)
    assert [p.resumed_at is None for p in await store.runs.list_pauses(TENANT, run.id)] == [
        False,
        False,
    ]


async def test_moves_outside_the_table_are_refused(store: Store) -> None:
    """Ended runs, pending cancels and impossible moves have their own errors; nothing changes."""
    pending = await store.runs.create(TENANT, new_run())
    run, _ = await running(store)
    ended, _ = await running(store)
    await store.runs.finish(TENANT, ended.id)
    asked, _ = await running(store)
    await store.runs.request_cancel(TENANT, asked.id, reason="too slow")
    runs = store.runs
    refused: list[tuple[Any, type[FlowkeepError]]] = [
        (runs.finish(TENANT, pending.id), IllegalTransition),
        (runs.set_waiting(TENANT, pending.id), IllegalTransition),
        (runs.resume(TENANT, pending.id), IllegalTransition),
        (runs.resume(TENANT, run.id), IllegalTransition),
        (runs.resume(TENANT, ended.id), AlreadyTerminal),
        (runs.fail(TENANT, ended.id), AlreadyTerminal),
        (runs.request_cancel(TENANT, ended.id), AlreadyTerminal),
        (runs.patch_state(TENANT, ended.id, {"a": 1}), AlreadyTerminal),
        (runs.finish(TENANT, asked.id), CancelPending),
        (runs.set_waiting(TENANT, asked.id), CancelPending),
        (runs.resume(TENANT, asked.id), CancelPending),
        (runs.fail(TENANT, run.id, status=RunStatus.SUCCEEDED), InvalidInput),
        (runs.patch_state(TENANT, run.id, {"a": 1}, remove=["a"]), InvalidInput),
    ]
    before = [await runs.get(TENANT, r.id) for r in (pending, run, ended, asked)]
    for call, error in refused:
        with pytest.raises(error):
            await call
    assert [await runs.get(TENANT, r.id) for r in (pending, run, ended, asked)] == before
    cancelled = await runs.fail(TENANT, asked.id, status=RunStatus.CANCELLED)
    assert cancelled.status is RunStatus.CANCELLED


async def test_commands_with_nothing_to_do_write_nothing(store: Store) -> None:
    """Repeats and empty patches leave revision and events alone."""
    run, _ = await running(store)
    asked = await store.runs.request_cancel(TENANT, run.id)
    assert await store.runs.request_cancel(TENANT, run.id) == asked
    assert await store.runs.patch_state(TENANT, run.id, {}) == asked
    assert await store.runs.patch_state(TENANT, run.id, {}, remove=["absent"]) == asked
    again = await store.runs.mark_running(TENANT, run.id, temporal_run_id=run.temporal_run_id)
    assert again == asked
    assert await store.runs.update_with_revision(TENANT, asked) == asked
    assert await kinds(store, run.id) == ["created", "started", "cancel_requested"]


async def test_repeating_an_end_may_only_fill_what_is_empty(store: Store) -> None:
    """The first report of an end stays; outputs it lacked can be added, not replaced."""
    run, _ = await running(store)
    await store.runs.finish(TENANT, run.id)
    filled = await store.runs.finish(TENANT, run.id, outputs=["big" * 5000])
    assert filled.outputs == ["big" * 5000]
    again = await store.runs.finish(TENANT, run.id, outputs={"other": 1})
    assert again == filled
    assert (await kinds(store, run.id))[2:] == ["succeeded", "reconciled"]


async def test_expected_revisions_are_compared(store: Store) -> None:
    """Every command refuses a stale revision, names both, and changes nothing."""
    run, _ = await running(store)
    await store.runs.patch_state(TENANT, run.id, {"a": 1}, expected_revision=1)
    runs = store.runs
    for call in [
        runs.mark_running(TENANT, run.id, expected_revision=1),
        runs.request_cancel(TENANT, run.id, expected_revision=1),
        runs.set_waiting(TENANT, run.id, expected_revision=1),
        runs.resume(TENANT, run.id, expected_revision=1),
        runs.patch_state(TENANT, run.id, {"a": 2}, expected_revision=1),
        runs.finish(TENANT, run.id, expected_revision=1),
        runs.fail(TENANT, run.id, expected_revision=1),
        runs.update_with_revision(TENANT, run),
        runs.update_and_append(TENANT, run, "noted"),
    ]:
        with pytest.raises(RevisionMismatch, match="re-read") as caught:
            await call
        assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert (await runs.get(TENANT, run.id)).state == {"a": 1}


async def test_a_start_and_its_first_record_do_not_deadlock(store: Store, second: Store) -> None:
    """Client and worker may tell of one new execution at once; both are heard, every time."""
    for _ in range(25):
        run = await store.runs.create(TENANT, new_run())
        ref = ref_of(run)
        _, written, closed = await asyncio.gather(
            store.runs.mark_running(TENANT, run.id, temporal_run_id=ref.temporal_run_id),
            second.system.record([attempt(ref)]),
            second.system.close_segment(close_of(ref)),
        )
        assert (written, closed.status) == (1, RunStatus.SUCCEEDED)
        assert (await kinds(store, run.id)) == ["created", "started", "succeeded"]
        assert len(await store.runs.list_segments(TENANT, run.id)) == 1


async def test_concurrent_commands_queue_on_the_row(store: Store, second: Store) -> None:
    """Patches of different keys at the same time are all kept, each with its event."""
    run, _ = await running(store)
    await asyncio.gather(
        *((store, second)[n % 2].runs.patch_state(TENANT, run.id, {f"k{n}": n}) for n in range(20))
    )
    stored = await store.runs.get(TENANT, run.id)
    assert stored.state == {f"k{n}": n for n in range(20)}
    events = await store.runs.list_events(TENANT, run.id)
    assert [event.revision for event in events] == list(range(21, -1, -1))


async def test_events_are_appended_and_paged(store: Store) -> None:
    """Events come newest first; none for limits of zero or less; unknown runs refuse them."""
    run, _ = await running(store)
    for n in range(5):
        event = await store.runs.append_event(TENANT, run.id, "noted", {"n": n}, actor="ana")
        assert (event.revision, event.actor) == (1, "ana")
    newest = await store.runs.list_events(TENANT, run.id, 3)
    assert [event.payload["n"] for event in newest] == [4, 3, 2]
    older = await store.runs.list_events(TENANT, run.id, 3, before=newest[-1].seq)
    assert [event.kind for event in older] == ["noted", "noted", "started"]
    assert await store.runs.list_events(TENANT, run.id, 0) == []
    assert await store.runs.list_events(TENANT, run.id, -1) == []
    with pytest.raises(NotFound):
        await store.runs.append_event(TENANT, new_id(), "noted")


async def test_closing_a_run_closes_its_open_attempts(store: Store) -> None:
    """Attempts nobody reported are cancelled; a real record that arrives later replaces that."""
    run, ref = await running(store)
    await store.system.record(
        [
            attempt(ref, "done"),
            attempt(ref, "open", status=TaskStatus.RUNNING, finished_at=None),
        ]
    )
    closed = await store.runs.fail(TENANT, run.id)
    assert (closed.tasks_total, closed.tasks_finished) == (2, 2)
    tasks = {task.activity_id: task for task in await store.tasks.list_tasks(TENANT, run.id)}
    assert tasks["done"].status is TaskStatus.SUCCEEDED
    assert tasks["open"].status is TaskStatus.CANCELLED
    assert tasks["open"].error is not None
    assert tasks["open"].error.code == "RUN_CLOSED"
    await store.system.record([attempt(ref, "open", output={"late": 1})])
    (late,) = await store.tasks.list_attempts(TENANT, run.id, "open")
    assert (late.status, late.output, late.error) == (TaskStatus.SUCCEEDED, {"late": 1}, None)
    after = await store.runs.get(TENANT, run.id)
    assert (after.tasks_total, after.tasks_finished, after.revision) == (2, 2, closed.revision)
