"""Retention in slices: each goes on where the one before was cut short."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from flowkeep.contracts.retention import RetentionCursor, RetentionReport
from flowkeep.contracts.retention_run import RetentionProgress
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.leftovers import orphans, sizes
from tests.statestore.records import OTHER, TENANT
from tests.statestore.test_retention import aged, left

MOMENT = 1e-6
KEPT = """
INSERT INTO flowkeep.run (id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT gen_random_uuid(), 'acme', 'kept', 'default', 'w' || n, 'Extract', 'q', '{}', 'run', '{}',
    'cli', 'succeeded', '{}', 3, now() - interval '90 days' + n / 10 * interval '1 second', now()
FROM generate_series(1, :runs) AS n
"""
MARKS = """
INSERT INTO flowkeep.run_tombstone (run_id, tenant_id, deleted_at)
SELECT gen_random_uuid(), 'acme', now() - interval '100 days' FROM generate_series(1, 12000)
"""
VALUES = """
INSERT INTO flowkeep.payload (tenant_id, hash, size, encoding, data, created_at)
SELECT 'acme', sha256(CAST(n AS text)::bytea), 1, 'json', CAST('x' AS bytea), now()
FROM generate_series(1, 12000) AS n
UNION ALL SELECT 'acme', decode(repeat('ff', 32), 'hex'), 1, 'json', CAST('x' AS bytea),
    now() - interval '2 days'
"""


async def fill(store: Store, statement: str, **bound: Any) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(text(statement), bound)


async def keep_in_front(store: Store, runs: int) -> None:
    """Give the tenant runs that stay, all older than those that go."""
    await fill(store, KEPT, runs=runs)
    await store.retention.set_policy(TENANT, app_id="kept", days=None)
    await store.retention.set_policy(TENANT, days=30)


async def sliced(store: Store, **how: Any) -> list[RetentionReport]:
    """Apply slices of no time at all, each handed on as a workflow does it, until one is whole."""
    reports: list[RetentionReport] = []
    progress = RetentionProgress()
    while not reports or progress.resume is not None:
        assert len(reports) < 100
        report = await store.retention.apply(
            TENANT, max_seconds=MOMENT, resume=progress.resume, **how
        )
        reports.append(report)
        assert report.done == (report.resume is None)
        carried = progress.evolve(resume=report.resume).model_dump(mode="json")
        progress = RetentionProgress.model_validate(carried)
    return reports


async def test_slices_get_past_runs_that_stay(store: Store) -> None:
    """Behind 5,000 runs that stay, slices of one window each come to the run that goes."""
    expired = await aged(store, 40)
    await keep_in_front(store, 5_000)
    reports = await sliced(store, batch_size=500)
    assert sum(report.removed.runs for report in reports) == 1
    assert expired.id not in await left(store)  # the newest 100
    assert (await sizes(store))["runs"] == 5_000
    places = [r.resume.position for r in reports if r.resume and r.resume.position]
    assert len(places) == 10  # a full window each; the next slice is through, the last clears away
    assert places == sorted(set(places))
    assert len(reports) == 12
    assert not await orphans(store)


async def test_without_a_cursor_a_call_begins_anew(store: Store) -> None:
    """A call that is handed nothing begins with the oldest run, and so does a changed policy."""
    await keep_in_front(store, 30)
    apply = store.retention.apply

    async def slice_of(resume: RetentionCursor | None) -> RetentionCursor:
        report = await apply(TENANT, max_seconds=MOMENT, batch_size=10, resume=resume)
        assert report.resume is not None
        return report.resume

    first = await slice_of(None)
    assert await slice_of(None) == first
    second = await slice_of(first)
    assert (second.policy_id, second.position != first.position) == (first.policy_id, True)
    await store.retention.set_policy(TENANT, days=31)
    assert (await slice_of(second)).position == first.position
    await store.retention.delete_policy(TENANT, app_id="kept")
    assert (await apply(TENANT, resume=second)).removed.runs == 30


async def test_a_policy_that_is_through_is_not_repeated(store: Store) -> None:
    """What expires behind a finished policy waits for a call that begins anew."""
    await store.retention.set_policy(TENANT, app_id="one", days=1)
    await store.retention.set_policy(TENANT, days=1)
    await aged(store, 40, app_id="one")
    first = await store.retention.apply(TENANT, max_seconds=MOMENT)
    assert [step.done for step in first.steps] == [True, False]
    assert first.removed.runs == 1
    late = await aged(store, 40, app_id="one")
    other = await aged(store, 40)
    rest = await store.retention.apply(TENANT, resume=first.resume)
    assert [step.removed.runs for step in rest.steps] == [0, 1]
    assert rest.done
    assert await left(store) == {late.id}
    assert other.id not in await left(store)
    # Another tenant's cursor says nothing about this one's policies.
    foreign = await store.retention.apply(OTHER, max_seconds=MOMENT)
    assert (await store.retention.apply(TENANT, resume=foreign.resume)).removed.runs == 1


async def test_what_others_write_to_is_told_to_the_end(store: Store, ledger_url: str) -> None:
    """A run that was locked in the first slice is passed over, and the last still says so."""
    locked, free = await aged(store, 41), await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    apply, reports = store.retention.apply, list[RetentionReport]()
    with psycopg.connect(ledger_url) as other:
        other.execute("SELECT 1 FROM flowkeep.run WHERE id = %s FOR UPDATE", [locked.id])
        reports.append(await apply(TENANT, max_seconds=MOMENT, batch_size=1))
    while (resume := reports[-1].resume) is not None:
        assert len(reports) < 10
        reports.append(await apply(TENANT, max_seconds=MOMENT, batch_size=1, resume=resume))
    assert free.id not in await left(store)
    assert await left(store) == {locked.id}
    assert not any(report.done for report in reports)
    assert (await apply(TENANT)).done
    assert not await left(store)


async def test_archiving_goes_on_in_slices(store: Store) -> None:
    """An archive_first policy that is cut short moves the rest with the next slices."""
    runs = {(await aged(store, 40)).id for _ in range(3)}
    await store.retention.set_policy(TENANT, days=30, archive_first=True)
    reports = await sliced(store)
    assert sum(step.archived for report in reports for step in report.steps) == 3
    assert (await sizes(store))["runs"] == 0
    assert await left(store) == runs


async def test_clearing_away_is_cut_short_too(store: Store) -> None:
    """Old tombstones go in slices, and so does a loose value behind 12,000 that stay."""
    await fill(store, MARKS)
    await fill(store, VALUES)
    reports = await sliced(store)
    assert len(reports) == 3
    assert [report.tombstones for report in reports] == [5_000, 5_000, 2_000]
    assert [report.payloads for report in reports] == [0, 0, 1]
    assert (await store.retention.apply(TENANT)).tombstones == 0


async def test_a_report_is_no_cursor(store: Store) -> None:
    """Handing over the whole report instead of its cursor is refused, and removes nothing."""
    await aged(store, 40)
    await store.retention.set_policy(TENANT, days=1)
    report: Any = await store.retention.plan(TENANT)
    with pytest.raises(InvalidInput, match="RetentionReport"):
        await store.retention.apply(TENANT, resume=report)
    assert (await sizes(store))["runs"] == 1


@pytest.mark.parametrize("payload", ["x", "abc", "AB"])
def test_a_cursor_that_is_none(payload: str) -> None:
    """A place among values that is not a hash is refused."""
    with pytest.raises(ValueError, match="payload"):
        RetentionCursor(policies="", payload=payload)
