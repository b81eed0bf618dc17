"""Reindexing: the catalogue of archived runs, made from the bundles alone."""

# ruff: noqa: S608 - only names of our own tables and columns are put into statements

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from flowkeep.contracts.archive import BundleStatus, Reindexing
from flowkeep.errors import Incomplete
from flowkeep.statestore.archive import bundles, objects
from flowkeep.statestore.archive.deleting import ADD_LABELS, OF_RUN
from flowkeep.statestore.archive.manifest import Manifest, load, tenant_folder
from flowkeep.statestore.archive.parts import MANIFEST, RUNS, Part
from flowkeep.statestore.archive.restoring import as_csv
from flowkeep.statestore.archive.threads import in_thread
from flowkeep.statestore.repositories import rollups
from flowkeep.statestore.session import EngineScope, Session
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

_FOUND = "flowkeep_found"
_BUNDLE = """
INSERT INTO {schema}.archive_bundle (id, tenant_id, month, shard, url, prefix, status,
    manifest_sha256, runs, rows, bytes, created_at, published_at, verified_at, deleted_at)
VALUES (:id, :tenant, :month, :shard, :url, :prefix, 'archived', :sha, :runs, :rows, :bytes,
    :created, :created, now(), :created)
ON CONFLICT (id) DO UPDATE SET url = excluded.url, prefix = excluded.prefix, verified_at = now()
WHERE archive_bundle.tenant_id = excluded.tenant_id
"""
# Runs the tables hold and runs that were deleted are not archived, whatever a bundle says.
_LEFT = f"""
SELECT count(*) FILTER (WHERE present) AS present, count(*) FILTER (WHERE deleted) AS deleted
FROM (
    SELECT EXISTS (SELECT FROM {{schema}}.run AS r WHERE r.id = f.id) AS present,
        EXISTS (SELECT FROM {{schema}}.run_tombstone AS t WHERE t.run_id = f.id) AS deleted
    FROM {_FOUND} AS f
) AS known
"""
_NEWER = """
excluded.revision > a.revision OR (excluded.revision = a.revision AND :created >= (
    SELECT b.created_at FROM {schema}.archive_bundle AS b WHERE b.id = a.bundle_id
))
"""
_LINES = f"""
INSERT INTO {{schema}}.run_archive AS a ({", ".join(OF_RUN)}, bundle_id, archived_at)
SELECT {", ".join(OF_RUN)}, :id, :archived FROM {_FOUND} AS f
WHERE NOT EXISTS (SELECT FROM {{schema}}.run AS r WHERE r.id = f.id)
  AND NOT EXISTS (SELECT FROM {{schema}}.run_tombstone AS t WHERE t.run_id = f.id)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in (*OF_RUN[1:], "bundle_id", "archived_at"))}
WHERE a.tenant_id = excluded.tenant_id AND a.bundle_id <> excluded.bundle_id AND ({_NEWER})
"""
_LABELS = ADD_LABELS.format(
    source=f"{_FOUND} AS r",
    where="EXISTS (SELECT FROM {schema}.run_archive AS a WHERE a.id = r.id)",
)
_COUNT = "SELECT count(*) FROM {schema}.run_archive WHERE bundle_id = :id"


async def reindex(scope: EngineScope, storage: Storage, tenant_id: str) -> Reindexing:
    """Rebuild the catalogue of a tenant's archived runs; see the Protocol."""
    folders, unfinished = await asyncio.to_thread(_folders, storage, tenant_id)
    refused: dict[str, str] = {}
    manifests: list[tuple[Manifest, str, str]] = []
    for folder in folders:
        try:
            found, data = await asyncio.to_thread(load, storage, folder)
        except Incomplete as error:
            refused[folder] = error.message
            continue
        if found.tenant == tenant_id:
            manifests.append((found, folder, hashlib.sha256(data).hexdigest()))
    present = deleted = indexed = 0
    for manifest, folder, digest in sorted(manifests, key=lambda one: one[0].created_at):
        try:
            await _refuse_other(scope, manifest, digest)
            runs = await in_thread(partial(_runs, storage, folder, manifest))
        except Incomplete as error:
            refused[folder] = error.message
            continue
        async with scope.write() as session:
            left = await _index(session, storage, folder, manifest, digest, runs)
        present, deleted, indexed = present + left[0], deleted + left[1], indexed + 1
    months = sorted({manifest.month for manifest, _, _ in manifests})
    return Reindexing(
        bundles=indexed,
        runs=await _settle(scope, tenant_id, months),
        present=present,
        deleted=deleted,
        unfinished=unfinished,
        refused=refused,
    )


def _folders(storage: Storage, tenant_id: str) -> tuple[list[str], list[str]]:
    """Return folders of bundles with a manifest, and those without."""
    whole: dict[str, bool] = {}
    for found in storage.list(tenant_folder(tenant_id)):
        folder, _, name = found.key.rpartition("/")
        whole[folder] = whole.get(folder, False) or name == MANIFEST
    return sorted(f for f in whole if whole[f]), sorted(f for f in whole if not whole[f])


async def _refuse_other(scope: EngineScope, manifest: Manifest, digest: str) -> None:
    """Raise where the ledger knows this bundle with another manifest, or as another tenant's."""
    async with scope.read() as session:
        found = await session.execute(
            "SELECT tenant_id, manifest_sha256 FROM {schema}.archive_bundle WHERE id = :id",
            {"id": manifest.bundle},
        )
        row = found.one_or_none()
    if row is not None and (row.tenant_id, row.manifest_sha256 or digest) != (
        manifest.tenant,
        digest,
    ):
        raise Incomplete(f"the ledger knows bundle {manifest.bundle} with another manifest")


def _runs(storage: Storage, folder: str, manifest: Manifest, stop: threading.Event) -> "pa.Table":
    """Check a bundle whole and return the summary columns of its runs."""
    import pyarrow.parquet as pq

    found: list[pa.Table] = []

    def keep(part: Part, file: IO[bytes]) -> None:
        with file:
            if part is RUNS:
                found.append(pq.read_table(file, columns=list(OF_RUN)))

    objects.check_parts(storage, folder, manifest, stop, keep)
    return found[0]


async def _index(
    session: Session,
    storage: Storage,
    folder: str,
    manifest: Manifest,
    digest: str,
    runs: "pa.Table",
) -> tuple[int, int]:
    """Write the lines of one bundle; returns how many runs are present and how many deleted."""
    bound: dict[str, Any] = {
        "id": manifest.bundle,
        "tenant": manifest.tenant,
        "month": manifest.month,
        "shard": manifest.shard,
        "url": storage.url,
        "prefix": folder,
        "sha": digest,
        "runs": manifest.runs,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "created": manifest.created_at,
    }
    await bundles.pass_catalogue(session, manifest.tenant, alone=True)
    await session.execute(_BUNDLE, bound)
    columns = ", ".join(f'"{name}"' for name in OF_RUN)
    await session.execute(
        f"CREATE TEMPORARY TABLE {_FOUND} ON COMMIT DROP AS"
        f" SELECT {columns} FROM {{schema}}.run_archive WITH NO DATA"
    )
    driver = await session.driver()
    copy = f"COPY {_FOUND} ({columns}) FROM STDIN (FORMAT csv)"
    async with driver.cursor() as cursor, cursor.copy(copy) as target:
        await target.write(as_csv(runs.select(list(OF_RUN))))
    left = (await session.execute(_LEFT)).one()
    times = {"id": manifest.bundle, "archived": manifest.created_at, "created": manifest.created_at}
    await session.execute(_LINES, times)
    await session.execute(_LABELS)
    return int(left.present), int(left.deleted)


async def _settle(scope: EngineScope, tenant_id: str, months: list[date]) -> int:
    """Say of each bundle whether runs need it, and count archived runs for statistics."""
    async with scope.write() as session:
        await session.execute(
            "UPDATE {schema}.archive_bundle AS b SET status = CASE WHEN EXISTS ("
            " SELECT FROM {schema}.run_archive AS a WHERE a.bundle_id = b.id)"
            f" THEN 'archived' ELSE '{BundleStatus.RESTORED}' END"
            " WHERE tenant_id = :tenant AND status IN ('archived', 'restored')",
            {"tenant": tenant_id},
        )
        counted = await session.execute(
            "SELECT count(*) FROM {schema}.run_archive AS a JOIN {schema}.archive_bundle AS b"
            " ON b.id = a.bundle_id WHERE b.tenant_id = :tenant",
            {"tenant": tenant_id},
        )
        runs = int(counted.scalar_one())
    for begin in (day for month in months for day in _days(month)):
        # A day at a time: nobody waits long, and no statement counts millions of runs.
        async with scope.write() as session:
            await rollups.pass_gate(session, alone=True)
            await rollups.recount(session, [(tenant_id, begin, begin + timedelta(days=1))])
    return runs


def _days(month: date) -> Iterator[datetime]:
    day = datetime(month.year, month.month, 1, tzinfo=UTC)
    while day.month == month.month:
        yield day
        day += timedelta(days=1)
