"""What an extraction tells while it works, and how long it may be silent."""

from typing import Any

import psycopg

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata.progress import Total
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.extraction.flows import Stalling, StallingActivities
from tests.support import eventually


async def test_a_statement_that_says_nothing_keeps_beating(
    settings: Settings, task_queue: str, sample_url: str
) -> None:
    """A COPY that waits, for longer than the heartbeat timeout, is no reason for a retry."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    activities = StallingActivities()
    activities.no_progress_timeout = Stalling.default_heartbeat_timeout / 4  # type: ignore[misc]
    async with (
        await psycopg.AsyncConnection.connect(sample_url, autocommit=True) as holder,
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=[Stalling],
            workflow_activities=Stalling.get_activities(activities),
        ),
    ):
        await holder.execute("SELECT pg_advisory_lock(4711)")
        handle = await client.start_workflow(
            {"credentials": {"url": sample_url}}, workflow_class=Stalling
        )
        temporal = client.temporal.get_workflow_handle(handle.workflow_id)
        beats: set[Any] = set()

        async def beaten() -> int:
            described = await temporal.describe()
            for one in described.raw_description.pending_activities:
                if one.activity_type.name == "fetch_columns":
                    assert one.attempt == 1
                    beats.add(one.last_heartbeat_time.ToDatetime())
            assert len(beats) > 5  # a third of the timeout lies between two: more than it is over
            return len(beats)

        count: int = await eventually(beaten, timeout=60)
        assert count > 5
        await holder.execute("SELECT pg_advisory_unlock(4711)")
        await handle.result()
        attempts = await client.store.tasks.list_attempts("default", handle.run_id, limit=100)
    assert {one.attempt for one in attempts} == {1}


def test_progress_is_told_per_part() -> None:
    """Totals are those of the task; the part and its own rows and bytes begin anew with each."""
    told: list[dict[str, Any]] = []
    total = Total(lambda details: told.append(dict(details)), None)
    total.begin("one")
    total(10, 100, 0)
    total(25, 240, 1)
    total.begin("two")
    total(5, 50)
    names = ("rows", "bytes", "database", "part", "part_rows", "part_bytes")
    assert [tuple(one[name] for name in names) for one in told] == [
        (10, 100, "one", 0, 10, 100),
        (25, 240, "one", 1, 15, 140),
        (30, 290, "two", 0, 5, 50),
    ]
