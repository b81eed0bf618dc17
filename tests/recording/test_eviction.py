"""Runs that are evicted from the worker's cache after every step."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.worker import Worker
from tests.recording.test_replay import RUNS
from tests.served import CLASSES
from tests.workflows import flows


@pytest.fixture
async def worker(client: WorkflowClient, letters: flows.Letters) -> AsyncIterator[Worker]:
    """A worker without a cache: whatever waits is unwound, and replayed when it goes on."""
    served = [
        letters.first,
        letters.second,
        letters.third,
        letters.flaky,
        letters.double,
        letters.hold,
    ]
    async with Worker(
        client, workflow_classes=CLASSES, workflow_activities=served, max_cached_workflows=0
    ) as worker:
        yield worker


@pytest.mark.parametrize(
    ("name", "status", "kinds"),
    [
        ("sequence", RunStatus.SUCCEEDED, ["created", "started", "succeeded"]),
        ("failed activity", RunStatus.FAILED, ["created", "started", "failed"]),
        ("cancelled", RunStatus.CANCELLED, ["created", "started", "cancel_requested", "cancelled"]),
        ("map in chunks", RunStatus.SUCCEEDED, ["created", "started", "succeeded"]),
    ],
)
async def test_eviction_is_no_end(
    client: WorkflowClient,
    worker: Worker,
    letters: flows.Letters,
    name: str,
    status: RunStatus,
    kinds: list[str],
) -> None:
    """Unwinding for an eviction records nothing: the run's events are those of its real life."""
    handle = await RUNS[name](client, letters)
    assert await handle.status() is status
    events = await client.store.runs.list_events("default", handle.run_id)
    # That Temporal accepted the run is written behind the start: a cancel may overtake it.
    assert sorted(event.kind for event in events) == sorted(kinds)
    [segment] = await client.store.runs.list_segments("default", handle.run_id)
    tasks = await client.store.tasks.list_tasks("default", handle.run_id)
    # Where a task failed or was open at the end only the history proves how many there were.
    expected = len(tasks.data) if status is RunStatus.SUCCEEDED else None
    assert segment.expected_tasks == expected
