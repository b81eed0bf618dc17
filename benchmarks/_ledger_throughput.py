"""How fast runs leave the ledger: a process of its own, so that its peak memory is theirs.

Phases are `archive N` and `retention N`: the N oldest runs of the biggest tenant.
"""

import sys
import time
from collections.abc import Awaitable
from datetime import datetime, timedelta
from os import environ
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from pydantic import SecretStr

from benchmarks._ledger_rows import TENANTS
from benchmarks._support import Child, answer_phases, peak_mib
from flowkeep.settings import DatabaseSettings, Settings, StorageSettings
from flowkeep.statestore import Store, connect

T = TypeVar("T")
TENANT = next(iter(TENANTS))
WARM_UP = 200
_CODE = "from benchmarks._ledger_throughput import main; main()"


async def throughput(url: str, before: datetime, runs: int, folder: Path) -> dict[str, Any]:
    """Return what was measured, by its name in the report.

    Args:
        url: Of the ledger's database.
        before: Only runs created before this time.
        runs: How many are archived, and how many removed.
        folder: Where bundles are stored.
    """
    facts: dict[str, Any] = {}
    for phase in ("archive", "retention"):
        environment = {"LEDGER_URL": url, "LEDGER_ARCHIVE": folder.as_uri()}
        child = await Child.start(_CODE, before.isoformat(), environment=environment)
        try:
            small = await child.measure(f"{phase} {WARM_UP}")
            facts |= await child.measure(f"{phase} {runs}")
            memory = f"{small['peak MiB']:.0f}, then {facts.pop('peak MiB'):.0f}"
            facts[f"{phase}: peak MiB with {WARM_UP} runs, with all"] = memory
        finally:
            await child.stop()
    return facts


async def _timed(call: Awaitable[T]) -> tuple[T, float]:
    began = time.perf_counter()
    found = await call
    return found, time.perf_counter() - began


async def _archive(store: Store, before: datetime, runs: int) -> dict[str, Any]:
    archive = store.archive
    bundles, publishing = await _timed(archive.publish(TENANT, before, limit=runs))
    verifying = deleting = 0.0
    moved = 0
    for bundle in bundles:
        _, seconds = await _timed(archive.verify(TENANT, bundle.id))
        verifying += seconds
        deletion, seconds = await _timed(archive.delete(TENANT, bundle.id))
        deleting += seconds
        moved += deletion.archived
    published = sum(bundle.runs for bundle in bundles)
    if moved != published:
        raise RuntimeError(f"{published} runs were published, {moved} archived")
    return {
        "archive: runs": published,
        "archive: bytes in storage per run": sum(b.bytes for b in bundles) // published,
        "archive: publish, runs/s": published / publishing,
        "archive: verify, runs/s": published / verifying,
        "archive: delete, runs/s": published / deleting,
        "archive: all three, runs/s": published / (publishing + verifying + deleting),
    }


async def _retention(store: Store, before: datetime, runs: int) -> dict[str, Any]:
    """Plan and apply a policy of one day, counted back from where it takes about so many runs."""
    batch = min(runs, 10_000)
    oldest = await store.runs.get_expired_runs_batch(TENANT, before, batch)
    begin = oldest[0].created_at
    now = begin + (oldest[-1].created_at - begin) * (runs / batch) + timedelta(days=1)
    await store.retention.set_policy(TENANT, days=1)
    plan, planning = await _timed(store.retention.plan(TENANT, now=now))
    report, applying = await _timed(store.retention.apply(TENANT, now=now))
    if report.removed != plan.removed:
        raise RuntimeError(f"planned were {plan.removed}, removed {report.removed}")
    return {
        "retention: runs": report.removed.runs,
        "retention: plan, runs/s": report.removed.runs / planning,
        "retention: apply, runs/s": report.removed.runs / applying,
    }


async def _serve() -> None:
    before = datetime.fromisoformat(sys.argv[1])
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(environ["LEDGER_URL"])),
        storage=StorageSettings(archive_url=environ["LEDGER_ARCHIVE"]),
    )
    async with await connect(settings=settings) as store:

        async def measure(phase: str) -> dict[str, Any]:
            name, runs = phase.split()
            run = {"archive": _archive, "retention": _retention}[name]
            return await run(store, before, int(runs)) | {"peak MiB": peak_mib()}

        await answer_phases(measure)


def main() -> None:
    uvloop.run(_serve())
