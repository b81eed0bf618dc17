"""What a worker waits for: the ledger that answers, is held up, or has no room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from flowkeep.contracts import Task, TaskStatus
from flowkeep.recording import attempt_report
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording import kinds
from tests.support import eventually


@asynccontextmanager
async def recording(settings: Settings, **recorder: Any) -> AsyncIterator[tuple[Client, Plugin]]:
    """A client with a plugin of these settings."""
    changed = settings.recorder.model_copy(update=recorder)
    plugin = Plugin(settings.model_copy(update={"recorder": changed}))
    assert settings.temporal.address is not None
    yield await Client.connect(settings.temporal.address, plugins=[plugin]), plugin
    await plugin.close()


@asynccontextmanager
async def held_up(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection]:
    """Keep everybody from writing attempts, until the connection commits."""
    connection = await psycopg.AsyncConnection.connect(settings.database_url())
    async with connection:
        await connection.execute("LOCK TABLE flowkeep.task IN EXCLUSIVE MODE")
        yield connection


async def statuses(plugin: Plugin, workflow_id: str) -> list[TaskStatus]:
    [run] = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
    return [task.status for task in await plugin.store.tasks.list_attempts("default", run.id)]


async def test_strict_workers_wait_for_successes(settings: Settings, task_queue: str) -> None:
    """With `strict` an activity's success is in the ledger before the next one begins."""
    workflow_id = f"strict-{uuid4()}"
    async with recording(settings, strict=True) as (client, plugin):

        @activity.defn
        async def rows_so_far() -> int:
            return len(await statuses(plugin, workflow_id))

        async with kinds.serve(client, task_queue, [rows_so_far]):
            result = await client.execute_workflow(
                kinds.Two.run,
                args=["beats", "rows_so_far"],
                id=workflow_id,
                task_queue=task_queue,
            )
    assert result == 1


async def test_successes_wait_for_nothing(settings: Settings, task_queue: str) -> None:
    """While the ledger is held up, runs go on to their end; it is told once it is back."""
    workflow_id = f"behind-{uuid4()}"
    async with recording(settings) as (client, plugin):
        async with kinds.serve(client, task_queue), held_up(settings) as connection:
            await client.execute_workflow(
                kinds.Two.run, args=["beats", "beats"], id=workflow_id, task_queue=task_queue
            )
            assert plugin.recorder is not None
            assert plugin.recorder.stats.recorded == 0
            await connection.commit()
        assert await statuses(plugin, workflow_id) == [TaskStatus.SUCCEEDED] * 2


async def test_failures_wait_until_patience_ends(settings: Settings, task_queue: str) -> None:
    """A failure waits for a ledger that is held up only so long; its record is not lost."""
    workflow_id = f"patience-{uuid4()}"
    async with recording(settings, patience_seconds=0.2) as (client, plugin):
        async with kinds.serve(client, task_queue), held_up(settings) as connection:
            await client.execute_workflow(
                kinds.One.run, "fails_twice", id=workflow_id, task_queue=task_queue
            )
            assert plugin.recorder is not None
            assert plugin.recorder.stats.gave_up == 2
            await connection.commit()
        found = await statuses(plugin, workflow_id)
    assert found == [TaskStatus.FAILED, TaskStatus.FAILED, TaskStatus.SUCCEEDED]


async def test_a_wrong_clock_takes_nobodys_patience(
    settings: Settings, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a worker whose clock is hours ahead attempts wait for their records as anywhere."""
    ahead = timedelta(hours=5)
    monkeypatch.setattr(attempt_report, "_now", lambda: datetime.now(UTC) + ahead)
    workflow_id = f"ahead-{uuid4()}"
    async with recording(settings, strict=True) as (client, plugin):
        async with kinds.serve(client, task_queue):
            await client.execute_workflow(
                kinds.One.run, "fails_twice", id=workflow_id, task_queue=task_queue
            )
            assert plugin.recorder is not None
            assert plugin.recorder.stats.gave_up == 0
        found = await statuses(plugin, workflow_id)
    assert found == [TaskStatus.FAILED, TaskStatus.FAILED, TaskStatus.SUCCEEDED]


async def test_a_retry_that_is_put_off_for_ever_is_recorded(
    settings: Settings, task_queue: str
) -> None:
    """A delay as long as Temporal allows, beyond the last year there is, is a date far away."""
    workflow_id = f"put-off-{uuid4()}"

    @activity.defn
    async def puts_off() -> None:
        raise ApplicationError("not yet", next_retry_delay=timedelta(days=3_600_000))

    async with (
        recording(settings) as (client, plugin),
        kinds.serve(client, task_queue, [puts_off]),
    ):
        handle = await client.start_workflow(
            kinds.One.run, "puts_off", id=workflow_id, task_queue=task_queue
        )

        async def put_off() -> Task:
            page = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
            assert page.data
            [task] = await plugin.store.tasks.list_attempts("default", page.data[0].id)
            return task

        task = await eventually(put_off)
        await handle.terminate()
    assert task.error is not None
    assert task.error.message == "not yet"
    assert task.next_retry_at is not None
    assert task.next_retry_at.year == 9999


async def test_required_records_fail_their_attempts(settings: Settings, task_queue: str) -> None:
    """With `required` an attempt without its record fails, and Temporal tries again."""
    workflow_id = f"required-{uuid4()}"
    async with recording(settings, required=True, patience_seconds=0.2) as (client, plugin):
        async with held_up(settings) as connection:

            @activity.defn
            async def release_at_last() -> int:
                if activity.info().attempt == 2:
                    await connection.commit()
                return activity.info().attempt

            async with kinds.serve(client, task_queue, [release_at_last]):
                await client.execute_workflow(
                    kinds.One.run, "release_at_last", id=workflow_id, task_queue=task_queue
                )
                assert plugin.recorder is not None
                assert plugin.recorder.stats.gave_up == 1
        found = await statuses(plugin, workflow_id)
    assert found == [TaskStatus.FAILED, TaskStatus.SUCCEEDED]


async def test_a_full_queue_holds_activities_back(settings: Settings, task_queue: str) -> None:
    """Where records find no room, attempts wait for it, and nothing of them is lost."""
    ids = [f"full-{uuid4()}" for _ in range(4)]
    async with recording(settings, queue_rows=2, patience_seconds=30) as (client, plugin):
        async with kinds.serve(client, task_queue):
            async with held_up(settings) as connection:
                handles = [
                    await client.start_workflow(
                        kinds.One.run, "beats", id=one, task_queue=task_queue
                    )
                    for one in ids
                ]

                def waiting() -> None:  # nobody knows when the worker has looked at its ledger
                    assert plugin.recorder is not None
                    assert plugin.recorder.stats.waits > 0

                await eventually(waiting, timeout=30)
                await connection.commit()
            for handle in handles:
                await handle.result()
        for one in ids:
            assert await statuses(plugin, one) == [TaskStatus.SUCCEEDED]
