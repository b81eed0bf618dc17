"""Two writers at one run, each in a real transaction: the second waits, then sees the first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from flowkeep.contracts import Run, RunStatus
from flowkeep.errors import AlreadyTerminal, Conflict, OpenRunExists, RevisionMismatch
from flowkeep.statestore import Store
from flowkeep.statestore.gathered import Transaction
from tests.statestore.callers import callers_connection
from tests.statestore.locks import blocked
from tests.statestore.records import TENANT, kinds, new_run, running

Write = Callable[[Any], Awaitable[Any]]


async def meet(
    store: Store, second: Store, first: Write, then: Write, *, commit: bool = True
) -> tuple[Any, Any]:
    """Let a writer begin while another's transaction is open; return both answers.

    Args:
        store: Where the first writer works.
        second: Where the second one works.
        first: What the first one writes before the second begins.
        then: What the second one writes; it has to wait for the first.
        commit: Whether the first one commits, or else undoes what it wrote.
    """
    async with callers_connection(store) as connection:
        tx: Transaction = store.using(connection)
        wrote = await first(tx.runs)
        later = asyncio.ensure_future(then(second.runs))
        await blocked(store)
        await (connection.commit() if commit else connection.rollback())
    (answer,) = await asyncio.gather(later, return_exceptions=True)
    return wrote, answer


def writes(run: Run) -> dict[str, Write]:
    """Return, by method, a change of a run as it was read."""
    return {
        "update_with_revision": lambda runs: runs.update_with_revision(
            TENANT, run.evolve(goal="update", labels={"by": "update"})
        ),
        "update_and_append": lambda runs: runs.update_and_append(
            TENANT, run.evolve(goal="append", labels={"by": "append"}), "noted", {"a": 1}
        ),
        "save": lambda runs: runs.save(TENANT, run.evolve(goal="save", labels={"by": "save"})),
        "finish": lambda runs: runs.finish(TENANT, run.id, outputs={"a": 1}),
        "fail": lambda runs: runs.fail(TENANT, run.id),
        "patch_state": lambda runs: runs.patch_state(
            TENANT, run.id, {"a": 1}, expected_revision=run.revision
        ),
    }


@pytest.mark.parametrize("late", ["update_with_revision", "update_and_append"])
async def test_what_was_read_before_anothers_change_is_not_written(
    store: Store, second: Store, late: str
) -> None:
    """After any change by another, an update is refused and leaves neither event nor label."""
    for early in ("update_with_revision", "update_and_append", "save", "finish", "patch_state"):
        run, _ = await running(store)
        _, answer = await meet(store, second, writes(run)[early], writes(run)[late])
        assert isinstance(answer, RevisionMismatch), (early, late, answer)
        assert (answer.expected, answer.actual) == (1, 2)
        stored = await store.runs.get(TENANT, run.id)
        assert stored.revision == 2
        assert stored.labels.get("by") in (None, early.removeprefix("update_and_").split("_")[0])
        assert len(await kinds(store, run.id)) == 3
        for by in ("update", "append"):
            found = await store.runs.get_paginated_runs(TENANT, labels={"by": by})
            assert (run.id in [one.id for one in found]) == (stored.labels.get("by") == by)


@pytest.mark.parametrize(
    "late", ["update_with_revision", "update_and_append", "save", "finish", "patch_state"]
)
async def test_what_was_undone_is_as_if_it_had_not_been(
    store: Store, second: Store, late: str
) -> None:
    """Who waited for a change that is then undone writes on what was there before."""
    run, _ = await running(store)
    undone = run.evolve(goal="undone", labels={"undone": "yes"})
    _, answer = await meet(
        store,
        second,
        lambda runs: runs.update_with_revision(TENANT, undone),
        writes(run)[late],
        commit=False,
    )
    assert not isinstance(answer, BaseException), answer
    stored = await store.runs.get(TENANT, run.id)
    assert stored.revision == 2
    assert stored.goal != "undone"
    assert not (await store.runs.get_paginated_runs(TENANT, labels={"undone": "yes"})).data
    assert len(await kinds(store, run.id)) == 3


async def test_a_save_that_comes_second_leaves_the_younger_content(
    store: Store, second: Store
) -> None:
    """A save of an older revision returns what is stored instead of writing over it."""
    run, _ = await running(store)
    all_writes = writes(run)
    _, answer = await meet(store, second, all_writes["update_and_append"], all_writes["save"])
    assert (answer.goal, answer.labels, answer.revision) == ("append", {"by": "append"}, 2)
    assert await store.runs.get(TENANT, run.id) == answer


async def test_modify_reads_again_after_anothers_change(store: Store, second: Store) -> None:
    """The change of `modify` is made on top of the one it had to wait for."""
    run, _ = await running(store)
    calls: list[int] = []

    def count(current: Run) -> Run:
        calls.append(current.revision)
        changed: Run = current.evolve(state={**current.state, "b": 2})
        return changed

    _, answer = await meet(
        store,
        second,
        writes(run)["patch_state"],
        lambda runs: runs.modify(TENANT, run.id, count),
    )
    assert calls == [1, 2]
    assert (answer.state, answer.revision) == ({"a": 1, "b": 2}, 3)


async def test_the_first_end_counts(store: Store, second: Store) -> None:
    """Of two different ends the second is refused; the same end twice is one."""
    run, _ = await running(store)
    _, answer = await meet(store, second, writes(run)["finish"], writes(run)["fail"])
    assert isinstance(answer, AlreadyTerminal)
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.SUCCEEDED
    again, _ = await running(store)
    one, other = await meet(store, second, writes(again)["finish"], writes(again)["finish"])
    assert one == other
    assert await kinds(store, again.id) == ["created", "started", "succeeded"]


async def test_creations_of_one_id_meet(store: Store, second: Store) -> None:
    """The same run twice is one; another one under its id, or its workflow_id, is refused."""
    new = new_run(labels={"a": "1"}, arguments={"x": 1})
    one, other = await meet(
        store, second, lambda r: r.create(TENANT, new), lambda r: r.create(TENANT, new)
    )
    assert one == other
    assert await kinds(store, new.id) == ["created"]
    assert len(await store.runs.get_paginated_runs(TENANT, labels={"a": "1"})) == 1
    for like, refused in (
        (lambda n: n.evolve(workflow_type="Other"), Conflict),
        (lambda n: new_run(workflow_id=n.workflow_id, labels={"b": "2"}), OpenRunExists),
    ):
        new = new_run()
        _, answer = await meet(
            store,
            second,
            lambda r: r.create(TENANT, new),  # noqa: B023
            lambda r: r.create(TENANT, like(new)),  # noqa: B023
        )
        assert isinstance(answer, refused)
    assert not (await store.runs.get_paginated_runs(TENANT, labels={"b": "2"})).data


async def test_a_creation_that_was_undone_leaves_its_place(store: Store, second: Store) -> None:
    """Who waited for a creation that is then undone creates the run, labels and all."""
    new = new_run(labels={"a": "1"})
    theirs = new.evolve(labels={"a": "2"})
    _, answer = await meet(
        store,
        second,
        lambda r: r.create(TENANT, new),
        lambda r: r.create(TENANT, theirs),
        commit=False,
    )
    assert answer.labels == {"a": "2"}
    assert not (await store.runs.get_paginated_runs(TENANT, labels={"a": "1"})).data
    assert len(await store.runs.get_paginated_runs(TENANT, labels={"a": "2"})) == 1
