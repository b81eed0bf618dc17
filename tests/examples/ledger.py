"""Reading the ledger as assertions need it."""

from typing import Any
from uuid import UUID

from flowkeep.clients.workflow import WorkflowClient


async def attempts_of(client: WorkflowClient, run_id: UUID) -> list[tuple[str, int, str]]:
    """Return name, attempt and status of every attempt, sorted."""
    page = await client.store.tasks.list_attempts("default", run_id, limit=100)
    return sorted((task.task_name, task.attempt, task.status.value) for task in page)


async def events_of(client: WorkflowClient, run_id: UUID) -> list[str]:
    """Return the kinds of the run's events, oldest first."""
    events = await client.store.runs.list_events("default", run_id)
    return [event.kind for event in events][::-1]


async def the_run(client: WorkflowClient, **filters: Any) -> Any:
    """Return the only run of the ledger.

    Raises:
        AssertionError: If there is none yet, or several.
    """
    page = await client.store.runs.get_paginated_runs("default", **filters)
    assert len(page.data) == 1
    return await client.store.runs.get("default", page.data[0].id)
