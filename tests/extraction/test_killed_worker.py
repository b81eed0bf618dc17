"""A worker that dies in the middle of an extraction loses nothing."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import orjson
import psycopg
import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from tests.extraction.flows import Stalling, StallingActivities
from tests.support import eventually


@pytest.fixture
async def holder(sample_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A session of the source that holds the lock on which the columns wait."""
    connection = await psycopg.AsyncConnection.connect(sample_url, autocommit=True)
    async with connection:
        await connection.execute("SELECT pg_advisory_lock(4711)")
        yield connection


async def waiting(connection: psycopg.AsyncConnection[Any]) -> list[int]:
    """Sessions of ours that wait for the lock."""
    cursor = await connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'flowkeep'"
        " AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    return [row[0] for row in await cursor.fetchall()]


def neutral(storage: Storage, found: dict[str, Any]) -> Any:
    """The manifest without what may differ between two runs."""
    manifest = orjson.loads(storage.get(found["key"]))
    for scope in manifest["scopes"]:
        del scope["snapshot"], scope["taken_at"], scope["taken_until"], scope["diff"]
        for part in scope["assets"]["parts"]:  # entities name their run, so the file differs
            del part["sha256"], part["bytes"]
    del manifest["created_at"], manifest["inputs"], manifest["diff"]
    return orjson.loads(orjson.dumps(manifest).replace(manifest["run_id"].encode(), b"RUN"))


@pytest.mark.long
async def test_a_run_survives_kill_9_of_its_worker(
    settings: Settings, task_queue: str, sample_url: str, holder: psycopg.AsyncConnection[Any]
) -> None:
    """The next worker finishes the run with the manifest of an undisturbed one."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    assert settings.database.secret_key is not None
    environment = {
        **os.environ,
        "FLOWKEEP_DATABASE_URL": settings.database_url(),
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
        "FLOWKEEP_TASK_QUEUE": task_queue,
        "TEMPORAL_ADDRESS": settings.temporal.address or "",
    }
    storage = Storage(settings.storage.url)
    async with await WorkflowClient.connect(settings) as client:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.extraction.worker_program", env=environment
        )
        arguments = {"credentials": {"url": sample_url}}
        handle = await client.start_workflow(arguments, workflow_class=Stalling)

        async def stands_still() -> list[int]:
            found = await waiting(holder)
            assert found
            return found

        await eventually(stands_still, timeout=60)
        process.kill()
        await process.wait()
        assert not storage.exists(f"default/default/Stalling/{handle.run_id}/manifest.json")
        await holder.execute("SELECT pg_advisory_unlock(4711)")
        async with Worker(
            client,
            workflow_classes=[Stalling],
            workflow_activities=Stalling.get_activities(StallingActivities()),
        ):
            disturbed = await handle.result()
            again = await client.start_workflow(arguments, workflow_class=Stalling)
            undisturbed = await again.result()
        attempts = await client.store.tasks.list_attempts("default", handle.run_id, limit=100)
    assert max(one.attempt for one in attempts if one.task_name == "fetch_columns") == 2
    assert verify_manifest(storage, disturbed["key"]) == []
    assert neutral(storage, disturbed) == neutral(storage, undisturbed)
