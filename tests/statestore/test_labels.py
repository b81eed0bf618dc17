"""Labels: the rows that filters read always say what the run's own column says."""

from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import Run
from flowkeep.errors import InvalidInput, RevisionMismatch
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, at, attempt, new_id, new_run, ref_of, running

ROWS = "SELECT tenant_id, key, value, archived, created_at, run_id FROM flowkeep.run_label"


async def rows(store: Store) -> set[tuple[Any, ...]]:
    """Return every label row."""
    async with store.transaction() as tx:
        return {tuple(row) for row in await tx.connection.execute(text(ROWS))}


def expected(*runs: Run) -> set[tuple[Any, ...]]:
    """Return the rows that runs must have."""
    return {
        (run.tenant_id, key, value, run.archived, run.created_at, run.id)
        for run in runs
        for key, value in run.labels.items()
    }


async def test_creation_and_its_repetition_write_each_label_once(store: Store) -> None:
    """A run that is created twice has one row per label; one without labels has none."""
    new = new_run(labels={"team": "data", "tier": ""})
    run = await store.runs.create(TENANT, new)
    await store.runs.create(TENANT, new)
    await store.runs.create(TENANT, new_run())
    assert await rows(store) == expected(run)
    assert len(expected(run)) == 2


async def test_every_way_to_change_labels_changes_the_rows(store: Store) -> None:
    """Save, update and update with an event add, change and remove label rows with the column."""
    run, _ = await running(store, labels={"a": "1", "b": "2"})
    run = await store.runs.update_with_revision(TENANT, run.evolve(labels={"a": "1", "b": "3"}))
    assert await rows(store) == expected(run)
    run, _ = await store.runs.update_and_append(
        TENANT, run.evolve(labels={"c": "1"}, goal="x"), "noted"
    )
    assert await rows(store) == expected(run)
    run = await store.runs.modify(
        TENANT, run.id, lambda r: r.evolve(labels={**r.labels, "d": "4"}, status="succeeded")
    )
    assert await rows(store) == expected(run)
    run = await store.runs.save(TENANT, run.evolve(labels={}))
    assert await rows(store) == set()
    saved = await store.runs.save(
        TENANT, run.evolve(id=new_id(), workflow_id="saved", labels={"e": "5"}, created_at=at(7))
    )
    assert await rows(store) == expected(saved)


async def test_a_change_that_fails_leaves_the_rows(store: Store) -> None:
    """A stale update, or one in a transaction that is undone, changes no label row."""
    run, _ = await running(store, labels={"a": "1"})
    with pytest.raises(RevisionMismatch):
        await store.runs.update_with_revision(TENANT, run.evolve(labels={}, revision=7))

    async def undone() -> None:
        async with store.transaction() as tx:
            await tx.runs.update_with_revision(TENANT, run.evolve(labels={"b": "2"}))
            await tx.runs.create(TENANT, new_run(labels={"c": "3"}))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await rows(store) == expected(run)


async def test_adopted_runs_bring_their_labels(store: Store) -> None:
    """A run first heard of by a record is found by its labels; what cannot be stored is mended."""
    ref = ref_of(new_run(), labels={"a": "1", "b": "x\x00y", "c": "z" * 500})
    await store.system.record([attempt(ref)])
    await store.system.record([attempt(ref, "2")])
    run = await store.runs.get(TENANT, ref.run_id)
    assert run.labels == {"a": "1", "b": "x�y", "c": "z" * 200}
    assert await rows(store) == expected(run)
    found = await store.runs.get_paginated_runs(TENANT, labels={"a": "1", "c": "z" * 200})
    assert [one.id for one in found] == [run.id]


async def test_labels_of_two_tenants_are_apart(store: Store) -> None:
    """The same label in two tenants finds each one's own runs."""
    mine = await store.runs.create(TENANT, new_run(labels={"a": "1"}))
    theirs = await store.runs.create(OTHER, new_run(labels={"a": "1"}))
    for tenant, run in ((TENANT, mine), (OTHER, theirs)):
        found = await store.runs.get_paginated_runs(tenant, labels={"a": "1"})
        assert [one.id for one in found] == [run.id]


@pytest.mark.parametrize(
    "labels",
    [
        {"": "x"},
        {"k" * 101: "x"},
        {"k": "v" * 201},
        {"a\x00": "x"},
        {"a": "x\x00"},
        {"\ud800": "x"},
        {"a": "\udfff"},
        {f"k{n}": "x" for n in range(65)},
    ],
)
async def test_labels_that_cannot_be_kept_are_refused(store: Store, labels: dict[str, str]) -> None:
    """Empty, long, too many or unstorable labels are named, and nothing is written."""
    run = await store.runs.create(TENANT, new_run())
    with pytest.raises(InvalidInput, match="label"):
        await store.runs.create(TENANT, new_run(labels=labels))
    with pytest.raises(InvalidInput, match="label"):
        await store.runs.update_with_revision(TENANT, run.model_copy(update={"labels": labels}))
    with pytest.raises(InvalidInput, match="label"):
        await store.runs.get_paginated_runs(TENANT, labels=labels)
    assert await rows(store) == set()
    assert await store.runs.get(TENANT, run.id) == run


async def test_the_longest_labels_are_kept_and_found(store: Store) -> None:
    """Keys of 100 and values of 200 characters of four bytes each fit the index."""
    labels = {chr(0x1F600 + n) * 100: chr(0x1F601 + n) * 200 for n in range(3)}
    run = await store.runs.create(TENANT, new_run(labels=labels))
    assert [one.id for one in await store.runs.get_paginated_runs(TENANT, labels=labels)] == [
        run.id
    ]


async def test_filters_name_few_labels(store: Store) -> None:
    """More than five labels in one filter, or labels that are no mapping of texts, are refused."""
    for labels in ({f"k{n}": "x" for n in range(6)}, [("a", "b")], {"a": 1}, {1: "a"}):
        with pytest.raises(InvalidInput, match="label"):
            await store.runs.get_paginated_runs(TENANT, labels=labels)  # type: ignore[arg-type]
