"""Kill -9 of worker, source and storage at random points: the result is that of a calm run.

One point each; `--fault-points 10` for more.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import orjson
import pytest
from pydantic import SecretStr

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.local_engine import LocalEngine
from flowkeep.local_engine.files import private_folder
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.settings import Settings, StorageSettings
from flowkeep.storage import Storage
from tests.extraction.flows import Parted
from tests.extraction.object_store import ObjectStore
from tests.extraction.support import run
from tests.support import eventually

pytestmark = pytest.mark.slow

MAKE_OBJECTS = """
DO $$ BEGIN FOR t IN 1..700 LOOP
    EXECUTE format('CREATE TABLE t%s (a integer PRIMARY KEY, b text NOT NULL DEFAULT %L, c numeric,
        d date, e text, f text, g text, h text, i text, j integer REFERENCES t1, k serial)', t, t);
    EXECUTE format('COMMENT ON TABLE t%s IS %L', t, repeat('table ', 20));
    COMMIT;
END LOOP; END $$
"""


@dataclass
class Stage:
    """Everything that takes part, each of it in a process of its own.

    Attributes:
        client: Starts runs.
        source: The server that is extracted.
        store: The object store.
        environment: Of the workers.
        worker: The worker that serves now.
        expected: Manifest of an undisturbed run, without what differs between runs.
        raw: Raw parts of an undisturbed run.
        parts: All of its parts.
    """

    client: WorkflowClient
    source: PostgresServer
    store: ObjectStore
    environment: dict[str, str]
    worker: asyncio.subprocess.Process | None = None
    expected: Any = None
    raw: int = 0
    parts: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def storage(self) -> Storage:
        """The storage, as a client of its own sees it."""
        return Storage(self.store.url)

    async def start_worker(self) -> None:
        """Start a worker process."""
        self.worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.extraction.parts_worker", env=self.environment
        )

    async def kill_worker(self) -> None:
        """Kill it and start the next one."""
        assert self.worker is not None
        self.worker.kill()
        await self.worker.wait()
        await self.start_worker()

    async def kill_source(self) -> None:
        """Kill the server that is extracted, as a crash would, and start it again."""
        self.source.kill()
        await self.source.wait()
        await self.source.start()

    async def kill_storage(self) -> None:
        """Kill the object store and start it again, with its data."""
        await self.store.kill()
        await self.store.start()

    async def start(self) -> RunHandle:
        """Start a run."""
        return await self.client.start_workflow(self.arguments, workflow_class=Parted)

    def stored(self, handle: RunHandle) -> Counter[str]:
        """How often each part of a run was stored."""
        found = self.store.stored(f"default/default/Parted/{handle.run_id}/")
        parts = {key: times for key, times in found.items() if "/part-" in key}
        return Counter({key: times for key, times in parts.items() if "/changes/" not in key})

    def neutral(self, found: dict[str, Any]) -> Any:
        """The manifest of a run without what may differ between two runs."""
        manifest = orjson.loads(self.storage.get(found["key"]))
        for scope in manifest["scopes"]:
            del scope["snapshot"], scope["taken_at"], scope["taken_until"], scope["diff"]
            for part in scope["assets"]["parts"]:  # entities name their run, so the file differs
                del part["sha256"], part["bytes"]
        del manifest["created_at"], manifest["diff"], manifest["inputs"]
        return orjson.loads(orjson.dumps(manifest).replace(manifest["run_id"].encode(), b"RUN"))


@pytest.fixture(scope="module")
async def stage(
    engine: LocalEngine, ledger_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Processes that are up, and what two undisturbed runs gave."""
    folder: Path = tmp_path_factory.mktemp("kills")
    private_folder(folder / "source")
    private_folder(folder / "source" / "logs")
    source = PostgresServer(folder / "source")
    store = ObjectStore(folder / "store")
    await source.start()
    await store.start()
    await asyncio.to_thread(run, source.url(), MAKE_OBJECTS)
    ledger = await engine.create_database("kills", template=ledger_template)
    settings = _settings(engine, ledger, store.url)
    async with await WorkflowClient.connect(settings) as client:
        stage = Stage(client, source, store, _environment(settings))
        stage.arguments = {
            "credentials": {"url": source.url()},
            "metadata": {"part_rows": 1000, "namespace": "postgres://calm"},
        }
        await stage.start_worker()
        try:
            handle = await stage.start()
            stage.expected = stage.neutral(await handle.result())
            parts = stage.stored(handle)
            assert set(parts.values()) == {1}
            stage.parts = len(parts)
            stage.raw = sum("/raw/" in key for key in parts)
            yield stage
        finally:
            if stage.worker is not None:
                stage.worker.kill()
                await stage.worker.wait()
            await store.kill()
            await source.stop()


def _settings(engine: LocalEngine, ledger: str, storage: str) -> Settings:
    settings = engine.settings()
    return settings.model_copy(
        update={
            "worker": settings.worker.model_copy(update={"task_queue": "kills"}),
            "database": settings.database.model_copy(update={"url": SecretStr(ledger)}),
            "storage": StorageSettings(url=storage),
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    assert settings.database.secret_key is not None
    return {
        **os.environ,
        "FLOWKEEP_DATABASE_URL": settings.database_url(),
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
        "FLOWKEEP_TASK_QUEUE": settings.worker.task_queue,
        "TEMPORAL_ADDRESS": settings.temporal.address or "",
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask for as many points as the command line says."""
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", range(metafunc.config.getoption("--fault-points")))


KILLS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "worker": Stage.kill_worker,
    "source": Stage.kill_source,
    "storage": Stage.kill_storage,
}


@pytest.mark.parametrize("what", KILLS)
async def test_a_killed_process_changes_nothing(stage: Stage, what: str, point: int) -> None:
    """Equal manifests, at most one part made again per task, and a next diff without changes."""
    assert stage.raw > 10
    reads = stage.raw - 2 if what == "source" else stage.parts - 2
    kill_at = Random(f"{what} {point}").randint(1, reads)
    handle = await stage.start()

    def far_enough() -> None:
        stored = stage.stored(handle)
        counted = [key for key in stored if what != "source" or "/raw/" in key]
        assert len(counted) >= kill_at

    await eventually(far_enough, timeout=60, interval=0.002)
    await KILLS[what](stage)
    found = cast("dict[str, Any]", await handle.result())
    stored = stage.stored(handle)
    storage = stage.storage
    assert verify_manifest(storage, found["key"]) == []
    assert stage.neutral(found) == stage.expected
    assert len(stored) == stage.parts
    assert _repeated_units(stored) <= 1
    attempts = await stage.client.store.tasks.list_attempts("default", handle.run_id, limit=100)
    if what == "worker":
        assert max(one.attempt for one in attempts) > 1
    again = cast("dict[str, Any]", await (await stage.start()).result())
    for diff in (found["diff"], again["diff"]):
        assert diff["base_run_id"] is not None
        changes = ("added", "changed", "removed", "withheld", "unknown")
        assert [diff[name] for name in changes] == [0] * len(changes)
    assert again["diff"]["base_run_id"] == str(handle.run_id)


def _repeated_units(stored: Counter[str]) -> int:
    """Most units that one task made again: raw parts, or raw parts whose assets were."""
    units = Counter(
        (key.rpartition("/")[0], times)
        for key, times in {
            key.removesuffix(".jsonl.zst").removesuffix(".parquet"): times
            for key, times in stored.items()
            if times > 1
        }.items()
    )
    per_task: Counter[str] = Counter()
    for (folder, times), count in units.items():
        per_task[folder] += count * (times - 1)
    return max(per_task.values(), default=0)
