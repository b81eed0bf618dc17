"""Large payloads: contents by hash, kept while something in Temporal may ask for them."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import uuid_utils.compat as uuids

from flowkeep.contracts.large_payloads import DueNeed, KeptPayload, Need, PayloadPlace
from flowkeep.errors import ConfigurationError, LedgerUnavailable, NotFound, PayloadMissing
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories import large_contents as contents
from flowkeep.statestore.repositories.large_contents import Pieces
from flowkeep.statestore.repositories.large_removal import FOLDER, Removal
from flowkeep.statestore.session import Scope, Session
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment

_TRIES = 5
_PIECES_AT_ONCE = 4

# What lies in clear is of no use where encryption is wanted, nor what no key opens.
_USABLE = "CASE WHEN p.key_id IS NULL THEN NOT :sealed ELSE p.key_id = ANY(:keys) END"
# A content is held before it is referred to, so that no sweep removes it in between.
_NEED = """
WITH held AS MATERIALIZED (
    SELECT p.tenant_id, p.hash FROM {schema}.large_payload AS p
    WHERE p.tenant_id = :tenant AND p.hash = :hash AND {usable} FOR KEY SHARE
),
added AS (
    INSERT INTO {schema}.large_payload_need AS n
        (tenant_id, hash, namespace, kind, needed_by, needed_at, check_at)
    SELECT h.tenant_id, h.hash, w.namespace, w.kind, w.id, now(), now() + interval '1 day'
    FROM held AS h CROSS JOIN unnest(
        CAST(:namespaces AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])
    ) AS w(namespace, kind, id)
    ON CONFLICT (tenant_id, hash, namespace, kind, needed_by) DO UPDATE
    SET needed_at = now(), gone_at = NULL
    WHERE n.needed_at < now() - interval '1 minute' OR n.gone_at IS NOT NULL
)
SELECT count(*) FROM held
""".replace("{usable}", _USABLE)
_PUT = """
INSERT INTO {schema}.large_payload AS p
    (tenant_id, hash, size, stored, encoding, key_id, object_key, chunks, created_at)
VALUES (:tenant, :hash, :size, :stored, :encoding, :key_id, :object_key, :chunks, now())
ON CONFLICT (tenant_id, hash) DO UPDATE
SET stored = excluded.stored, encoding = excluded.encoding, key_id = excluded.key_id,
    object_key = excluded.object_key, chunks = excluded.chunks
WHERE NOT {usable}
RETURNING 1
""".replace("{usable}", _USABLE)
_CLEAR = "DELETE FROM {schema}.large_payload_chunk WHERE tenant_id = :tenant AND hash = :hash"
_CHUNK = """
INSERT INTO {schema}.large_payload_chunk (tenant_id, hash, number, data)
VALUES (:tenant, :hash, :number, :data)
"""
_GET = """
SELECT encoding, key_id, object_key, chunks FROM {schema}.large_payload
WHERE tenant_id = :tenant AND hash = :hash
"""
_CHUNKS = """
SELECT data FROM {schema}.large_payload_chunk
WHERE tenant_id = :tenant AND hash = :hash AND number >= :first AND number < :behind
ORDER BY number
"""
_TENANT = """
SELECT tenant_id FROM {schema}.run WHERE namespace = :namespace AND workflow_id = :workflow_id
AND status IN ('pending', 'running', 'waiting') LIMIT 1
"""


class LargePayloads(Removal):
    """Contents that Temporal's history holds only a reference to; see `LargePayloadRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys when they are needed.
        files: Gives the object storage when it is needed.
    """

    def __init__(
        self, scope: Scope, keyring: Callable[[], Keyring], files: Callable[[], Storage]
    ) -> None:
        super().__init__(scope, files)
        self._keyring = keyring

    async def put(
        self,
        tenant_id: str,
        content: bytes,
        needs: Iterable[Need],
        *,
        place: PayloadPlace = "ledger",
        encrypt: bool = False,
    ) -> KeptPayload:
        """Store a content, unless it is there, and note who needs it; see the Protocol."""
        tenant_id = inputs.tenant(tenant_id)
        keyring = self._keyring() if encrypt else None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).digest())
        kept = KeptPayload(tenant_id, digest.hex(), len(content))
        bound = self._bound(tenant_id, digest, sorted(set(needs)), keyring)
        async with self._scope.write() as session:
            if await _need(session, bound):
                return kept
        pieces = await asyncio.to_thread(contents.take_apart, tenant_id, digest, content, keyring)
        key = await self._upload(tenant_id, digest, pieces) if place == "storage" else None
        row = bound | {
            "size": len(content),
            "stored": pieces.stored,
            "encoding": pieces.encoding,
            "key_id": pieces.key_id,
            "object_key": key,
            "chunks": len(pieces.data),
        }
        if not await self._write(row, [] if key else pieces.data) and key is not None:
            await asyncio.to_thread(self._files().delete, key)  # somebody else was faster
        return kept

    async def get(self, tenant_id: str, sha256: str) -> bytes:
        """Return a content, verified; see the Protocol."""
        digest = bytes.fromhex(sha256)
        try:
            return await self._read(tenant_id, digest)
        except PayloadMissing as error:
            if error.code != "PAYLOAD_DAMAGED":
                raise
        # Perhaps it was written anew between two reads, because it is to be encrypted now.
        return await self._read(tenant_id, digest)

    async def tenant_of(self, namespace: str, workflow_id: str) -> str | None:
        """Return whose open run has a workflow_id, None when there is none."""
        bound = {"namespace": namespace, "workflow_id": workflow_id}
        async with self._scope.read() as session:
            found = (await session.execute(_TENANT, bound)).scalar_one_or_none()
        return None if found is None else str(found)

    async def due(self, namespace: str, limit: int) -> Sequence[DueNeed]:
        """Return needs whose check has come; see the Protocol."""
        return await self._due(namespace, limit)

    def _bound(
        self, tenant_id: str, digest: bytes, needs: Sequence[Need], keyring: Keyring | None
    ) -> dict[str, Any]:
        if keyring is None:
            try:
                keys: Sequence[str] = self._keyring().key_ids
            except ConfigurationError:  # there is none, and none is wanted
                keys = ()
        else:
            keys = keyring.key_ids
        return {
            "tenant": tenant_id,
            "hash": digest,
            "keys": list(keys),
            "sealed": keyring is not None,
            "namespaces": [need.namespace for need in needs],
            "kinds": [need.kind for need in needs],
            "ids": [need.id for need in needs],
        }

    async def _upload(self, tenant_id: str, digest: bytes, pieces: Pieces) -> str:
        """Store an object under a name of its own, so that no sweep can mean another one."""
        key = f"{FOLDER}/{safe_segment(tenant_id)}/{digest.hex()}-{uuids.uuid7()}"
        await asyncio.to_thread(lambda: self._files().put(key, contents.framed(pieces.data)))
        return key

    async def _write(self, row: dict[str, Any], data: Sequence[bytes]) -> bool:
        """Return whether this call stored it; another may have done so meanwhile."""
        for _ in range(_TRIES):
            async with self._scope.write() as session:
                if (await session.execute(_PUT, row)).scalar_one_or_none() is None:
                    if await _need(session, row):
                        return False
                    continue  # it went with the last that needed it, between the two statements
                await session.execute(_CLEAR, row)
                for number, piece in enumerate(data):
                    await session.execute(_CHUNK, row | {"number": number, "data": piece})
                await _need(session, row)
                return True
        raise LedgerUnavailable("contents go as fast as they are stored", hint="try again")

    async def _read(self, tenant_id: str, digest: bytes) -> bytes:
        bound: dict[str, Any] = {"tenant": tenant_id, "hash": digest}
        async with self._scope.read() as session:
            found = (await session.execute(_GET, bound)).one_or_none()
            if found is None:
                raise _missing(tenant_id, digest)
            data: list[bytes] = []
            if found.object_key is None:
                for first in range(0, found.chunks, _PIECES_AT_ONCE):
                    window = bound | {"first": first, "behind": first + _PIECES_AT_ONCE}
                    rows = await session.execute(_CHUNKS, window)
                    data += [bytes(piece) for piece in rows.scalars()]
        if found.object_key is not None:
            data = await asyncio.to_thread(self._download, tenant_id, digest, found.object_key)
        pieces = Pieces(found.encoding, found.key_id, data)
        return await asyncio.to_thread(
            contents.put_together, tenant_id, digest, pieces, self._keyring
        )

    def _download(self, tenant_id: str, digest: bytes, key: str) -> list[bytes]:
        try:
            return contents.unframed(self._files().get(key))
        except NotFound:
            raise _missing(tenant_id, digest) from None


async def _need(session: Session, bound: dict[str, Any]) -> bool:
    """Note who needs a content; tell whether it is there in a form that can be used."""
    return bool((await session.execute(_NEED, bound)).scalar_one())


def _missing(tenant_id: str, digest: bytes) -> PayloadMissing:
    return PayloadMissing(f"large payload {digest.hex()} of tenant {tenant_id!r} is not there")
