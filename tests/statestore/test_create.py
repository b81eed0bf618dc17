"""Creating and saving runs: once, whole, and never two open ones of one workflow_id."""

import asyncio
import random

import pytest

from flowkeep.contracts import Run, RunStatus, StateType
from flowkeep.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OpenRunExists,
    RevisionMismatch,
)
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, kinds, new_id, new_run


async def test_create_writes_run_arguments_and_event_together(store: Store) -> None:
    """A created run is pending at revision 0, with its arguments and its event."""
    new = new_run(
        arguments={"workflow_id": "x", "schemas": ["a"]},
        inputs={"größe": "ü\n🙂"},
        labels={"team": "data"},
        owner="ana",
        created_by="cli:ana",
        triggered_from="cli",
    )
    run = await store.runs.create(TENANT, new)
    assert (run.status, run.revision, run.tenant_id) == (RunStatus.PENDING, 0, TENANT)
    assert run.inputs == {"größe": "ü\n🙂"}
    assert run.labels == {"team": "data"}
    assert run == await store.runs.get(TENANT, run.id)
    assert await store.state.get_arguments(TENANT, run.id) == new.arguments
    entry = await store.state.get_state(TENANT, new.workflow_id, StateType.WORKFLOWS)
    assert entry.value == new.arguments
    (event,) = await store.runs.list_events(TENANT, run.id)
    assert (event.kind, event.revision, event.actor) == ("created", 0, "cli:ana")


async def test_repeating_a_create_returns_the_stored_run(store: Store) -> None:
    """The same request twice is one run with one event, numbers that jsonb writes anew included."""
    new = new_run(arguments={"a": 1, "big": 1e16, "whole": 2.0, "small": 1e-7})
    first = await store.runs.create(TENANT, new)
    assert await store.runs.create(TENANT, new) == first
    assert await kinds(store, new.id) == ["created"]


async def test_another_run_under_a_taken_id_is_a_conflict(store: Store) -> None:
    """An id names one request: other content, or another tenant, is refused."""
    new = new_run(arguments={"a": 1})
    await store.runs.create(TENANT, new)
    with pytest.raises(Conflict, match="workflow_type"):
        await store.runs.create(TENANT, new.evolve(workflow_type="Other"))
    for other in (2, True):
        with pytest.raises(Conflict, match="arguments"):
            await store.runs.create(TENANT, new.evolve(arguments={"a": other}))
    with pytest.raises(Forbidden):
        await store.runs.create(OTHER, new)
    assert await store.state.get_arguments(TENANT, new.id) == {"a": 1}


async def test_an_open_workflow_id_is_taken(store: Store) -> None:
    """A second open run of a workflow_id is refused, and names the first; a closed one frees it."""
    first = await store.runs.create(TENANT, new_run(workflow_id="nightly", arguments={"n": 1}))
    with pytest.raises(OpenRunExists) as caught:
        await store.runs.create(TENANT, new_run(workflow_id="nightly", arguments={"n": 2}))
    assert caught.value.run_id == first.id
    entry = await store.state.get_state(TENANT, "nightly", StateType.WORKFLOWS)
    assert entry.value == {"n": 1}
    elsewhere = new_run(workflow_id="nightly", namespace="other")
    await store.runs.create(TENANT, elsewhere)
    await store.runs.fail(TENANT, first.id, failure_reason="start_failed")
    again = await store.runs.create(TENANT, new_run(workflow_id="nightly", arguments={"n": 2}))
    entry = await store.state.get_state(TENANT, "nightly", StateType.WORKFLOWS)
    assert entry.value == {"n": 2}
    assert await store.state.get_arguments(TENANT, first.id) == {"n": 1}
    page = await store.runs.find_by_workflow_id(TENANT, "nightly", namespace="default")
    assert [run.id for run in page] == [again.id, first.id]


async def test_concurrent_creates_of_one_workflow_id_give_one_run(
    store: Store, second: Store
) -> None:
    """Of many concurrent requests one wins, and all others learn its id."""
    requests = [new_run(workflow_id="popular", arguments={"n": n}) for n in range(20)]
    found = await asyncio.gather(
        *((store, second)[n % 2].runs.create(TENANT, new) for n, new in enumerate(requests)),
        return_exceptions=True,
    )
    (winner,) = [run for run in found if isinstance(run, Run)]
    others = [error for error in found if not isinstance(error, Run)]
    assert len(others) == 19
    for error in others:
        assert isinstance(error, OpenRunExists)
        assert error.run_id == winner.id
    entry = await store.state.get_state(TENANT, "popular", StateType.WORKFLOWS)
    assert entry.value == await store.state.get_arguments(TENANT, winner.id)


async def test_a_failed_create_leaves_nothing(store: Store) -> None:
    """What cannot be stored is named by its path, and no part of the run stays."""
    for arguments, path in [
        ({"a": {"b": ["ok", "nul\x00"]}}, r"arguments\.a\.b\[1\]"),
        ({"a": "\ud800"}, r"arguments\.a"),
        ({"a": float("nan")}, r"arguments\.a"),
        ({"a": object()}, r"arguments\.a"),
    ]:
        new = new_run(arguments=arguments)
        with pytest.raises(InvalidInput, match=path):
            await store.runs.create(TENANT, new)
        with pytest.raises(NotFound):
            await store.runs.get(TENANT, new.id)
        with pytest.raises(NotFound):
            await store.state.get_arguments(TENANT, new.id)


async def test_big_values_lie_outside_the_row(store: Store) -> None:
    """Inputs above 8 KiB are compressed into one payload per content, and read back whole."""
    big = {"rows": ["ä" * 100] * 1000}
    one = await store.runs.create(TENANT, new_run(inputs=big))
    two = await store.runs.create(TENANT, new_run(inputs=big))
    assert one.inputs == big
    assert (await store.runs.get(TENANT, two.id)).inputs == big
    async with store.transaction() as tx:
        from sqlalchemy import text

        rows = (
            await tx.connection.execute(
                text("SELECT size, octet_length(data) AS stored FROM flowkeep.payload")
            )
        ).all()
        refs = await tx.connection.execute(text("SELECT count(*) FROM flowkeep.payload_ref"))
        assert refs.scalar_one() == 2
    assert len(rows) == 1
    assert rows[0].stored < rows[0].size / 10


async def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    """An error undoes every method of a transaction; a clean exit keeps them all."""
    new = new_run()
    with pytest.raises(RuntimeError):
        await _create_then_fail(store, new)
    assert await store.runs.get_run_by_id(TENANT, "app", new.id) is None
    async with store.transaction() as tx:
        await tx.runs.create(TENANT, new)
        await tx.runs.mark_running(TENANT, new.id)
        assert await store.runs.get_run_by_id(TENANT, "app", new.id) is None
    assert (await store.runs.get(TENANT, new.id)).status is RunStatus.RUNNING


async def _create_then_fail(store: Store, new: object) -> None:
    async with store.transaction() as tx:
        await tx.runs.create(TENANT, new)  # type: ignore[arg-type]
        raise RuntimeError("changed my mind")


async def test_a_method_that_fails_in_a_transaction_undoes_only_itself(store: Store) -> None:
    """After a refused method the transaction goes on with what was there before."""
    async with store.transaction() as tx:
        kept = await tx.runs.create(TENANT, new_run(workflow_id="one"))
        with pytest.raises(OpenRunExists):
            await tx.runs.create(TENANT, new_run(workflow_id="one"))
        await tx.state.save_state(TENANT, "mark", {"n": 1})
    assert (await store.runs.get(TENANT, kept.id)).workflow_id == "one"
    assert (await store.state.get_state(TENANT, "mark")).value == {"n": 1}


async def test_using_a_connection_leaves_the_commit_to_its_owner(
    store: Store, second: Store
) -> None:
    """Repositories on somebody's connection write in that transaction."""
    new = new_run()
    async with second.transaction() as tx:
        await store.using(tx.connection).runs.create(TENANT, new)
        assert await store.runs.get_run_by_id(TENANT, None, new.id) is None
    assert await store.runs.get_run_by_id(TENANT, None, new.id) is not None


async def test_save_is_safe_to_repeat(store: Store) -> None:
    """Saving a run twice, or an older revision late, changes nothing."""
    created = await store.runs.create(TENANT, new_run())
    foreign = created.evolve(id=new_id(), workflow_id="outside", status="running")
    saved = await store.runs.save(TENANT, foreign)
    assert saved.evolve(updated_at=foreign.updated_at) == foreign
    assert (await store.runs.save(TENANT, foreign)).revision == 0
    goal = await store.runs.save(TENANT, saved.evolve(goal="all tables"))
    assert (goal.goal, goal.revision) == ("all tables", 1)
    assert await store.runs.save(TENANT, saved.evolve(goal="all tables")) == goal
    assert await store.runs.save(TENANT, foreign) == goal
    with pytest.raises(RevisionMismatch):
        await store.runs.save(TENANT, goal.evolve(revision=7))
    assert await kinds(store, foreign.id) == ["created", "state_patched"]


async def test_the_longest_names_fit_every_index(store: Store) -> None:
    """Names of the most bytes, which nothing can compress, are stored and found."""
    letters = random.Random(7)

    def longest(size: int) -> str:
        return "".join(chr(letters.randrange(0x4E00, 0x9FA5)) for _ in range(size // 3))

    tenant, app = longest(800), longest(800)
    new = new_run(
        app_id=app,
        owner=longest(800),
        triggered_from=longest(800),
        workflow_id=longest(1000),
        workflow_type=longest(1000),
        task_queue=longest(1000),
        arguments={"a": 1},
    )
    run = await store.runs.create(tenant, new)
    page = await store.runs.get_paginated_runs(tenant, app, new.triggered_from)
    assert [one.id for one in page.data] == [run.id]


@pytest.mark.parametrize("field", ["app_id", "owner", "triggered_from", "workflow_id"])
async def test_a_name_that_no_index_can_hold_is_refused(store: Store, field: str) -> None:
    """A text that lists look for has a limit in bytes, which the error names; nothing is stored."""
    stored = await store.runs.create(TENANT, new_run())
    new = new_run(**{field: "ü" * 501})
    with pytest.raises(InvalidInput, match=f"{field} is longer than (800|1000) bytes"):
        await store.runs.create(TENANT, new)
    with pytest.raises(InvalidInput, match=field):
        await store.runs.save(TENANT, stored.evolve(**{field: "ü" * 501}, id=new_id()))
    with pytest.raises(InvalidInput, match="owner"):
        await store.runs.save(TENANT, stored.evolve(owner="ü" * 501))
    assert await store.runs.get(TENANT, stored.id) == stored
    with pytest.raises(NotFound):
        await store.runs.get(TENANT, new.id)
