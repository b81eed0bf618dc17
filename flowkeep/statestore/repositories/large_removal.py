"""What nobody in Temporal needs any more is found and removed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flowkeep.contracts.large_payloads import DueNeed, Need
from flowkeep.statestore.session import Scope, Session
from flowkeep.storage import Storage

FOLDER = "=payloads"
"""Folder of contents in object storage; no tenant's own folder has such a name."""

_STRETCH = 1_000

_DUE = """
SELECT kind, needed_by, count(*) AS contents, max(needed_at)::text AS seen,
       bool_and(gone_at IS NOT NULL) AS gone
FROM {schema}.large_payload_need
WHERE namespace = :namespace AND check_at <= now() AND kind <> 'unknown'
GROUP BY kind, needed_by ORDER BY min(check_at) LIMIT :rows
"""
_POSTPONE = """
UPDATE {schema}.large_payload_need
SET check_at = now() + make_interval(secs => :seconds),
    gone_at = CASE WHEN :gone THEN COALESCE(gone_at, now()) END
WHERE namespace = :namespace AND kind = :kind AND needed_by = :id
"""
# What was stored again meanwhile is needed by an execution that has just begun.
_RELEASE = """
DELETE FROM {schema}.large_payload_need
WHERE namespace = :namespace AND kind = :kind AND needed_by = :id
AND needed_at <= CAST(:seen AS timestamptz)
"""
_LOOSE = """
SELECT p.tenant_id, p.hash, (
    SELECT true FROM {schema}.large_payload_need AS n
    WHERE n.tenant_id = p.tenant_id AND n.hash = p.hash LIMIT 1
) IS NULL AS loose
FROM {schema}.large_payload AS p WHERE (p.tenant_id, p.hash) > (:tenant, :hash)
ORDER BY p.tenant_id, p.hash LIMIT :rows
"""
_HOLD = """
SELECT p.tenant_id, p.hash FROM {schema}.large_payload AS p
JOIN unnest(CAST(:tenants AS text[]), CAST(:hashes AS bytea[])) AS w(tenant_id, hash)
  ON p.tenant_id = w.tenant_id AND p.hash = w.hash
ORDER BY p.tenant_id, p.hash FOR UPDATE OF p SKIP LOCKED
"""
_DELETE = """
DELETE FROM {schema}.large_payload AS p
USING unnest(CAST(:tenants AS text[]), CAST(:hashes AS bytea[])) AS w(tenant_id, hash)
WHERE p.tenant_id = w.tenant_id AND p.hash = w.hash AND (
    SELECT true FROM {schema}.large_payload_need AS n
    WHERE n.tenant_id = p.tenant_id AND n.hash = p.hash LIMIT 1
) IS NULL
RETURNING p.stored, p.object_key
"""
_KNOWN = """
SELECT object_key FROM {schema}.large_payload
WHERE object_key IS NOT NULL AND object_key = ANY(CAST(:keys AS text[]))
"""
_HAS_OBJECTS = """
SELECT true FROM {schema}.large_payload
WHERE tenant_id = :tenant AND object_key IS NOT NULL LIMIT 1
"""
_UNFINISHED = timedelta(days=1)


class Removal:
    """Needs that have ended, and contents without a need.

    Args:
        scope: Where sessions come from.
        files: Gives the object storage when it is needed.
    """

    def __init__(self, scope: Scope, files: Callable[[], Storage]) -> None:
        self._scope = scope
        self._files = files

    async def _due(self, namespace: str, limit: int) -> Sequence[DueNeed]:
        async with self._scope.read() as session:
            found = await session.execute(_DUE, {"namespace": namespace, "rows": limit})
        return [
            DueNeed(Need(namespace, row.kind, row.needed_by), row.contents, row.seen, row.gone)
            for row in found
        ]

    async def postpone(self, need: Need, wait: timedelta, *, gone: bool = False) -> None:
        """Check a need again after some time; see the Protocol."""
        bound = _of(need) | {"seconds": wait.total_seconds(), "gone": gone}
        async with self._scope.write() as session:
            await session.execute(_POSTPONE, bound)

    async def release(self, due: DueNeed) -> int:
        """Forget a need, unless it was renewed since it was read; returns of how many contents."""
        async with self._scope.write() as session:
            return (await session.execute(_RELEASE, _of(due.need) | {"seen": due.seen})).rowcount

    async def collect(self) -> tuple[int, int]:
        """Delete contents that nobody needs; see the Protocol."""
        deleted = stored = 0
        place: tuple[str, bytes] | None = ("", b"")
        while place is not None:
            async with self._scope.read() as session:
                bound = {"tenant": place[0], "hash": place[1], "rows": _STRETCH}
                rows = (await session.execute(_LOOSE, bound)).all()
            loose = [(row.tenant_id, bytes(row.hash)) for row in rows if row.loose]
            gone = await self._delete(loose) if loose else []
            deleted += len(gone)
            stored += sum(size for size, _ in gone)
            await self._delete_objects(key for _, key in gone if key is not None)
            last = rows[-1] if len(rows) == _STRETCH else None
            place = None if last is None else (last.tenant_id, bytes(last.hash))
        return deleted, stored

    async def collect_objects(self) -> int:
        """Delete objects that an interrupted store or sweep left; see the Protocol."""
        listed = await asyncio.to_thread(lambda: [one.key for one in self._files().list(FOLDER)])
        old = [key for key in listed if _age(key) > _UNFINISHED]
        deleted = 0
        for first in range(0, len(old), _STRETCH):
            keys = old[first : first + _STRETCH]
            async with self._scope.read() as session:
                known = set((await session.execute(_KNOWN, {"keys": keys})).scalars())
            left = [key for key in keys if key not in known]
            await self._delete_objects(left)
            deleted += len(left)
        return deleted

    async def _delete(self, loose: Sequence[tuple[str, bytes]]) -> list[tuple[int, str | None]]:
        """Delete what is still loose when nobody can begin to need it."""
        async with self._scope.write() as session:
            held = (await session.execute(_HOLD, _columns(loose))).all()
            mine = [(row.tenant_id, bytes(row.hash)) for row in held]
            gone = await session.execute(_DELETE, _columns(mine))
            return [(row.stored, row.object_key) for row in gone]

    async def _delete_objects(self, keys: Iterable[str]) -> None:
        for key in keys:
            await asyncio.to_thread(self._files().delete, key)


async def has_objects(session: Session, tenant_id: str) -> bool:
    """Return whether contents of a tenant lie in object storage."""
    return (await session.execute(_HAS_OBJECTS, {"tenant": tenant_id})).first() is not None


def _columns(found: Sequence[tuple[str, bytes]]) -> dict[str, list[str] | list[bytes]]:
    return {"tenants": [tenant for tenant, _ in found], "hashes": [digest for _, digest in found]}


def _of(need: Need) -> dict[str, object]:
    return {"namespace": need.namespace, "kind": need.kind, "id": need.id}


def _age(key: str) -> timedelta:
    """Return how old an object is; its name ends in a UUIDv7, or it is none of ours."""
    try:
        milliseconds = UUID(key[-36:]).int >> 80
    except ValueError:
        return timedelta(0)
    return datetime.now(UTC) - datetime.fromtimestamp(milliseconds / 1000, UTC)
