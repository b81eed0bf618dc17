"""Query logs while workers are killed: nothing is lost, nothing counted twice."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks._statements import SEARCH_PATH, executions, shapes
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from tests.extraction.logs.query_flows import ReadLogs
from tests.extraction.logs.truth import Outcome, keys_of, store_catalogue, write_log
from tests.support import eventually

pytestmark = pytest.mark.slow

SHORT, LONG = 3_000, 2_000_000
"""Statements of the generated log; the long form comes with `--fault-points` above 2."""


@dataclass
class Stage:
    """A client, and workers in processes of their own."""

    client: WorkflowClient
    environment: dict[str, str]
    worker: asyncio.subprocess.Process | None = None

    async def start_worker(self) -> None:
        """Start a worker process."""
        self.worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.extraction.logs.worker_program", env=self.environment
        )

    async def kill_worker(self) -> None:
        """Kill it as the kernel would."""
        assert self.worker is not None
        self.worker.kill()
        await self.worker.wait()


@pytest.fixture
async def stage(settings: Settings, task_queue: str) -> AsyncIterator[Stage]:
    """The client, and what workers need to know."""
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
    async with await WorkflowClient.connect(settings) as client:
        stage = Stage(client, environment)
        yield stage
        if stage.worker is not None and stage.worker.returncode is None:
            await stage.kill_worker()


def steps_done(storage: Storage, run_id: Any) -> int:
    """How many steps of a run have left what they make."""
    prefix = f"default/default/ReadLogs/{run_id}"
    receipts = len(list(storage.list(f"{prefix}/raw/receipt")))
    return receipts + sum(
        len(list(storage.list(f"{prefix}/work/{name}"))) for name in ("windows", "edges")
    )


@pytest.mark.timeout(3_600)
async def test_kills_change_nothing(
    stage: Stage, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """However often its worker is killed, a run ends with the counts that are true."""
    points: int = request.config.getoption("--fault-points")
    count = LONG if points > 2 else SHORT
    storage = Storage(stage.environment["FLOWKEEP_STORAGE_URL"])
    catalogue = store_catalogue(storage, ("shop",), "default")
    folder = tmp_path / "log"
    folder.mkdir()
    source = executions(count, seed=11, shapes=shapes(), days=2)
    write_log(folder / "postgresql.json", source)
    logs = {
        "source": "jsonlog",
        "options": {
            "location": str(folder),
            "server": "postgres://db:5432",
            "window_bytes": 80_000_000 if count == LONG else 250_000,
        },
        "search_path": list(SEARCH_PATH),
        "catalogue": catalogue,
        "bucket_rows": 250_000 if count == LONG else 2_000,
        "concurrency": 2,
    }
    await stage.start_worker()
    handle = await stage.client.start_workflow({"logs": logs}, workflow_class=ReadLogs)
    draw = random.Random(11)
    for _ in range(points if points > 2 else 1):
        before = steps_done(storage, handle.run_id)

        async def has_moved(least: int = before + draw.randint(1, 2)) -> None:
            done = steps_done(storage, handle.run_id)
            run = await handle.run()
            assert done >= least or run.status.terminal

        await eventually(has_moved, timeout=900)
        await stage.kill_worker()
        await stage.start_worker()
    result = await handle.result()
    manifest = read_manifest(storage, result["key"])
    assert verify_manifest(storage, result["key"]) == []
    Outcome(storage, [manifest]).check(source.truth, keys_of(source))
