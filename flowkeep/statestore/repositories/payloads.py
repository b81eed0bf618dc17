"""Values too big for a row: compressed, kept once per content, found again by hash."""

import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from flowkeep.errors import LedgerUnavailable
from flowkeep.statestore import encoding
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import payload

THRESHOLD = 8 * 1024
"""Bytes of JSON above which a value leaves its row."""

ENCODING = "json+zlib"
"""How the values of the table `payload` are written."""


_TRIES = 5
# A value is held before it is referred to, so that nobody removes it in between.
_REFER = """
WITH held AS MATERIALIZED (
    SELECT w.tenant_id, w.run_id, w.hash
    FROM unnest(CAST(:tenants AS text[]), CAST(:runs AS uuid[]), CAST(:hashes AS bytea[]))
         AS w(tenant_id, run_id, hash)
    CROSS JOIN LATERAL (
        SELECT FROM {schema}.payload AS p
        WHERE p.tenant_id = w.tenant_id AND p.hash = w.hash FOR KEY SHARE
    ) AS there
),
added AS (
    INSERT INTO {schema}.payload_ref (tenant_id, run_id, hash)
    SELECT tenant_id, run_id, hash FROM held ON CONFLICT DO NOTHING
)
SELECT count(*) FROM held
"""


@dataclass(frozen=True, slots=True)
class Packed:
    """A value as it is stored.

    Attributes:
        data: Its JSON.
        hash: SHA-256 of the JSON when it is too big for a row, else None.
    """

    data: bytes
    hash: bytes | None


def pack(value: Any) -> Packed | None:
    """Encode a value leniently; None stays None."""
    if value is None:
        return None
    data = encoding.lenient(value)
    return Packed(data, hashlib.sha256(data).digest() if len(data) > THRESHOLD else None)


def columns(name: str, packed: Packed | None) -> dict[str, Any]:
    """Return what the columns `name` and `name_hash` hold for a value."""
    if packed is None:
        return {name: None, f"{name}_hash": None}
    if packed.hash is not None:
        return {name: None, f"{name}_hash": packed.hash}
    return {name: json.loads(encoding.without_nul(packed.data)), f"{name}_hash": None}


async def keep(session: Session, needed: Iterable[tuple[str, UUID, Packed | None]]) -> None:
    """Store the big ones among some values, and note which runs need them.

    Args:
        session: A transaction in which the runs are locked.
        needed: Tenant, run and value.
    """
    big = {(t, run, p.hash): p.data for t, run, p in needed if p is not None and p.hash}
    if not big:
        return
    # Sorted, so that two writers of the same contents wait for each other in one order.
    contents = sorted({(t, digest): data for (t, _, digest), data in big.items()}.items())
    rows = [
        {
            "tenant_id": tenant,
            "hash": digest,
            "size": len(data),
            "encoding": ENCODING,
            "data": zlib.compress(data, 1),
            "created_at": func.now(),
        }
        for (tenant, digest), data in contents
    ]
    refs = sorted(big)
    bound = {
        "tenants": [tenant for tenant, _, _ in refs],
        "runs": [run for _, run, _ in refs],
        "hashes": [digest for _, _, digest in refs],
    }
    for _ in range(_TRIES):
        await session.execute(insert(payload).values(rows).on_conflict_do_nothing())
        if (await session.execute(_REFER, bound)).scalar_one() == len(refs):
            return
        # One went with the last run that needed it, between the two statements.
    raise LedgerUnavailable("values go as fast as they are stored", hint="try again")


async def fetch(session: Session, tenant_id: str, hashes: Iterable[bytes]) -> dict[bytes, Any]:
    """Return the values of some hashes of one tenant."""
    wanted = sorted(set(hashes))
    if not wanted:
        return {}
    rows = await session.execute(
        select(payload.c.hash, payload.c.data).where(
            tuple_(payload.c.tenant_id, payload.c.hash).in_([(tenant_id, h) for h in wanted])
        )
    )
    return {bytes(row.hash): unpacked(row.data) for row in rows}


def unpacked(data: bytes) -> Any:
    """Return the value of a row of `payload`."""
    return json.loads(zlib.decompress(data))


async def unpack(
    session: Session, tenant_id: str, rows: list[dict[str, Any]], *names: str
) -> list[dict[str, Any]]:
    """Replace hashes in rows by the values they stand for.

    Args:
        session: Where to read.
        tenant_id: Whose values.
        rows: Rows with the columns `name` and `name_hash`; changed in place and returned.
        *names: Names of the value columns.
    """
    hashes = [bytes(row[f"{n}_hash"]) for row in rows for n in names if row[f"{n}_hash"]]
    values = await fetch(session, tenant_id, hashes)
    for row in rows:
        for name in names:
            digest = row.pop(f"{name}_hash")
            if digest:
                row[name] = values[bytes(digest)]
    return rows


# Work that was interrupted may leave values that nobody refers to. The day keeps away from
# those that are just being written.
_LOOSE = """
SELECT p.hash, p.created_at < now() - interval '1 day' AND (
    SELECT true FROM {schema}.payload_ref AS r
    WHERE r.tenant_id = p.tenant_id AND r.hash = p.hash LIMIT 1
) IS NULL AS loose
FROM {schema}.payload AS p WHERE p.tenant_id = :tenant AND p.hash > :after
ORDER BY p.hash LIMIT :limit
"""
_SWEEP = """
DELETE FROM {schema}.payload AS p WHERE p.tenant_id = :tenant AND p.hash = ANY(:hashes) AND (
    SELECT true FROM {schema}.payload_ref AS r
    WHERE r.tenant_id = p.tenant_id AND r.hash = p.hash LIMIT 1
) IS NULL
"""
_HOLD = """
SELECT hash FROM {schema}.payload WHERE tenant_id = :tenant AND hash = ANY(:hashes)
ORDER BY hash FOR UPDATE SKIP LOCKED
"""


async def sweep(
    session: Session, tenant_id: str, after: bytes, limit: int
) -> tuple[int, bytes | None]:
    """Delete values of one stretch that nobody refers to.

    Args:
        session: A transaction.
        tenant_id: Whose values.
        after: Where the stretch before ended; empty at the beginning.
        limit: Values to look at.

    Returns:
        How many went, and where the stretch ended; None behind the last.
    """
    bound = {"tenant": tenant_id, "after": after, "limit": limit}
    rows = (await session.execute(_LOOSE, bound)).all()
    loose = [bytes(row.hash) for row in rows if row.loose]
    last = bytes(rows[-1].hash) if len(rows) == limit else None
    if not loose:
        return 0, last
    held = await session.execute(_HOLD, {"tenant": tenant_id, "hashes": loose})
    mine = {"tenant": tenant_id, "hashes": [bytes(found) for found in held.scalars()]}
    return (await session.execute(_SWEEP, mine)).rowcount, last
