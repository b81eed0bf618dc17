"""The example `sequence`."""

from collections.abc import AsyncIterator

import pytest

from examples.sequence.activities import ReportActivities
from examples.sequence.workflows import MonthlyReport
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.errors import InvalidInput, RunFailed
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from tests.examples.ledger import attempts_of
from tests.support import eventually


@pytest.fixture(autouse=True)
async def worker(client: WorkflowClient) -> AsyncIterator[Worker]:
    """The worker of the example."""
    async with Worker(
        client,
        workflow_classes=[MonthlyReport],
        workflow_activities=MonthlyReport.get_activities(ReportActivities()),
    ) as worker:
        yield worker


async def test_the_list_is_the_program(client: WorkflowClient) -> None:
    """Every entry runs after the one before it, the group's members at the same time."""
    run = await client.start_workflow({"month": "2026-01"}, workflow_class=MonthlyReport)
    result = await run.result()
    assert result["read_orders"] == 2
    assert result["sum_revenue"] == 15_550
    assert result["find_late"] == ["2026-01-17"]
    storage = Storage(client.settings.storage.url)
    key = f"default/reports/2026-01/{run.run_id}.txt"
    assert result["write_report"] == storage.url_of(key)
    assert storage.get(key) == b"Report for 2026-01\n"


async def test_the_order_stands_in_the_ledger(client: WorkflowClient) -> None:
    """The group starts after the entry before it has ended, and ends before the next starts."""
    run = await client.start_workflow({"month": "2026-01"}, workflow_class=MonthlyReport)
    await run.result()

    async def all_recorded() -> None:
        assert len(await attempts_of(client, run.run_id)) == 6

    await eventually(all_recorded)
    page = await client.store.tasks.list_tasks("default", run.run_id)
    task = {one.task_name: one for one in page}
    group = (task["sum_revenue"], task["find_late"])
    assert all(task["read_orders"].finished_at <= one.started_at for one in group)
    assert all(one.finished_at <= task["write_report"].started_at for one in group)


async def test_a_month_without_orders_is_refused(client: WorkflowClient) -> None:
    """A failed check ends the run before any of its steps begins."""
    run = await client.start_workflow({"month": "2025-12"}, workflow_class=MonthlyReport)
    with pytest.raises(RunFailed, match="0 orders in 2025-12"):
        await run.result()
    assert await run.status() is RunStatus.FAILED
    names = {name for name, _, _ in await attempts_of(client, run.run_id)}
    assert names <= {"get_workflow_args", "preflight_check"}


async def test_bad_arguments_start_nothing(client: WorkflowClient) -> None:
    """Arguments that do not fit the model are refused by the start."""
    with pytest.raises(InvalidInput, match="month"):
        await client.start_workflow({"month": "January"}, workflow_class=MonthlyReport)
    assert not (await client.store.runs.get_paginated_runs("default")).data
