"""Kill -9 at random points of publish, verify, delete and restore: no run is lost or doubled.

One point each; `--fault-points 20` for more.
"""

import asyncio
import os
import sys
import time
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flowkeep.contracts.archive import BundleStatus
from flowkeep.settings import Settings
from flowkeep.statestore import Store
from flowkeep.storage import Storage
from tests.statestore.archive.killed import STEPS, step
from tests.statestore.archive.support import ended, keys, rows
from tests.statestore.records import TENANT

pytestmark = pytest.mark.slow

_SLOWEST = 0.5
"""Seconds after a step's beginning in which it is killed; later kills meet the steps after it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask for as many points as the command line says."""
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", range(metafunc.config.getoption("--fault-points")))


async def kill_in(settings: Settings, name: str, seconds: float) -> None:
    """Start the process at a step and kill it some time after the step began."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.statestore.archive.killed", name),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "FLOWKEEP_DATABASE_URL": settings.database_url(),
            "FLOWKEEP_STORAGE_URL": settings.storage.url,
        },
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode().strip() == name
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and process.returncode is None:
        try:
            await asyncio.wait_for(process.wait(), left)
        except TimeoutError:
            break
    if process.returncode is None:
        process.kill()
    await process.wait()


async def where(store: Store) -> dict[UUID, str]:
    """Return for each run the one place where it lies."""
    async with store.transaction() as tx:
        found = await tx.connection.execute(
            text(
                "SELECT id, 'table' FROM flowkeep.run UNION ALL SELECT a.id, b.status FROM"
                " flowkeep.run_archive a JOIN flowkeep.archive_bundle b ON b.id = a.bundle_id"
            )
        )
        places = [tuple(row) for row in found]
    assert len(places) == len({run_id for run_id, _ in places}), "a run lies in two places"
    return dict(places)


async def contents(store: Store, run_ids: list[UUID]) -> list[Any]:
    """Return what each run answers, without what a restore adds."""
    found = []
    for run_id in run_ids:
        run = await store.runs.get(TENANT, run_id)
        events = await store.runs.list_events(TENANT, run_id, 1000)
        found.append(
            (
                run.evolve(hold_until=None, archived=False),
                [one for one in events if one.kind not in ("archived", "restored")],
                list(await store.tasks.list_attempts(TENANT, run_id)),
                await store.state.get_arguments(TENANT, run_id),
            )
        )
    return found


@pytest.mark.parametrize("name", STEPS)
async def test_a_kill_loses_nothing(
    store: Store, settings: Settings, storage: Storage, name: str, point: int
) -> None:
    """After a kill and a repetition each run lies in one place, whole, and no leftovers stay."""
    run_ids = [(await ended(store)).id for _ in range(9)]
    before = await contents(store, run_ids)
    for earlier in STEPS[: STEPS.index(name)]:
        await step(store, earlier)
    await kill_in(settings, name, Random(f"{name} {point}").uniform(0, _SLOWEST))
    assert set(await where(store)) == set(run_ids)
    assert await contents(store, run_ids) == before
    for again in STEPS[:3]:
        await step(store, again)
    for bundle in await store.archive.list(TENANT, status=BundleStatus.RESTORING):
        await store.archive.restore(TENANT, bundle.id)
    places = await where(store)
    assert set(places) == set(run_ids)
    assert set(places.values()) <= {"table", "archived"}
    assert await contents(store, run_ids) == before
    await _nothing_is_left_over(store, storage)


async def _nothing_is_left_over(store: Store, storage: Storage) -> None:
    """Every object belongs to a bundle that can be verified; the others were removed."""
    await store.archive.publish(TENANT, _long_ago())
    bundles = (await store.archive.list(TENANT, limit=100)).data
    assert BundleStatus.PUBLISHING not in {bundle.status for bundle in bundles}
    for bundle in bundles:
        await store.archive.verify(TENANT, bundle.id)
    prefixes = {key.rpartition("/")[0] for key in keys(storage)}
    assert prefixes == {bundle.prefix for bundle in bundles}
    assert await rows(store, "archive_pending") == []


def _long_ago() -> Any:
    from datetime import UTC, datetime

    return datetime(2000, 1, 1, tzinfo=UTC)
