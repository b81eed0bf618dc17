"""Retention policies: what they take, what they leave, and that plans tell the truth."""

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flowkeep.contracts import Run, RunKind, RunStatus
from flowkeep.contracts.retention import Removed, RetentionReport
from flowkeep.errors import Conflict, InvalidInput, RevisionMismatch
from flowkeep.statestore import Store
from tests.statestore.definitions import new_definition
from tests.statestore.leftovers import orphans, sizes
from tests.statestore.records import OTHER, TENANT, attempt, close_of, new_id, new_run, running
from tests.support import eventually

BIG = "x" * 9000
NOW = datetime.now(UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


async def aged(store: Store, days: float, **fields: Any) -> Run:
    """A run that ended, created some days ago."""
    _, ref = await running(store, created_at=ago(days), arguments={"a": 1}, **fields)
    await store.system.record([attempt(ref, output=BIG)])
    return await store.system.close_segment(close_of(ref))


async def defined(store: Store) -> UUID:
    """A definition that runs may name."""
    return (await store.definitions.create(TENANT, new_definition())).id


async def left(store: Store, tenant_id: str = TENANT) -> set[Any]:
    return {run.id for run in (await store.runs.get_paginated_runs(tenant_id, limit=100)).data}


async def mixed(store: Store) -> dict[str, Run]:
    """Runs of every sort: old and young, open, held, with a policy of their own."""
    definition = await defined(store)
    made = {
        "old": await aged(store, 40, labels={"a": "b"}),
        "young": await aged(store, 5),
        "own_app": await aged(store, 40, app_id="kept"),
        "own_definition": await aged(store, 15, definition_id=definition),
        "held": await aged(store, 40),
        "parent": await aged(store, 40),
        "open": (await running(store, created_at=ago(40)))[0],
        "legal": await aged(store, 40, app_id="legal"),
    }
    await store.runs.set_hold(TENANT, made["held"].id, NOW + timedelta(days=1))
    await running(store, parent_run_id=made["parent"].id)
    chunk = new_run(kind=RunKind.CHUNK, parent_run_id=made["old"].id, created_at=ago(40))
    await store.runs.create(TENANT, chunk)
    await store.runs.fail(TENANT, chunk.id)
    keep = store.retention.set_policy
    await keep(TENANT, days=30)
    await keep(TENANT, app_id="kept", days=None)
    await keep(TENANT, app_id="legal", days=1, legal_hold=True)
    await keep(TENANT, definition_id=definition, days=10)
    return made


async def test_a_plan_is_what_apply_removes(store: Store) -> None:
    """On a mixed ledger, the counts of a plan are those of the tables before and after."""
    made = await mixed(store)
    before = await sizes(store)
    plan = await store.retention.plan(TENANT)
    assert await sizes(store) == before
    told: list[RetentionReport] = []
    done = await store.retention.apply(TENANT, batch_size=1, on_progress=told.append)
    after = await sizes(store)
    expected = {n: before[n] - after[n] for n in Removed.model_fields}
    assert plan.removed.model_dump() == expected == done.removed.model_dump()
    assert [step.removed for step in plan.steps] == [step.removed for step in done.steps]
    assert done.done
    assert told[-1].removed == done.removed
    assert {name for name, run in made.items() if run.id not in await left(store)} == {
        "old",
        "own_definition",
    }
    assert not await orphans(store)
    again = await store.retention.apply(TENANT)
    assert again.removed == Removed()


async def test_the_most_specific_policy_wins(store: Store) -> None:
    """A definition's policy beats its app's, and that beats the tenant's, both ways."""
    definition = await defined(store)
    run = await aged(store, 20, app_id="one", definition_id=definition)
    keep = store.retention.set_policy
    await keep(TENANT, days=1)
    await keep(TENANT, app_id="one", days=30)
    assert (await store.retention.plan(TENANT)).removed.runs == 0
    await keep(TENANT, definition_id=definition, days=None)
    await keep(TENANT, app_id="one", days=10)
    assert (await store.retention.apply(TENANT)).removed.runs == 0
    await store.retention.delete_policy(TENANT, definition_id=definition)
    assert (await store.retention.apply(TENANT)).removed.runs == 1
    assert run.id not in await left(store)


async def test_policies_are_set_read_and_removed(store: Store) -> None:
    """A policy is one per scope, set as a whole; setting the same again writes nothing."""
    keep = store.retention.set_policy
    first = await keep(TENANT, days=30, actor="ada")
    assert await keep(TENANT, days=30, actor="bob") == first
    changed = await keep(TENANT, days=None, archive_first=True, expected_revision=1)
    assert (changed.revision, changed.days, changed.archive_first) == (2, None, True)
    with pytest.raises(RevisionMismatch):
        await keep(TENANT, days=1, expected_revision=1)
    other = await keep(TENANT, app_id="one", days=1)
    assert list(await store.retention.list_policies(TENANT)) == [changed, other]
    assert await store.retention.get_policy(TENANT, app_id="one") == other
    assert await store.retention.get_policy(OTHER) is None
    assert await store.system.tenants_with_policies() == [TENANT]
    assert not await store.retention.delete_policy(OTHER)
    assert await store.retention.delete_policy(TENANT)
    assert not await store.retention.delete_policy(TENANT)
    assert other.scope == "app one"


@pytest.mark.parametrize("days", [-1, 36_501, True, "7", 1.5])
async def test_days_that_are_none(store: Store, days: Any) -> None:
    """Days below 0, beyond a century or of another type are refused."""
    with pytest.raises(InvalidInput, match="days"):
        await store.retention.set_policy(TENANT, days=days)


async def test_bad_calls_change_nothing(store: Store) -> None:
    """A time in the future, a scope of two, a rate of 0 and a batch of 0 are refused."""
    await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    apply = store.retention.apply
    for call in (
        lambda: apply(TENANT, now=NOW + timedelta(days=400)),
        lambda: apply(TENANT, batch_size=0),
        lambda: apply(TENANT, max_runs_per_second=0),
        lambda: apply(TENANT, max_seconds=-1),
        lambda: store.retention.set_policy(TENANT, app_id="a", definition_id=new_id(), days=1),
    ):
        with pytest.raises(InvalidInput):
            await call()
    async with store.transaction() as tx:
        with pytest.raises(InvalidInput, match="transaction"):
            await tx.retention.apply(TENANT)
    assert (await sizes(store))["runs"] == 1


async def test_legal_holds_beat_everybody(store: Store) -> None:
    """A held run is passed over by retention and refused to explicit deletes, force or not."""
    run = await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    until = NOW + timedelta(hours=1)
    held = await store.runs.set_hold(TENANT, run.id, until, actor="ada")
    assert held.hold_until == until
    assert (await store.runs.set_hold(TENANT, run.id, until)).revision == held.revision
    assert (await store.retention.apply(TENANT)).removed.runs == 0
    for force in (False, True):
        with pytest.raises(Conflict, match=rf"hold.*{run.id}"):
            await store.runs.delete_runs_by_ids(TENANT, [run.id], force=force)
    await store.runs.set_hold(TENANT, run.id, None)
    await store.retention.set_policy(TENANT, days=1, legal_hold=True)
    with pytest.raises(Conflict, match="hold"):
        await store.runs.delete_runs_by_app(TENANT, "app", force=True)
    assert await store.runs.prune_terminal_runs(TENANT, 0) == 0
    assert await store.runs.get_expired_runs_batch(TENANT, NOW) == []
    await store.retention.set_policy(TENANT, days=1)
    assert (await store.retention.apply(TENANT)).removed.runs == 1


async def test_time_and_rate_are_bounded(store: Store) -> None:
    """A call that runs out of time says so, removes whole runs only, and the next goes on."""
    for _ in range(6):
        await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    first = await store.retention.apply(
        TENANT, batch_size=1, max_runs_per_second=10, max_seconds=0.25
    )
    assert not first.done
    assert 0 < first.removed.runs < 6
    assert not await orphans(store)
    rest = await store.retention.apply(TENANT)
    assert rest.done
    assert first.removed.runs + rest.removed.runs == 6


async def test_archive_first(store: Store) -> None:
    """With archive_first, runs move to the archive: listed still, their rows gone."""
    runs = [await aged(store, 40) for _ in range(3)]
    other = await aged(store, 40, app_id="other")
    await store.retention.set_policy(TENANT, days=30, archive_first=True)
    await store.retention.set_policy(TENANT, app_id="other", days=None)
    plan = await store.retention.plan(TENANT)
    done = await store.retention.apply(TENANT)
    assert [step.archived for step in plan.steps] == [step.archived for step in done.steps]
    assert sum(step.archived for step in done.steps) == 3
    assert (await sizes(store))["runs"] == 1
    assert {run.id for run in runs} | {other.id} == await left(store)
    assert not await orphans(store)


KILLED = """
import asyncio, os, sys
from flowkeep.statestore import connect
from tests.statestore.conftest import settings_for
from flowkeep.statestore.repositories import tombstones

async def main():
    real, seen = tombstones.write, []
    async def write(session, tenant_id, run_ids):
        await real(session, tenant_id, run_ids)
        seen.append(run_ids)
        if len(seen) == 3:
            print("ready", flush=True)
            await asyncio.sleep(60)
    tombstones.write = write
    async with await connect(settings=settings_for(sys.argv[1])) as store:
        await store.retention.apply("acme", batch_size=2)

asyncio.run(main())
"""


async def test_a_killed_apply_leaves_nothing_half_deleted(store: Store, ledger_url: str) -> None:
    """Killed inside its third batch, apply lost exactly that batch; the next call does the rest."""
    for _ in range(9):
        await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED,
        ledger_url,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    found = await sizes(store)
    assert (found["runs"], found["tombstones"]) == (5, 4)
    assert not await orphans(store)

    async def rest() -> None:
        # Until the server notices that the process is gone, its third batch is locked.
        removed.append((await store.retention.apply(TENANT)).removed.runs)
        assert sum(removed) == 5

    removed: list[int] = []
    await eventually(rest)
    assert (await sizes(store))["tombstones"] == 9
    assert not await orphans(store)


async def test_applying_adds_up_what_is_counted(store: Store) -> None:
    """After an apply no execution of the tenant waits to be added, and the rollups are complete."""
    definition = await defined(store)
    await aged(store, 1, definition_id=definition)
    await store.retention.apply(TENANT)
    async with store._scope.read() as session:
        waiting = await session.execute("SELECT count(*) FROM {schema}.definition_execution")
        counted = await session.execute(
            "SELECT sum(runs) FROM {schema}.run_rollup WHERE grain = 'all'"
        )
        assert (waiting.scalar_one(), int(counted.scalar_one())) == (0, 1)
    assert (await store.definitions.get(TENANT, definition)).execution_count == 1


async def test_expired_runs_come_oldest_first(store: Store) -> None:
    """An expired batch holds ended runs older than the date, oldest first, at most so many."""
    runs = [await aged(store, days) for days in (50, 40, 30, 1)]
    await running(store, created_at=ago(60))
    batch = store.runs.get_expired_runs_batch
    expired = [run.id for run in runs[:3]]
    assert [run.id for run in await batch(TENANT, ago(10))] == expired
    assert [run.id for run in await batch(TENANT, ago(10), batch_size=2)] == expired[:2]
    assert await batch(OTHER, ago(10)) == []
    with pytest.raises(InvalidInput, match="before_date"):
        await batch(TENANT, datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="batch_size"):
        await batch(TENANT, ago(10), batch_size=0)


async def test_pruning_by_rest(store: Store) -> None:
    """Pruning takes ended runs nobody changed for so many days; negative days count as 0."""
    for status in (RunStatus.FAILED, RunStatus.CANCELLED):
        run, _ = await running(store)
        await store.runs.fail(TENANT, run.id, status=status)
    await running(store)
    prune = store.runs.prune_terminal_runs
    assert await prune(TENANT, 1) == 0
    assert await prune(OTHER, -5) == 0
    assert await prune(TENANT, -5, dry_run=True) == 2
    assert await prune(TENANT, -5) == 2
    assert await prune(TENANT, -5) == 0
    assert (await sizes(store))["runs"] == 1
    for days in ("1", None, True, float("nan"), 1e300):
        with pytest.raises(InvalidInput, match="retain_days"):
            await prune(TENANT, days)  # type: ignore[arg-type]


async def test_a_changed_policy_stops_what_it_no_longer_says(store: Store, ledger_url: str) -> None:
    """A policy that is made milder while it is applied saves all runs that are left."""
    for _ in range(3):
        await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)

    def keep(_: RetentionReport) -> None:
        with psycopg.connect(ledger_url) as connection:
            connection.execute(
                "UPDATE flowkeep.retention_policy SET days = NULL, revision = revision + 1"
            )

    done = await store.retention.apply(TENANT, batch_size=1, on_progress=keep)
    assert (done.removed.runs, done.done) == (1, False)
    assert len(await left(store)) == 2
    again = await store.retention.apply(TENANT)
    assert (again.removed.runs, again.done) == (0, True)
