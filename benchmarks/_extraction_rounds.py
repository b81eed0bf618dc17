"""The variants of the extraction benchmark, each measured once per round."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from benchmarks._datahub import DataHub
from benchmarks._raw_copy import copy_statements, raw_copy
from benchmarks._source_server import EMPTY, SourceServer
from benchmarks._support import Child, cpu_seconds
from flowkeep import WorkflowClient
from flowkeep.extraction.sources.postgresql import PostgreSQLSource
from flowkeep.local_engine import LocalEngine
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

CHILD = "from benchmarks._extraction_worker import main; main()"
WORKFLOW = BaseSQLMetadataExtractionWorkflow

COPY = "raw COPY, all kinds"
START = "worker's start"
COLD = "empty database, worker's first run"
FIXED = "empty database: fixed overhead"
WHOLE = "whole workflow"
AGAIN = "again, with the diff"
PEER_FIXED = "DataHub, empty database"
PEER = "DataHub, file sink"

Figure = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A database that is extracted.

    Attributes:
        name: Its name.
        url: Its URL.
    """

    name: str
    url: str


def kinds_with_statements() -> list[str]:
    """Return the kinds that the workflow fetches from PostgreSQL."""
    return [kind for kind in WORKFLOW.fetches.values() if kind in PostgreSQLSource.statements]


class Rounds:
    """Measures variants; a call of a method is one fresh process of its variant.

    Args:
        source: The server that is extracted.
        engine: Temporal and the ledger.
        client: Starts the runs.
        peer: DataHub, if it is to be measured.
    """

    def __init__(
        self,
        source: SourceServer,
        engine: LocalEngine,
        client: WorkflowClient,
        peer: DataHub | None,
    ) -> None:
        self._source = source
        self._engine = engine
        self._client = client
        self._peer = peer
        self._empty = Target(EMPTY, source.url(EMPTY))

    @property
    def has_peer(self) -> bool:
        return self._peer is not None

    async def copy(self, target: Target) -> dict[str, Figure]:
        """Measure the floor: `psql` runs the statements of all kinds to the null device."""
        statements = await asyncio.to_thread(copy_statements, target.url, kinds_with_statements())
        before = self._source.log_length()
        seconds = await asyncio.to_thread(raw_copy, target.url, statements)
        return {COPY: {"seconds": seconds, **self._sent(target, before)}}

    async def datahub(self, target: Target) -> dict[str, Figure]:
        """Measure DataHub's process from start to end, on this and on an empty database."""
        assert self._peer is not None
        figures = {}
        for variant, one in ((PEER_FIXED, self._empty), (PEER, target)):
            before = self._source.log_length()
            figures[variant] = dict(await asyncio.to_thread(self._peer.ingest, one.url))
            figures[variant] |= self._sent(one, before)
        return figures

    async def flowkeep(self, target: Target) -> dict[str, Figure]:
        """Measure a worker's start and its runs: twice on an empty database, twice on this one.

        The first run pays for imports that a worker makes once. Runs are timed by their caller,
        from the start to the result. A tenant of its own keeps a round from being compared with
        the one before; only the last run finds an earlier one to compare with.
        """
        queue = f"extraction-{uuid4().hex}"
        begin = time.perf_counter()
        worker = await Child.start(CHILD, queue, environment=self._environment())
        figures: dict[str, Figure] = {START: {"seconds": time.perf_counter() - begin}}
        tenant = uuid4().hex
        try:
            for variant, one in (
                (COLD, self._empty),
                (FIXED, self._empty),
                (WHOLE, target),
                (AGAIN, target),
            ):
                figures[variant] = await self._run(one, queue, tenant, worker)
        finally:
            await worker.stop()
            folder = self._engine.folder / "storage" / tenant
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return figures

    async def _run(self, target: Target, queue: str, tenant: str, worker: Child) -> Figure:
        logged, cpu = self._source.log_length(), self._cpu(worker)
        begin = time.perf_counter()
        handle = await self._client.start_workflow(
            {"credentials": {"url": target.url}},
            WORKFLOW,
            task_queue=queue,
            tenant_id=tenant,
            triggered_from="benchmark",
        )
        result = await handle.result()
        seconds = time.perf_counter() - begin
        diff = result["diff"]
        return {
            "seconds": seconds,
            "peak_mib": await worker.measure("peak"),
            "rows": sum(result["counts"].values()),
            "counts": result["counts"],
            "bytes": result["total_bytes"],
            "files": result["parts"],
            "unchanged": diff["unchanged"] if diff else None,
            **self._sent(target, logged),
            "cpu": {name: taken - cpu[name] for name, taken in self._cpu(worker).items()},
        }

    def _sent(self, target: Target, since: int) -> Figure:
        """Return how many statements the server logged, and which of them were COPY."""
        statements, copies = 0, []
        for statement in self._source.statements(target.name, since):
            statements += 1
            if statement.startswith("COPY "):
                copies.append(statement)
        return {"statements": statements, "copies": sorted(copies)}

    def _cpu(self, worker: Child) -> dict[str, float]:
        """Return the processor seconds of everybody who takes part, but the caller."""
        engine = self._engine.servers()
        pids = {
            "worker": worker.pid,
            "Temporal": engine["Temporal"].pid,
            "ledger": engine["PostgreSQL"].pid,
            "source": self._source.pid,
        }
        return {name: cpu_seconds(pid) for name, pid in pids.items() if pid is not None}

    def _environment(self) -> dict[str, str]:
        settings = self._engine.settings()
        secret_key = settings.database.secret_key
        assert secret_key is not None
        return {
            "TEMPORAL_ADDRESS": self._engine.temporal_address,
            "FLOWKEEP_DATABASE_URL": self._engine.database_url,
            "FLOWKEEP_SECRET_KEY": secret_key.get_secret_value(),
            "FLOWKEEP_STORAGE_URL": settings.storage.url,
            # Bytecode is kept, as it is of an installed DataHub, and leaves nothing behind.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self._engine.folder / "bytecode"),
        }
