"""Deleting runs: everything of theirs goes, nothing else does."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowkeep.contracts import PauseRequest, Run, RunKind, RunRef, RunStatus
from flowkeep.errors import Conflict, InvalidInput, NotFound
from flowkeep.statestore import Store
from flowkeep.statestore.repositories import removal
from tests.statestore.callers import callers_connection
from tests.statestore.leftovers import orphans, sizes
from tests.statestore.records import (
    OTHER,
    TENANT,
    attempt,
    close_of,
    failed,
    new_id,
    new_run,
    running,
)

BIG = "x" * 9000


async def ended(store: Store, big: Any = None, **fields: Any) -> tuple[Run, RunRef]:
    """A run with everything a run can have, that has ended."""
    values = {"labels": {"env": "prod", "team": "a"}, "arguments": {"a": 1}, **fields}
    run, ref = await running(store, **values)
    await store.system.record([failed(ref), attempt(ref, number=2, output=big)])
    for paused in (True, False):
        await store.system.set_paused(ref, PauseRequest(paused=paused))
    await store.system.close_segment(close_of(ref, outputs=big))
    return run, ref


async def test_everything_of_a_run_goes_and_nothing_of_others(store: Store) -> None:
    """Deleting a run leaves no row of it in any table, and every row of its neighbour."""
    await ended(store)
    before = await sizes(store)
    run, _ = await ended(store, big=BIG)
    assert await store.runs.delete_runs_by_ids(TENANT, [run.id]) == 1
    after = await sizes(store)
    assert after.pop("tombstones") == 1
    before.pop("tombstones")
    assert after == before
    assert not await orphans(store)
    assert await store.runs.get_run_by_id(TENANT, None, run.id) is None
    with pytest.raises(NotFound):
        await store.state.get_arguments(TENANT, run.id)


async def test_shared_values_go_with_the_last_run(store: Store) -> None:
    """A value that several runs need goes with the last of them."""
    runs = [(await ended(store, big=BIG))[0] for _ in range(3)]
    other = (await ended(store, big=BIG + "y"))[0]
    found = removal.Removed()
    for batch in ([runs[0].id], [runs[1].id, other.id], [runs[2].id]):
        async with store._scope.write() as session:
            found += await removal.remove(session, TENANT, batch)
        assert not await orphans(store)
    assert (found.payloads, found.runs) == (2, 4)
    assert not any((await sizes(store)).values())


async def test_a_dry_count_equals_what_goes(store: Store) -> None:
    """Counted before anything goes, in batches, every table's number is what is removed."""
    runs = [(await ended(store, big=BIG + "z" * (n % 2)))[0].id for n in range(5)]
    count = removal.Count()
    async with store._scope.read() as session:
        for batch in (runs[:2], runs[2:]):
            await count.add(session, TENANT, batch)
    async with store._scope.write() as session:
        gone = await removal.remove(session, TENANT, runs[:3])
        gone += await removal.remove(session, TENANT, runs[3:])
    assert count.removed == gone
    assert gone.payloads == 2
    assert min(gone.model_dump(exclude={"secrets"}).values()) > 0


async def test_an_alias_of_a_newer_run_stays(store: Store) -> None:
    """A workflow_id leads to its newest run's arguments still, when an older one goes."""
    old, _ = await ended(store, workflow_id="w", arguments={"n": 1})
    await ended(store, workflow_id="w", arguments={"n": 2})
    await store.runs.delete_runs_by_ids(TENANT, [old.id])
    assert (await store.state.get_state(TENANT, "w", "workflows")).value == {"n": 2}  # type: ignore[arg-type]
    assert not await orphans(store)


async def test_open_runs_are_named_and_nothing_changes(store: Store) -> None:
    """One open run among many refuses them all, by name; with force it is ended and goes."""
    done, _ = await ended(store)
    opened, _ = await running(store)
    before = await sizes(store)
    for dry in (True, False):
        with pytest.raises(Conflict, match=str(opened.id)):
            await store.runs.delete_runs_by_ids(TENANT, [done.id, opened.id], dry_run=dry)
    assert await sizes(store) == before
    ids = [done.id, opened.id]
    assert await store.runs.delete_runs_by_ids(TENANT, ids, force=True, dry_run=True) == 2
    assert await sizes(store) == before
    assert await store.runs.delete_runs_by_ids(TENANT, ids, force=True) == 2
    assert not await orphans(store)


async def test_many_open_runs_are_counted(store: Store) -> None:
    """The refusal names the first few open runs and says how many there are."""
    ids = [(await running(store))[0].id for _ in range(7)]
    with pytest.raises(Conflict, match=r"\(7\).*and 2 more"):
        await store.runs.delete_runs_by_ids(TENANT, ids)


async def test_unknown_foreign_and_no_ids(store: Store) -> None:
    """Unknown ids and those of other tenants are not counted, and nothing of them changes."""
    run, _ = await ended(store)
    before = await sizes(store)
    assert await store.runs.delete_runs_by_ids(TENANT, []) == 0
    assert await store.runs.delete_runs_by_ids(OTHER, [run.id, new_id()], force=True) == 0
    assert await sizes(store) == before
    assert await store.runs.delete_runs_by_ids(TENANT, [run.id, run.id, new_id()]) == 1
    with pytest.raises(InvalidInput, match="run_ids"):
        await store.runs.delete_runs_by_ids(TENANT, ["x"])  # type: ignore[list-item]


async def test_chunks_go_with_their_run(store: Store) -> None:
    """A map's chunks are deleted with the run, and one that is open keeps it."""
    run, _ = await ended(store)
    chunks = []
    for _ in range(2):
        chunk = new_run(kind=RunKind.CHUNK, parent_run_id=run.id)
        await store.runs.create(TENANT, chunk)
        chunks.append(chunk.id)
    with pytest.raises(Conflict, match=str(run.id)):
        await store.runs.delete_runs_by_ids(TENANT, [run.id])
    for chunk_id in chunks:
        await store.runs.fail(TENANT, chunk_id)
    assert await store.runs.delete_runs_by_ids(TENANT, [run.id]) == 1
    assert (await sizes(store))["runs"] == 0
    assert not await orphans(store)


async def test_deleting_an_app(store: Store) -> None:
    """An app's runs go in batches, those of other apps and tenants stay; dry runs say how many."""
    for _ in range(5):
        await ended(store, app_id="one")
    kept, _ = await ended(store, app_id="two")
    opened, _ = await running(store, app_id="one")
    with pytest.raises(Conflict, match=str(opened.id)):
        await store.runs.delete_runs_by_app(TENANT, "one", batch_size=2)
    delete = store.runs.delete_runs_by_app
    assert await delete(OTHER, "one") == 0
    assert await delete(TENANT, "one", batch_size=2, force=True, dry_run=True) == 6
    assert await delete(TENANT, "one", batch_size=2, force=True) == 6
    assert await delete(TENANT, "one", batch_size=2, force=True) == 0
    assert (await store.runs.get_paginated_runs(TENANT)).data[0].id == kept.id
    for size in (0, 10_001, True):
        with pytest.raises(InvalidInput, match="batch_size"):
            await delete(TENANT, "one", batch_size=size)


async def test_deletes_inside_a_transaction(store: Store) -> None:
    """In a caller's transaction a delete is undone with it."""
    run, _ = await ended(store)
    before = await sizes(store)
    async with callers_connection(store) as connection:
        assert await store.using(connection).runs.delete_runs_by_ids(TENANT, [run.id]) == 1
        await connection.rollback()
    assert await sizes(store) == before


async def test_racing_deletes_flushes_and_closes(store: Store, second: Store) -> None:
    """Forced deletes beside flushes, closes and starts: nobody deadlocks, nothing comes back."""
    made = [await running(store) for _ in range(12)]

    async def write(store: Store, ref: RunRef) -> None:
        for n in range(1, 6):
            await store.system.record([attempt(ref, str(n), output=BIG)])
        try:
            await store.system.close_segment(close_of(ref))
        except NotFound:
            return

    async def batch(store: Store) -> None:
        refs = [ref for _, ref in made]
        for n in range(6, 9):
            await store.system.record([attempt(ref, str(n)) for ref in refs])

    ids = [run.id for run, _ in made]
    deleted = asyncio.gather(
        store.runs.delete_runs_by_ids(TENANT, ids, force=True),
        second.runs.delete_runs_by_ids(TENANT, ids, force=True),
    )
    await asyncio.gather(*(write(second, ref) for _, ref in made), batch(second), batch(store))
    assert sum(await deleted) == len(ids)
    assert not await orphans(store)
    left = await sizes(store)
    assert left.pop("tombstones") == len(ids)
    assert not any(left.values())


async def test_a_forced_end_is_not_a_success(store: Store) -> None:
    """A run that force ends stays counted as cancelled in the statistics."""
    run, _ = await running(store)
    await store.runs.delete_runs_by_ids(TENANT, [run.id], force=True)
    async with store._scope.read() as session:
        rows = await session.execute(
            "SELECT DISTINCT status, runs FROM {schema}.run_rollup WHERE gone"
        )
        assert [tuple(row) for row in rows] == [(RunStatus.CANCELLED, 1)]


async def test_secrets_of_arguments_go_with_the_last_run(store: Store) -> None:
    """A run-scoped secret goes with the last run that refers to it; any other stays."""
    scoped = await store.secrets.put(TENANT, "s", run_scoped=True)
    own = await store.secrets.put(TENANT, "mine")
    arguments = {"login": {"deep": [scoped]}, "own": own}
    first, _ = await ended(store, arguments=arguments)
    again, _ = await ended(store, arguments=arguments)
    await store.runs.delete_runs_by_ids(TENANT, [first.id])
    assert await store.secrets.get(TENANT, scoped) == "s"
    await store.runs.delete_runs_by_ids(TENANT, [again.id])
    with pytest.raises(NotFound):
        await store.secrets.get(TENANT, scoped)
    assert await store.secrets.get(TENANT, own) == "mine"
    assert not await orphans(store)


async def test_a_held_chunk_holds_its_run(store: Store) -> None:
    """An app with a run whose chunk is held is refused as a whole, dry or not, force or not."""
    run, _ = await ended(store, app_id="one")
    await ended(store, app_id="one")
    chunk, _ = await ended(store, app_id="one", kind=RunKind.CHUNK, parent_run_id=run.id)
    await store.runs.set_hold(TENANT, chunk.id, datetime.now(UTC) + timedelta(hours=1))
    for force in (False, True):
        for dry_run in (False, True):
            with pytest.raises(Conflict, match=rf"hold.*{run.id}"):
                await store.runs.delete_runs_by_app(
                    TENANT, "one", batch_size=1, force=force, dry_run=dry_run
                )
    assert await store.runs.prune_terminal_runs(TENANT, 0, dry_run=True) == 1
    assert await store.runs.prune_terminal_runs(TENANT, 0) == 1
    assert (await sizes(store))["runs"] == 2
