"""One erasure of a tenant: everything that is its own, in every table and in object storage."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from flowkeep.contracts.erasure import Erased
from flowkeep.statestore.repositories import erasure_checks as checks
from flowkeep.statestore.repositories import holds, rollups, tombstones
from flowkeep.statestore.repositories.large_removal import FOLDER, has_objects
from flowkeep.statestore.repositories.removal import remove
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import metadata
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment

_KINDS = ("run", "chunk")

# No index of these begins with the tenant: their rows go with the runs they belong to.
_OF_RUNS = ("task", "run_event", "run_segment", "run_pause")
_WITH_RUNS = (*_OF_RUNS, "step_scope", "task_log", "run", "run_tombstone")
# References between rows, and counts that change while runs leave.
_UNCOUNTED = ("payload_ref", "run_rollup", "large_payload_need", "large_payload_chunk")

_BATCH = """
SELECT id, created_at, status IN ('pending', 'running', 'waiting') AS open,
       COALESCE(hold_until > now(), false) AS held
FROM {schema}.run
WHERE tenant_id = :tenant AND kind = '{kind}'{behind}
ORDER BY created_at, id LIMIT :rows{lock}
"""
_ARCHIVED = """
DELETE FROM {schema}.run_archive WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.run_archive
    WHERE tenant_id = :tenant AND kind = '{kind}' ORDER BY created_at, id LIMIT :rows
)) RETURNING id
"""
_BUNDLES = """
SELECT id, created_at, prefix FROM {schema}.archive_bundle
WHERE tenant_id = :tenant{behind} ORDER BY created_at, id LIMIT :rows
"""
_BUNDLES_GONE = "DELETE FROM {schema}.archive_bundle WHERE id = ANY(CAST(:ids AS uuid[]))"
_PENDING = "DELETE FROM {schema}.archive_pending WHERE bundle_id = ANY(CAST(:ids AS uuid[]))"
_BUNDLES_AT_ONCE = 10
_REST = """
DELETE FROM {schema}.{table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.{table} WHERE tenant_id = :tenant LIMIT :rows
))
"""
_COUNT = "SELECT count(*) FROM {schema}.{table} WHERE tenant_id = :tenant"
_COUNT_OF_RUNS = "SELECT count(*) FROM {schema}.{table} WHERE run_id = ANY(CAST(:ids AS uuid[]))"


class Erasing:
    """Takes a tenant away, batch by batch; stopped anywhere, another one does the rest.

    Args:
        scope: Where sessions come from.
        tenant: The tenant.
        rows: Rows per transaction.
        archive: Where bundles of archived runs lie.
        files: Where runs stored files; None leaves them alone.
        contents: Where objects of large payloads lie.
        force: Whether open runs go too.
        despite_hold: Whether runs under a legal hold go too.
        on_progress: Called after each transaction with what is gone so far.
    """

    def __init__(
        self,
        scope: Scope,
        tenant: str,
        rows: int,
        *,
        archive: Storage,
        files: Storage | None,
        contents: Storage,
        force: bool,
        despite_hold: bool,
        on_progress: Callable[[Erased], None] | None,
    ) -> None:
        self._scope = scope
        self._tenant = tenant
        self._rows = rows
        self._force = force
        self._despite_hold = despite_hold
        self._on_progress = on_progress
        self._archive = archive
        self._files = files
        self._contents = contents
        self._file_folder = safe_segment(tenant)
        self._gone: Counter[str] = Counter()
        self._objects = self._stored = 0

    @property
    def erased(self) -> Erased:
        """What is gone so far, or what would go."""
        rows = {table: count for table, count in sorted(self._gone.items()) if count}
        return Erased(tenant_id=self._tenant, rows=rows, objects=self._objects, files=self._stored)

    async def check(self) -> None:
        """Refuse before anything is changed.

        Raises:
            Conflict: If runs are open or held, or the object storage is not this tenant's alone.
        """
        if self._files is not None:
            checks.files_apart(self._tenant, self._files, self._file_folder, self._archive)
        async with self._scope.read() as session:
            await checks.bundles_here(session, self._tenant, self._archive)
            if not self._force:
                await checks.none_open(session, self._tenant)
            if self._despite_hold:
                return
            await checks.no_policy_holds(session, self._tenant)
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                checks.refuse_held(self._tenant, page)

    async def count(self) -> None:
        """Count what `erase` would remove."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                await self._count_runs([row["id"] for row in page])
        async with self._scope.read() as session:
            for table in _rest():
                if table not in _UNCOUNTED:
                    found = await session.execute(
                        _COUNT.replace("{table}", table), {"tenant": self._tenant}
                    )
                    self._gone[table] += found.scalar_one()
        async for bundles in self._bundles():
            for bundle in bundles:
                self._objects += await asyncio.to_thread(
                    _count_objects, self._archive, bundle["prefix"]
                )
        for storage, folder in await self._folders():
            self._stored += await asyncio.to_thread(_count_objects, storage, folder)

    async def erase(self) -> None:
        """Remove everything: runs first, then the archive, then what is left."""
        for kind in _KINDS:
            while await self._erase_runs(kind):
                self._tell()
            while await self._erase_archived(kind):
                self._tell()
        while await self._erase_bundles():
            self._tell()
        for storage, folder in await self._folders():  # rows tell where objects lie
            self._stored += await asyncio.to_thread(storage.delete_folder, folder)
        for table in _rest():
            while await self._erase_rest(table):
                self._tell()
        self._tell()

    async def _folders(self) -> list[tuple[Storage, str]]:
        """Return where objects lie that no bundle holds."""
        folders = [] if self._files is None else [(self._files, self._file_folder)]
        async with self._scope.read() as session:
            if await has_objects(session, self._tenant):
                folders.append((self._contents, f"{FOLDER}/{self._file_folder}"))
        return folders

    async def _count_runs(self, ids: Sequence[UUID]) -> None:
        self._gone["run"] += len(ids)
        async with self._scope.read() as session:
            for table in _OF_RUNS:
                found = await session.execute(
                    _COUNT_OF_RUNS.replace("{table}", table), {"ids": list(ids)}
                )
                self._gone[table] += found.scalar_one()
        self._tell()

    async def _erase_runs(self, kind: str) -> int:
        async with self._scope.write() as session:
            await self._keep_holds(session)
            page = await self._page(session, kind, None, lock=True)
            if not self._force:
                checks.refuse_open(self._tenant, [row["id"] for row in page if row["open"]])
            if not self._despite_hold:
                checks.refuse_held(self._tenant, page)
            ids = [row["id"] for row in page]
            removed = await remove(session, self._tenant, ids)
            await tombstones.write(session, self._tenant, ids)
        for table, count in {
            "run": removed.runs,
            "task": removed.tasks,
            "run_event": removed.events,
            "run_segment": removed.segments,
            "run_pause": removed.pauses,
            "run_label": removed.labels,
            "state_entry": removed.arguments,
            "payload": removed.payloads,
            "secret": removed.secrets,
        }.items():
            self._gone[table] += count
        return len(page)

    async def _erase_archived(self, kind: str) -> int:
        where = {"tenant": self._tenant, "rows": self._rows}
        statement = _ARCHIVED.replace("{kind}", kind)
        async with self._scope.write() as session:
            await self._keep_holds(session)
            ids = (await session.execute(statement, where)).scalars().all()
            await tombstones.write(session, self._tenant, ids)
        self._gone["run_archive"] += len(ids)
        return len(ids)

    async def _erase_bundles(self) -> int:
        """Delete the objects of some bundles, then their rows, which tell where objects lie."""
        async with self._scope.read() as session:
            bundles = await self._bundle_page(session, None)
        for bundle in bundles:
            self._objects += await asyncio.to_thread(self._archive.delete_folder, bundle["prefix"])
        where = {"ids": [bundle["id"] for bundle in bundles]}
        async with self._scope.write() as session:
            await session.execute(_PENDING, where)
            deleted = (await session.execute(_BUNDLES_GONE, where)).rowcount
        self._gone["archive_bundle"] += deleted
        return deleted

    async def _erase_rest(self, table: str) -> int:
        where = {"tenant": self._tenant, "rows": self._rows}
        async with self._scope.write() as session:
            if table == "run_rollup":
                # A count that began while there were runs would write its rows behind us.
                await rollups.pass_gate(session, alone=True)
            deleted = (await session.execute(_REST.replace("{table}", table), where)).rowcount
        if table not in _UNCOUNTED:
            self._gone[table] += deleted
        return deleted

    async def _keep_holds(self, session: Session) -> None:
        """Refuse if a policy holds the tenant by now; none does so before this batch is through."""
        if not self._despite_hold:
            await holds.pass_gate(session, self._tenant, alone=False)
            await checks.no_policy_holds(session, self._tenant)

    async def _pages(self) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        for kind in _KINDS:
            page: Sequence[Mapping[str, Any]] | None = None
            while page is None or page:
                async with self._scope.read() as session:
                    page = await self._page(session, kind, page, lock=False)
                yield page

    async def _bundles(self) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        page: Sequence[Mapping[str, Any]] | None = None
        while page is None or page:
            async with self._scope.read() as session:
                page = await self._bundle_page(session, page)
            yield page

    async def _bundle_page(
        self, session: Session, before: Sequence[Mapping[str, Any]] | None
    ) -> Sequence[Mapping[str, Any]]:
        where: dict[str, Any] = {"tenant": self._tenant, "rows": _BUNDLES_AT_ONCE}
        return await _read(session, _BUNDLES, where, before)

    async def _page(
        self,
        session: Session,
        kind: str,
        before: Sequence[Mapping[str, Any]] | None,
        *,
        lock: bool,
    ) -> Sequence[Mapping[str, Any]]:
        """Read a page of runs by an ordered range of the tenant's index."""
        where: dict[str, Any] = {"tenant": self._tenant, "rows": self._rows}
        # The kind as a literal, which the planner needs for the partial index.
        statement = _BATCH.replace("{kind}", kind).replace("{lock}", " FOR UPDATE" if lock else "")
        return await _read(session, statement, where, before)

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.erased)


def _rest() -> list[str]:
    """Return the tables that are cleared by tenant, those that refer to others first."""
    return [
        table.name
        for table in reversed(metadata.sorted_tables)
        if "tenant_id" in table.c and table.name not in _WITH_RUNS
    ]


async def _read(
    session: Session,
    statement: str,
    where: dict[str, Any],
    before: Sequence[Mapping[str, Any]] | None,
) -> Sequence[Mapping[str, Any]]:
    """Read the page behind another, in the order of (created_at, id)."""
    behind = ""
    if before:
        behind = " AND (created_at, id) > (:created_at, :id)"
        where |= {"created_at": before[-1]["created_at"], "id": before[-1]["id"]}
    found = await session.execute(statement.replace("{behind}", behind), where)
    return [dict(row) for row in found.mappings()]


def _count_objects(storage: Storage, folder: str) -> int:
    return sum(1 for _ in storage.list(folder))
