"""Revision-checked updates: of two writers one wins, and every change leaves its event."""

import asyncio

import pytest

from flowkeep.contracts import ErrorInfo, Run, RunStatus
from flowkeep.errors import (
    AlreadyTerminal,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    RevisionMismatch,
)
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, at, kinds, running


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
