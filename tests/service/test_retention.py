"""Retention, directly and over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from flowkeep.contracts.api.retention import PolicyContent, RetentionSlice
from flowkeep.errors import InvalidInput, NotFound, RevisionMismatch
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_id, new_run


async def old_runs(settings: Settings, count: int) -> list[UUID]:
    """Create runs that ended long ago; returns their ids."""
    made = []
    async with await connect(settings=settings) as store:
        for _ in range(count):
            new = new_run(created_at=datetime.now(UTC) - timedelta(days=100))
            await store.runs.create("default", new)
            await store.runs.fail("default", new.id)
            made.append(new.id)
    return made


async def test_a_policy_lives(client: ServiceClient) -> None:
    """Policies of each scope are set, read, listed and removed; a stale revision changes none."""
    retention, definition = client.retention, new_id()
    own = await retention.set(PolicyContent(days=30), expected_revision=0)
    app = await retention.set(PolicyContent(days=None, legal_hold=True), app_id="crm")
    last = await retention.set(PolicyContent(days=1), definition_id=definition)
    first = await retention.list(limit=2)
    second = await retention.list(limit=2, cursor=UUID(first.next))
    assert {one.id for one in (*first.data, *second.data)} == {own.id, app.id, last.id}
    assert (first.data[0], second.next) == (own, None)
    assert await retention.get(app_id="crm") == app
    changed = await retention.set(PolicyContent(days=60), expected_revision=own.revision)
    with pytest.raises(RevisionMismatch):
        await retention.set(PolicyContent(days=1), expected_revision=own.revision)
    with pytest.raises(RevisionMismatch):
        await retention.remove(expected_revision=own.revision)
    assert await retention.get() == changed
    await retention.remove(app_id="crm")
    for call in (retention.get, retention.remove):
        with pytest.raises(NotFound, match="app 'crm'"):
            await call(app_id="crm")
    with pytest.raises(InvalidInput, match="not for both"):
        await retention.set(PolicyContent(days=1), app_id="crm", definition_id=definition)


async def test_runs_are_removed_slice_by_slice(client: ServiceClient, settings: Settings) -> None:
    """Slices that are cut short remove together what was planned, and never a held run."""
    runs, retention = await old_runs(settings, 4), client.retention
    assert (await retention.apply()).steps == ()
    await retention.set(PolicyContent(days=30))
    held = await retention.hold(runs[0])
    assert held.hold_until is not None
    assert held.hold_until.year == 9999
    assert (await retention.plan()).removed.runs == 3
    cut = await retention.plan(max_seconds=1e-9)
    assert [step.done for step in cut.steps] == [False]
    part = RetentionSlice(batch_size=1, max_seconds=1e-9)
    reports = [await retention.apply(part)]
    while reports[-1].resume is not None and len(reports) < 20:
        reports.append(await retention.apply(part.evolve(resume=reports[-1].resume)))
    assert {report.removed.runs for report in reports} == {0, 1}
    assert (sum(report.removed.runs for report in reports), reports[-1].done) == (3, True)
    assert (await client.runs.get(runs[0])).hold_until == held.hold_until
    assert (await retention.release(runs[0])).hold_until is None
    assert (await retention.apply()).removed.runs == 1
    with pytest.raises(NotFound):
        await retention.hold(runs[1])
