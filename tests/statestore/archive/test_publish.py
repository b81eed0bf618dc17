"""Publishing writes whole bundles and leaves the tables alone."""

import asyncio
import threading
from collections import deque
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from flowkeep.contracts import RunKind, RunStatus
from flowkeep.contracts.archive import ArchiveProgress, BundleStatus
from flowkeep.errors import Conflict, InvalidInput
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from flowkeep.statestore.archive import publishing
from flowkeep.statestore.archive.parts import PARTS, Part
from flowkeep.storage import Storage
from tests.statestore.archive.support import (
    LATER,
    archive,
    ended,
    everything,
    keys,
    of,
    publish,
    rows,
    small,
    tables,
)
from tests.statestore.records import OTHER, TENANT, new_run, running


async def created(store: Store, run_id: Any, moment: datetime) -> None:
    """Move a run's creation in time."""
    async with store.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE flowkeep.run SET created_at = :at WHERE id = :id"),
            {"at": moment, "id": run_id},
        )


@pytest.mark.parametrize(("connections", "taken"), [(1, 0), (2, 0), (2, 1)])
async def test_one_connection_is_enough(
    store: Store, settings: Settings, connections: int, taken: int
) -> None:
    """A bundle is whole whether a second connection helps, is busy, or does not exist."""
    await small(store, 3)
    await ended(store)
    narrow = settings.database.model_copy(update={"pool_size": connections})
    async with (
        await connect(settings=settings.model_copy(update={"database": narrow})) as other,
        AsyncExitStack() as stack,
    ):
        for _ in range(taken):
            await stack.enter_async_context(other.transaction())
        (bundle,) = await publish(other)
        check = await other.archive.verify(TENANT, bundle.id)
        assert (check.runs, check.changed, check.gone) == (4, 0, 0)
        assert (await other.archive.delete(TENANT, bundle.id)).archived == 4


async def test_a_bundle_holds_everything_of_its_runs(store: Store, storage: Storage) -> None:
    """Manifest and parts name every row, with sizes and checksums; the tables stay as they were."""
    run = await ended(store)
    before = await everything(store, run.id)
    (bundle,) = await publish(store)
    assert bundle.status is BundleStatus.PUBLISHED
    assert bundle.runs == 1
    assert await everything(store, run.id) == before
    manifest = orjson.loads(storage.get(f"{bundle.prefix}/manifest.json"))
    assert manifest["schema"] == "flowkeep.archive/1"
    assert (manifest["tenant"], manifest["bundle"]) == (TENANT, str(bundle.id))
    expected = {
        "runs": 1,
        "tasks": 8,
        "events": len(before["run_event"]),
        "segments": 1,
        "pauses": 1,
        "arguments": 1,
        "payloads": len(before["payload"]),
    }
    assert len(before["payload"]) == 3
    assert {name: part["rows"] for name, part in manifest["parts"].items()} == expected
    assert len(of(storage, bundle)) == len(expected) + 1
    for name, part in manifest["parts"].items():
        key = f"{bundle.prefix}/{name}.parquet"
        assert (storage.size(key), storage.sha256(key)) == (part["bytes"], part["sha256"])
    folder = storage.local_path(bundle.prefix)
    assert folder is not None
    tasks = pq.read_table(folder / "tasks.parquet").to_pylist()
    steps = [f"2/work#{n}" for n in (1, 2, 3, 4)]
    assert sorted(task["activity_id"] for task in tasks) == ["1", "1", "2", *steps, "x/3[1]"]
    assert {task["run_id"] for task in tasks} == {str(run.id)}


async def test_only_runs_that_may_go_are_taken(store: Store) -> None:
    """Open, held, young, foreign runs and parents of open children stay out."""
    await running(store)
    held = await ended(store)
    parent = await ended(store)
    await running(store, parent_run_id=parent.id)
    young = await ended(store)
    await ended(store, tenant_id=OTHER)
    free = await ended(store)
    async with store.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE flowkeep.run SET hold_until = now() + interval '1 day' WHERE id = :id"),
            {"id": held.id},
        )
    await created(store, young.id, LATER - timedelta(days=1))
    done = await store.archive.publish(TENANT, LATER - timedelta(days=2))
    assert [bundle.runs for bundle in done] == [1]
    assert [row["run_id"] for row in await rows(store, "archive_pending")] == [free.id]


@pytest.mark.parametrize("held", [{"app_id": None}, {"app_id": "a"}, {"app_id": "b"}])
async def test_legal_holds_of_policies_count(store: Store, held: dict[str, Any]) -> None:
    """A policy with a legal hold keeps the runs of its tenant or app, and only those."""
    one = await ended(store, app_id="a")
    two = await ended(store, app_id="b")
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO flowkeep.retention_policy (id, tenant_id, app_id, legal_hold,"
                " created_at, updated_at)"
                " VALUES (gen_random_uuid(), :t, :app_id, true, now(), now())"
            ),
            {"t": TENANT, **held},
        )
    await publish(store)
    expected = {None: set(), "a": {two.id}, "b": {one.id}}[held["app_id"]]
    assert {row["run_id"] for row in await rows(store, "archive_pending")} == expected


async def test_bundles_are_of_one_month_and_size(store: Store, storage: Storage) -> None:
    """Months never share a bundle, and a month with many runs has several shards."""
    runs = await small(store, 5)
    for run, month in zip(runs, (1, 1, 1, 2, 12), strict=True):
        await created(store, run.id, datetime(2025, month, 3, tzinfo=UTC))
    said: list[ArchiveProgress] = []
    done = await publish(store, max_runs_per_bundle=2, on_progress=said.append)
    assert [(str(one.month), one.shard, one.runs) for one in done] == [
        ("2025-01-01", 0, 2),
        ("2025-01-01", 1, 1),
        ("2025-02-01", 0, 1),
        ("2025-12-01", 0, 1),
    ]
    assert [one.runs for one in said] == [2, 3, 4, 5]
    assert all(one.prefix == f"{TENANT}/{one.month:%Y-%m}/{one.id}" for one in done)


async def test_filters_and_limit(store: Store) -> None:
    """Only runs of the app are taken, and no more than the limit."""
    for app in ("a", "a", "a", "b"):
        await store.runs.finish(TENANT, (await running(store, app_id=app))[0].id)
    assert [one.runs for one in await publish(store, app_id="a", limit=2)] == [2]
    assert [one.runs for one in await publish(store, app_id="a")] == [1]
    assert [one.runs for one in await publish(store)] == [1]


async def test_a_published_run_is_not_published_again(store: Store) -> None:
    """Publishing twice takes each run once, with or without other processes."""
    await small(store, 3)
    assert len(await publish(store, max_runs_per_bundle=2)) == 2
    assert await publish(store) == []
    await small(store, 1)
    assert [one.runs for one in await publish(store)] == [1]


async def test_chunks_go_with_their_run(store: Store) -> None:
    """The chunks of a map lie in the bundle of the run, and an open one keeps it out."""
    parent = await ended(store)
    chunk, _ = await running(store, kind=RunKind.CHUNK, parent_run_id=parent.id)
    assert await publish(store) == []
    await store.runs.finish(TENANT, chunk.id)
    (bundle,) = await publish(store)
    assert bundle.runs == 2


async def test_leftovers_are_shown_and_cleared(store: Store, storage: Storage) -> None:
    """What an unfinished publish left is listed, and removed by the next one."""
    (bundle,) = [await ended(store)] and await publish(store)
    storage.delete(f"{bundle.prefix}/manifest.json")
    async with store.transaction() as tx:
        for statement in (
            "UPDATE flowkeep.archive_bundle SET status = 'publishing'",
            "DELETE FROM flowkeep.archive_pending",
        ):
            await tx.connection.execute(text(statement))
    left = await store.archive.list(TENANT, status="publishing")
    assert [one.id for one in left] == [bundle.id]
    (again,) = await publish(store)
    assert [one.id for one in await store.archive.list(TENANT)] == [again.id]
    assert all(key.startswith(again.prefix) for key in keys(storage))


def test_the_last_part_may_be_taken_by_the_other_session(storage: Storage) -> None:
    """Who finds that the other took what was left has nothing to do, and no error."""

    class Emptied(deque[Part]):
        """Parts of which the last is taken right after somebody looked."""

        def __bool__(self) -> bool:
            return True

    stop = threading.Event()
    connection: Any = None
    assert publishing._store(connection, "", storage, "", Emptied(), {}, stop) == ""
    left = deque(PARTS)
    stop.set()
    assert publishing._store(connection, "", storage, "", left, {}, stop) == ""
    assert len(left) == len(PARTS)


async def test_one_process_publishes_at_a_time(store: Store, second: Store) -> None:
    """Two publishes of one tenant at once publish each run once; whoever is in the way gives up."""
    await small(store, 6)

    async def attempt(one: Store) -> bool:
        try:
            await publish(one, max_runs_per_bundle=2)
        except Conflict:
            return False
        return True

    assert any(await asyncio.gather(attempt(store), attempt(second)))
    assert len(await rows(store, "archive_pending")) == 6
    bundles = (await store.archive.list(TENANT)).data
    assert [(bundle.status, bundle.runs) for bundle in bundles] == [(BundleStatus.PUBLISHED, 2)] * 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_runs_per_bundle": 0}, "max_runs_per_bundle"),
        ({"max_runs_per_bundle": True}, "max_runs_per_bundle"),
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"app_id": ""}, "app_id"),
        ({"definition_id": "x"}, "definition_id"),
    ],
)
async def test_bad_input_is_named(store: Store, options: dict[str, Any], named: str) -> None:
    """Sizes, limits and filters that cannot be are refused, naming the field."""
    await ended(store)
    before = await tables(store)
    with pytest.raises(InvalidInput, match=named):
        await publish(store, **options)
    with pytest.raises(InvalidInput, match="before"):
        await store.archive.publish(TENANT, datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose
    assert await tables(store) == before


async def test_not_inside_a_transaction(store: Store) -> None:
    """Inside somebody else's transaction the archive says that it makes its own."""
    async with store.transaction() as tx:
        with pytest.raises(InvalidInput, match="transactions of its own"):
            await tx.archive.publish(TENANT, LATER)


@pytest.mark.parametrize("tenant", ["../a/b %2e", "ü" * 400])
async def test_tenants_cannot_leave_their_folder(
    store: Store, storage: Storage, tenant: str
) -> None:
    """A tenant has a folder of its own below the archive's, though its name is a path or long."""
    run = await store.runs.create(tenant, new_run())
    await store.runs.fail(tenant, run.id)
    (bundle,) = await archive(store, tenant)
    assert bundle.prefix.count("/") == 2
    assert len(keys(storage)) == 8
    found = await store.archive.get(tenant, bundle.id)
    assert found.status is BundleStatus.ARCHIVED
    assert run.status is RunStatus.PENDING
