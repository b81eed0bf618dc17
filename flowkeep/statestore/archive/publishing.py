"""Publishing: runs become a bundle in object storage; the tables keep them."""

# ruff: noqa: S608 - only constants of ours are put into statements

import asyncio
import contextlib
import hashlib
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import uuid_utils.compat

from flowkeep.contracts.archive import Bundle, BundleStatus
from flowkeep.errors import Conflict, LedgerUnavailable
from flowkeep.statestore import migrate
from flowkeep.statestore.archive import bundles
from flowkeep.statestore.archive.choice import Position, Scope, choose, next_month
from flowkeep.statestore.archive.copying import write_part
from flowkeep.statestore.archive.manifest import SCHEMA, Manifest, PartFacts, row_set
from flowkeep.statestore.archive.parts import CHOSEN, MANIFEST, PARTS, RUNS, Part
from flowkeep.statestore.archive.threads import in_thread, together
from flowkeep.statestore.session import EngineScope, Session
from flowkeep.storage import Storage

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

# One snapshot for all parts. Uploads happen inside, so the time limits that guard short
# transactions do not fit.
_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL statement_timeout = '15min'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
)
_PATIENCE = 1.0
"""Seconds a second connection is waited for: who holds one and waits for another must not block."""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('flowkeep archive ' || :tenant, 0))"


async def publish_next(
    scope: EngineScope, storage: Storage, wanted: Scope, after: Position | None, most: int
) -> tuple[Bundle, Position] | None:
    """Publish one bundle of the oldest runs that can be, or return None when there are none.

    Args:
        scope: Where sessions come from.
        storage: Where bundles lie.
        wanted: Which runs.
        after: Where the bundle before ended.
        most: Most runs in it, chunks not counted.

    Raises:
        Conflict: If another process publishes runs of the same tenant.
        SourceUnavailable: If the storage is away; the bundle's leftovers go with the next call.
    """
    async with scope.read() as session:
        month = await next_month(session, wanted, after)
    if month is None:
        return None
    async with scope.write() as session:
        bundle = await bundles.announce(
            session, uuid_utils.compat.uuid7(), wanted.tenant_id, month, storage
        )
    published = None
    try:
        async with scope.write() as session:
            for statement in _BEGIN:
                await session.execute(statement)
            await _alone(session, storage, bundle)
            runs, position = await choose(session, wanted, month, after, most)
            if position is not None:
                published = await _write(scope, session, storage, bundle, runs)
                return published, position
    finally:
        if published is None:  # nothing to publish after all, or an error: leave no trace
            await _give_up(scope, storage, bundle)
    return None


async def clear(scope: EngineScope, storage: Storage, tenant_id: str) -> int:
    """Remove what unfinished publishes of a tenant left; returns how many there were."""
    async with scope.write() as session:
        await session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await _lock(session, tenant_id)
        return await _clear(session, storage, tenant_id, None)


async def discard(scope: EngineScope, storage: Storage, tenant_id: str, bundle_id: UUID) -> None:
    """Remove a bundle that no archived run needs; see the Protocol."""
    async with scope.write() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, lock=True, write=True)
        if bundle.status is BundleStatus.PUBLISHING:
            await _lock(session, tenant_id)
        bundles.require(
            bundle,
            "discarded",
            "finish the deletion first: repeat `archive delete`",
            *(set(BundleStatus) - {BundleStatus.DELETING}),
        )
        needed = await session.execute(
            "SELECT 1 FROM {schema}.run_archive WHERE bundle_id = :bundle LIMIT 1",
            {"bundle": bundle.id},
        )
        if needed.first() is not None:
            raise Conflict(f"archived runs lie in bundle {bundle.id}", hint="restore them first")
        # From here on it is what an unfinished publish leaves, so a crash loses nothing.
        bundle = await bundles.move(session, bundle, BundleStatus.PUBLISHING)
    await asyncio.to_thread(bundles.remove_objects, storage, bundle.prefix)
    async with scope.write() as session:
        await bundles.forget(session, bundle.id)


async def _alone(session: Session, storage: Storage, bundle: Bundle) -> None:
    await _lock(session, bundle.tenant_id)
    await _clear(session, storage, bundle.tenant_id, bundle)


async def _lock(session: Session, tenant_id: str) -> None:
    locked = await session.execute(_LOCK, {"tenant": tenant_id})
    if not locked.scalar_one():
        raise Conflict(
            f"another process publishes runs of tenant {tenant_id!r}",
            hint="wait for it; one process at a time uses the storage best",
        )


async def _clear(session: Session, storage: Storage, tenant_id: str, own: Bundle | None) -> int:
    """Remove unfinished bundles; the lock says that nobody is at work on them."""
    found = await session.execute(
        "SELECT id, prefix FROM {schema}.archive_bundle"
        " WHERE tenant_id = :tenant AND status = 'publishing' ORDER BY created_at, id",
        {"tenant": tenant_id},
    )
    left = [row for row in found if own is None or row.id != own.id]
    for row in left:
        await asyncio.to_thread(bundles.remove_objects, storage, row.prefix)
        await bundles.forget(session, row.id)
    return len(left)


async def _give_up(scope: EngineScope, storage: Storage, bundle: Bundle) -> None:
    """Take back what this process began; where that fails, the next publish does it."""
    try:
        await asyncio.to_thread(bundles.remove_objects, storage, bundle.prefix)
        async with scope.write() as session:
            await bundles.forget(session, bundle.id)
    except Exception:  # noqa: BLE001, S110 - the error that led here is the one to tell
        pass


async def _write(
    scope: EngineScope, session: Session, storage: Storage, bundle: Bundle, runs: int
) -> Bundle:
    """Write all parts, then the manifest, and say in the ledger what was published."""
    left, facts = deque(PARTS), dict[str, PartFacts]()
    async with contextlib.AsyncExitStack() as stack:
        sessions = [session, *await _helper(stack, scope, session)]
        digests = await together(
            *(_parts(one, storage, bundle.prefix, left, facts) for one in sessions)
        )
    assert facts[RUNS.name].rows == runs
    manifest = Manifest(
        schema=SCHEMA,
        bundle=bundle.id,
        tenant=bundle.tenant_id,
        month=bundle.month,
        shard=bundle.shard,
        runs=runs,
        row_set="".join(digests),
        parts={part.name: facts[part.name] for part in PARTS},
        flowkeep=version("flowkeep"),
        migration=migrate.head(),
        created_at=datetime.now(UTC),
    )
    data = manifest.to_bytes()
    await asyncio.to_thread(storage.put, f"{bundle.prefix}/{MANIFEST}", data)
    await session.execute(
        "INSERT INTO {schema}.archive_pending (run_id, bundle_id)"
        f" SELECT id, :bundle FROM {CHOSEN}",
        {"bundle": bundle.id},
    )
    return await bundles.move(
        session,
        bundle,
        BundleStatus.PUBLISHED,
        "published_at",
        manifest_sha256=hashlib.sha256(data).hexdigest(),
        runs=manifest.runs,
        rows=manifest.rows,
        bytes=manifest.bytes,
    )


async def _helper(
    stack: contextlib.AsyncExitStack, scope: EngineScope, session: Session
) -> Sequence[Session]:
    """Return a second session that sees what the first one sees, if a connection is free."""
    if scope.connections() < 2:
        return ()
    snapshot = (await session.execute("SELECT pg_export_snapshot()")).scalar_one()
    try:
        async with asyncio.timeout(_PATIENCE):
            other = await stack.enter_async_context(scope.write())
    except (TimeoutError, LedgerUnavailable):
        return ()
    for statement in (*_BEGIN, f"SET TRANSACTION SNAPSHOT '{snapshot}'"):
        await other.execute(statement)
    await other.execute(
        f"CREATE TEMPORARY TABLE {CHOSEN}"
        " (id uuid, family uuid, tenant_id text, created_at timestamptz) ON COMMIT DROP"
    )
    driver, helper = await session.driver(), await other.driver()
    async with (
        driver.cursor() as source,
        helper.cursor() as target,
        source.copy(f"COPY {CHOSEN} TO STDOUT (FORMAT binary)") as rows,
        target.copy(f"COPY {CHOSEN} FROM STDIN (FORMAT binary)") as copied,
    ):
        async for block in rows:
            await copied.write(block)
    await other.execute(f"ANALYZE {CHOSEN}")
    return (other,)


async def _parts(
    session: Session,
    storage: Storage,
    prefix: str,
    left: deque[Part],
    facts: dict[str, PartFacts],
) -> str:
    """Write and upload parts as long as there are some left; returns the hash of the runs.

    Args:
        session: Sees the chosen runs.
        storage: Where bundles lie.
        prefix: The bundle's folder.
        left: Parts that nobody writes yet.
        facts: Takes what the manifest says of each.
    """
    pgconn = (await session.driver()).pgconn
    return await in_thread(
        partial(_store, pgconn, f'"{session.schema_name}"', storage, prefix, left, facts)
    )


def _store(
    pgconn: "PGconn",
    schema: str,
    storage: Storage,
    prefix: str,
    left: deque[Part],
    facts: dict[str, PartFacts],
    stop: threading.Event,
) -> str:
    digest = ""
    with tempfile.TemporaryDirectory(prefix="flowkeep-archive-") as folder:
        while not stop.is_set():
            try:
                part = left.popleft()
            except IndexError:  # nothing is left; to look first would race the other session
                break
            path = Path(folder) / part.file
            facts[part.name] = write_part(pgconn, part, schema, path, stop)
            if part is RUNS:
                digest = _row_set(path)
            with path.open("rb") as file:
                storage.upload(f"{prefix}/{part.file}", file)
            path.unlink()
    return digest


def _row_set(path: Path) -> str:
    import pyarrow.parquet as pq

    return row_set(pq.read_table(path, columns=["id", "revision", "seal"]))
