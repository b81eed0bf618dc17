"""Statistics, directly and over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from flowkeep.contracts import RunStatus
from flowkeep.errors import InvalidInput
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_run


async def fill(settings: Settings) -> None:
    """Make two failed runs of one type and an open one of another, and one of another tenant."""
    async with await connect(settings=settings) as store:
        for name in ("Load", "Load", "Extract"):
            run = await store.runs.create("default", new_run(app_id="shop", workflow_type=name))
            if name == "Load":
                await store.runs.mark_running("default", run.id)
                await store.runs.fail("default", run.id)
        await store.runs.create("other", new_run())


async def test_runs_are_counted(client: ServiceClient, settings: Settings) -> None:
    """Each figure is what was written: by status, day, type, app and tenant."""
    await fill(settings)
    stats, since = client.statistics, datetime.now(UTC) - timedelta(days=1)
    found = await stats.summary("4h", app_id="shop")
    assert (found.by_status[RunStatus.FAILED], found.by_status[RunStatus.PENDING]) == (2, 1)
    assert set(found.by_status) == set(RunStatus)
    assert (found.durations.count, sum((await stats.summary()).by_status.values())) == (2, 3)
    days = await stats.per_day("Asia/Kathmandu", since)
    assert sum(day.runs for day in days.data) == 3
    assert days.as_of is not None
    loads = await stats.per_day(since=since, workflow_type="Load", app_id="shop")
    assert loads.data[-1].by_status == {RunStatus.FAILED: 2}
    everyone = await stats.per_day(since=since, all_tenants=True)
    assert sum(day.runs for day in everyone.data) == 4
    assert (await stats.durations(since, workflow_type="Load")).data.count == 2
    top = await stats.most_executed(1, by="workflow_type")
    assert [(row.workflow_type, row.runs) for row in top.data] == [("Load", 2)]
    assert list((await stats.usage(by="step")).data) == []
    first = await stats.tenants(limit=1)
    second = await stats.tenants(limit=1, cursor=first.next)
    assert [(one.tenant_id, one.runs) for one in (*first.data, *second.data)] == [
        ("default", 3),
        ("other", 1),
    ]


async def test_bad_questions_are_named(client: ServiceClient) -> None:
    """A window, zone or combination that cannot be used is refused by name."""
    with pytest.raises(InvalidInput, match="window"):
        await client.statistics.summary("7 days")
    with pytest.raises(InvalidInput, match="time_zone"):
        await client.statistics.per_day("Mars/Base")
    with pytest.raises(InvalidInput, match="app_id"):
        await client.statistics.usage(app_id="shop", all_tenants=True)
