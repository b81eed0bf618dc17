"""Commands and revision-checked updates: one writer wins, and every change leaves its event."""

import asyncio
from typing import Any

import pytest

from flowkeep.contracts import ErrorInfo, PauseRequest, Run, RunStatus, TaskStatus
from flowkeep.errors import (
    AlreadyTerminal,
    CancelPending,
    FlowkeepError,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    NotFound,
    RevisionMismatch,
)
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, at, attempt, kinds, new_id, new_run, running


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


async def test_update_with_revision_sets_what_may_change(store: Store) -> None:
    """An update stores the record, and its event follows from what changed."""
    run, _ = await running(store)
    changed = run.evolve(goal="done", current_step="load", labels={"a": "b"}, state={"x": [1]})
    stored = await store.runs.update_with_revision(TENANT, changed, actor="ana")
    assert stored == changed.evolve(revision=2, updated_at=stored.updated_at)
    labelled = await store.runs.update_with_revision(TENANT, stored.evolve(labels={}))
    ended = await store.runs.update_with_revision(
        TENANT,
        labelled.evolve(
            status="failed",
            failure_reason="lost",
            error=ErrorInfo(code="LOST", type="Lost", message="gone"),
        ),
    )
    assert ended.status is RunStatus.FAILED
    assert ended.finished_at is not None
    assert (await kinds(store, run.id))[2:] == ["state_patched", "labels_changed", "failed"]
    with pytest.raises(AlreadyTerminal):
        await store.runs.update_with_revision(TENANT, ended.evolve(goal="late"))
    held = await store.runs.update_with_revision(TENANT, ended.evolve(hold_until=at(9)))
    assert held.hold_until == at(9)


async def test_update_refuses_what_never_changes(store: Store) -> None:
    """Tenant, app, workflow_id and creation time of a run are for ever."""
    run, _ = await running(store)
    for change in ({"app_id": "b"}, {"workflow_id": "b"}, {"created_at": at(0)}):
        with pytest.raises(InvalidInput, match=next(iter(change))):
            await store.runs.update_with_revision(TENANT, run.evolve(**change))
    with pytest.raises(Forbidden):
        await store.runs.update_with_revision(TENANT, run.evolve(tenant_id=OTHER))
    with pytest.raises(Forbidden):
        await store.runs.update_with_revision(OTHER, run.evolve(tenant_id=OTHER))
    with pytest.raises(IllegalTransition):
        await store.runs.update_with_revision(TENANT, run.evolve(status="pending"))
    assert await store.runs.get(TENANT, run.id) == run


async def test_update_and_append_is_one_change(store: Store) -> None:
    """The update and the event of the caller's choice stand or fall together."""
    run, _ = await running(store)
    stored, event = await store.runs.update_and_append(
        TENANT, run.evolve(current_step="two"), "step_finished", {"step": "one"}, actor="wf"
    )
    assert (stored.current_step, stored.revision) == ("two", 2)
    assert (event.kind, event.payload, event.revision) == ("step_finished", {"step": "one"}, 2)
    with pytest.raises(InvalidInput):
        await store.runs.update_and_append(TENANT, stored.evolve(goal="x"), "Bad Kind")
    with pytest.raises(InvalidInput, match="payload"):
        await store.runs.update_and_append(
            TENANT, stored.evolve(goal="x"), "noted", {"x": float("inf")}
        )
    assert await store.runs.get(TENANT, run.id) == stored


async def test_of_two_writers_of_one_revision_one_wins(store: Store, second: Store) -> None:
    """Concurrent updates from one revision: exactly one is kept, the other is told."""
    run, _ = await running(store)
    found = await asyncio.gather(
        *(
            (store, second)[n % 2].runs.update_with_revision(TENANT, run.evolve(goal=f"g{n}"))
            for n in range(10)
        ),
        return_exceptions=True,
    )
    (winner,) = [r for r in found if isinstance(r, Run)]
    assert all(isinstance(r, RevisionMismatch) for r in found if r is not winner)
    assert await store.runs.get(TENANT, run.id) == winner
    assert await kinds(store, run.id) == ["created", "started", "state_patched"]


async def test_modify_tries_again_until_its_change_is_in(store: Store, second: Store) -> None:
    """Ten concurrent increments all arrive."""
    run, _ = await running(store)

    def add(current: Run) -> Run:
        changed: Run = current.evolve(state={"n": current.state.get("n", 0) + 1})
        return changed

    await asyncio.gather(
        *((store, second)[n % 2].runs.modify(TENANT, run.id, add, attempts=50) for n in range(10))
    )
    assert (await store.runs.get(TENANT, run.id)).state == {"n": 10}


async def test_modify_gives_up_after_its_attempts(store: Store) -> None:
    """A change that always comes late ends with the mismatch."""
    run, _ = await running(store)
    tries = []

    async def late(current: Run) -> Run:
        tries.append(current.revision)
        await store.runs.patch_state(TENANT, run.id, {"n": len(tries)})
        changed: Run = current.evolve(goal="late")
        return changed

    with pytest.raises(RevisionMismatch):
        await store.runs.modify(TENANT, run.id, late, attempts=3)
    assert tries == [1, 2, 3]


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
