"""Runs worth archiving, and everything the ledger knows of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from flowkeep.contracts import ErrorInfo, PauseRequest, Run, RunRef, RunStatus, TaskStatus
from flowkeep.contracts.archive import Bundle
from flowkeep.statestore import Store
from flowkeep.storage import Storage
from tests.statestore.records import TENANT, attempt, close_of, failed, new_id, new_run, ref_of
from tests.statestore.stepping import record_steps, scope_of, step

LATER = datetime(2100, 1, 1, tzinfo=UTC)
BIG = {"text": "x" * 20_000, "list": list(range(2_000))}
ODD = {"text": 'a "quoted", line\n\\N \\x00 ü 🙂', "empty": "", "none": None, "n": 1e-7}
TABLES = ("task", "run_event", "run_segment", "run_pause", "payload_ref", "run_label")


async def ended(store: Store, tenant_id: str = TENANT, **fields: Any) -> Run:
    """Create a run with attempts, a pause, big and odd values, and let it end."""
    values = {
        "labels": {"month": "2026-01", "odd": 'ü"'},
        "arguments": {"a": 1, **ODD},
        "inputs": BIG,
        "owner": "ada",
        **fields,
    }
    run = await store.runs.create(tenant_id, new_run(**values))
    ref = ref_of(run, tenant_id)
    await store.system.record(
        [
            failed(ref, "1", 1),
            attempt(ref, "1", 2, output=ODD, next_retry_at=None),
            attempt(ref, "2", input=BIG, output={"run": str(run.id), "big": "y" * 9_000}),
            attempt(ref, "x/3[1]", task_index=1, timeout_seconds=0.1),
        ]
    )
    await add_steps(store, ref)
    await store.system.set_paused(ref, PauseRequest(paused=True, reason="wait", actor="ada"))
    await store.system.set_paused(ref, PauseRequest(paused=False, actor="bob"))
    return await store.system.close_segment(close_of(ref, RunStatus.SUCCEEDED, outputs=ODD))


async def add_steps(store: Store, ref: RunRef) -> None:
    """Record steps below an activity: small and big results, odd ones, one that failed."""
    scope = scope_of(ref, "2")
    await store.system.open_steps(scope, ref)
    outputs = ('{"z": 1.0, "a": 1e22, "n": "\\u0000"}', '"' + "y" * 9_000 + '"', '"text"', None)
    records = [step(scope, n, output=output) for n, output in enumerate(outputs, 1)]
    records[3] = replace(
        records[3], status=TaskStatus.FAILED, error=ErrorInfo(code="NO", type="No", message="no")
    )
    assert await record_steps(store, records) == set()


async def small(store: Store, number: int, tenant_id: str = TENANT) -> list[Run]:
    """Create ended runs with one attempt each."""
    found = []
    for n in range(number):
        run = await store.runs.create(tenant_id, new_run(workflow_id=f"small-{new_id()}"))
        ref = ref_of(run, tenant_id)
        await store.system.record([attempt(ref)])
        found.append(await store.system.close_segment(close_of(ref, outputs={"n": n})))
    return found


async def publish(store: Store, tenant_id: str = TENANT, **options: Any) -> list[Bundle]:
    """Publish everything that has ended."""
    return list(await store.archive.publish(tenant_id, LATER, **options))


async def archive(store: Store, tenant_id: str = TENANT, **options: Any) -> list[Bundle]:
    """Publish, verify and delete everything that has ended."""
    done = await publish(store, tenant_id, **options)
    for bundle in done:
        await store.archive.verify(tenant_id, bundle.id)
        await store.archive.delete(tenant_id, bundle.id)
    return done


async def rows(store: Store, table: str, where: str = "true", **bound: Any) -> list[dict[str, Any]]:
    """Return rows of a table, in a stable order."""
    async with store.transaction() as tx:
        found = await tx.connection.execute(
            text(f"SELECT t.* FROM flowkeep.{table} AS t WHERE {where} ORDER BY t::text"), bound
        )
        return [dict(row) for row in found.mappings()]


async def everything(store: Store, run_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the tables that belong to a run."""
    found = {"run": await rows(store, "run", "id = :id", id=run_id)}
    for table in TABLES:
        found[table] = await rows(store, table, "run_id = :id", id=run_id)
    found["arguments"] = await rows(
        store, "state_entry", "key = :id OR arguments_of = CAST(:id AS uuid)", id=str(run_id)
    )
    hashes = [row["hash"] for row in found["payload_ref"]]
    found["payload"] = await rows(store, "payload", "hash = ANY(:hashes)", hashes=hashes)
    return found


async def tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the tables that archiving touches."""
    names = ("run", *TABLES, "state_entry", "payload", "run_archive", "archive_pending")
    return {name: await rows(store, name) for name in (*names, "archive_bundle")}


def keys(storage: Storage) -> list[str]:
    """Return the keys of all objects."""
    return sorted(found.key for found in storage.list())


def ids(runs: Iterable[Run]) -> list[UUID]:
    """Return the ids of runs."""
    return sorted(run.id for run in runs)


def of(storage: Storage, bundle: Bundle) -> Sequence[str]:
    """Return the keys of a bundle's objects."""
    return [key for key in keys(storage) if key.startswith(bundle.prefix)]


AGES = timedelta(days=36500)
