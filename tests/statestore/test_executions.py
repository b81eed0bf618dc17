"""How often definitions were executed: exact at any time, and nobody waits to count."""

import asyncio
from typing import Any

from sqlalchemy import text

from flowkeep.contracts import Definition, DefinitionPatch, RunStatus, Visibility
from flowkeep.statestore import Store
from tests.statestore.definitions import execute, new_definition, stored
from tests.statestore.records import OTHER, TENANT, at, new_run


async def counts(store: Store, made: Definition) -> tuple[int, Any]:
    found = await store.definitions.get(TENANT, made.id)
    (listed,) = [row for row in await store.definitions.list(TENANT) if row.id == made.id]
    same = ("execution_count", "last_executed_at", "revision", "updated_at")
    assert [getattr(found, n) for n in same] == [getattr(listed, n) for n in same]
    assert (found.revision, found.updated_at) == (made.revision, made.updated_at)
    return found.execution_count, found.last_executed_at


async def unfolded(store: Store) -> int:
    async with store.transaction() as tx:
        found = await tx.connection.execute(
            text("SELECT count(*) FROM flowkeep.definition_execution")
        )
        return int(found.scalar_one())


async def test_counts_are_exact_folded_or_not(store: Store) -> None:
    """Each created run counts once, and folding changes nothing that can be read."""
    made = await stored(store)
    assert await counts(store, made) == (0, None)
    new = new_run(definition_id=made.id, created_at=at(7))
    await store.runs.create(TENANT, new)
    await store.runs.create(TENANT, new)
    await execute(store, made.id, created_at=at(3))
    assert await counts(store, made) == (2, at(7))
    assert await store.definitions.fold_executions(TENANT, batch_size=1) == 1
    assert await counts(store, made) == (2, at(7))
    assert await store.definitions.fold_executions(TENANT) == 1
    assert await store.definitions.fold_executions(TENANT) == 0
    assert await counts(store, made) == (2, at(7))
    await execute(store, made.id, created_at=at(5))
    assert await counts(store, made) == (3, at(7))
    assert await unfolded(store) == 1


async def test_saved_runs_count_once(store: Store) -> None:
    """A run that is recorded as it was counts like a created one, however often it arrives."""
    made = await stored(store)
    pattern = await store.runs.create(TENANT, new_run())
    run = pattern.evolve(
        id=new_run().id, workflow_id="outside", status=RunStatus.SUCCEEDED, definition_id=made.id
    )
    await store.runs.save(TENANT, run)
    await store.runs.save(TENANT, run)
    assert (await counts(store, made))[0] == 1


async def test_two_starts_do_not_wait_for_each_other(store: Store, second: Store) -> None:
    """With both transactions open, two runs of one definition are created, and both count."""
    made = await stored(store)
    async with asyncio.timeout(30), store.transaction() as one, second.transaction() as two:
        await one.runs.create(TENANT, new_run(definition_id=made.id))
        await two.runs.create(TENANT, new_run(definition_id=made.id))
        renamed = await execute(store, made.id)
        assert renamed
    assert (await counts(store, made))[0] == 3


async def test_starts_and_changes_of_a_definition_do_not_wait(store: Store, second: Store) -> None:
    """An open start keeps nobody from changing or folding, nor an open change from starting."""
    made = await stored(store)
    await execute(store, made.id)
    async with asyncio.timeout(30), store.transaction() as one:
        await one.runs.create(TENANT, new_run(definition_id=made.id))
        assert await second.definitions.fold_executions(TENANT) == 1
        async with second.transaction() as two:
            patch = DefinitionPatch(name="Renamed", ref="renamed")
            await two.definitions.update(TENANT, made.id, patch, expected_revision=0)
            await execute(store, made.id)
    found = await store.definitions.get(TENANT, made.id)
    assert (found.name, found.execution_count) == ("Renamed", 3)


async def test_several_may_fold_at_once(store: Store, second: Store) -> None:
    """Concurrent folding in small batches adds each execution exactly once."""
    made = [await stored(store, f"d{n}") for n in range(4)]
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO flowkeep.definition_execution (tenant_id, definition_id, at)"
                " SELECT 'acme', (CAST(:ids AS uuid[]))[1 + n % 4], now()"
                " FROM generate_series(1, 400) AS n"
            ),
            {"ids": [one.id for one in made]},
        )

    async def fold(who: Store) -> int:
        total = 0
        while folded := await who.definitions.fold_executions(TENANT, batch_size=30):
            total += folded
            assert sum([(await counts(who, one))[0] for one in made[:1]]) == 100
        return total

    assert sum(await asyncio.gather(*(fold(who) for who in (store, second, store)))) <= 400
    await fold(store)
    assert await unfolded(store) == 0
    assert [(await counts(store, one))[0] for one in made] == [100] * 4


async def test_most_executed_is_right_at_any_time(store: Store) -> None:
    """The order counts what is not folded yet; apps and tenants are kept apart."""
    rare, often, never = [await stored(store, name, app_id="a") for name in ("r", "o", "n")]
    other = await stored(store, "other", app_id="b")
    for definition, times in ((rare, 2), (often, 3), (other, 1)):
        for _ in range(times):
            await execute(store, definition.id)

    async def ranked(n: int = 10, app_id: str | None = None) -> list[tuple[str, int]]:
        found = await store.definitions.most_executed(TENANT, n, app_id)
        return [(row.name, row.execution_count) for row in found]

    assert await ranked() == [("o", 3), ("r", 2), ("other", 1), ("n", 0)]
    assert await unfolded(store) == 0
    assert await ranked(2) == [("o", 3), ("r", 2)]
    assert await ranked(app_id="b") == [("other", 1)]
    # Held by another transaction, the rows cannot be folded now, and count all the same.
    for _ in range(4):
        await execute(store, never.id)
    async with store.transaction() as tx:
        await tx.connection.execute(text("SELECT FROM flowkeep.definition_execution FOR UPDATE"))
        assert await ranked(2) == [("n", 4), ("o", 3)]
    assert await store.definitions.most_executed(OTHER) == []


async def test_runs_of_other_tenants_count_for_the_owner(store: Store) -> None:
    """A shared definition's count holds every tenant's runs, and its owner's folding finds them."""
    made = await store.definitions.create(TENANT, new_definition(visibility=Visibility.SHARED))
    await execute(store, made.id, tenant=OTHER)
    assert (await counts(store, made))[0] == 1
    assert await store.definitions.fold_executions(OTHER) == 0
    assert await store.definitions.fold_executions(TENANT) == 1
    assert (await store.definitions.get(OTHER, made.id)).execution_count == 1
