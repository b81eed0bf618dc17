"""Answers to requests that may be repeated; see the Protocol `IdempotencyRepository`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import orjson

from flowkeep.contracts.api.idempotency import Claim, Claimed, KeptAnswer
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Scope

KEPT_HOURS = 24
"""How long a key means the same request."""

# What an expired key meant is forgotten here too: whoever removes old rows may be late.
_CLAIM = """
INSERT INTO {schema}.idempotency AS i
    (tenant_id, subject, key, request, digest, state, holder, lease_until, created_at)
VALUES (:tenant, :subject, :key, :request, :digest, 'running', :holder,
    now() + make_interval(secs => :lease), now())
ON CONFLICT (tenant_id, subject, key) DO UPDATE SET
    request = excluded.request, digest = excluded.digest, state = 'running',
    holder = excluded.holder, lease_until = excluded.lease_until,
    status = NULL, headers = NULL, body = NULL,
    created_at = CASE WHEN i.created_at < now() - make_interval(hours => :hours)
        THEN excluded.created_at ELSE i.created_at END
WHERE i.created_at < now() - make_interval(hours => :hours)
    OR (i.state = 'running' AND i.lease_until <= now()
        AND i.request = excluded.request AND i.digest = excluded.digest)
RETURNING *
"""
_FIND = """
SELECT * FROM {schema}.idempotency
WHERE tenant_id = :tenant AND subject = :subject AND key = :key
"""
_MINE = """
WHERE tenant_id = :tenant AND subject = :subject AND key = :key AND holder = :holder
    AND state = 'running'
"""
_RENEW = f"""
UPDATE {{schema}}.idempotency SET lease_until = now() + make_interval(secs => :lease) {_MINE}
"""  # noqa: S608 - only constants are put in
_RELEASE = f"UPDATE {{schema}}.idempotency SET lease_until = now() {_MINE}"  # noqa: S608
_ANSWER = f"""
UPDATE {{schema}}.idempotency
SET state = :state, status = :status, headers = CAST(:headers AS jsonb), body = :body {_MINE}
"""  # noqa: S608
_PURGE = """
DELETE FROM {schema}.idempotency WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.idempotency
    WHERE created_at < now() - make_interval(hours => :hours)
    ORDER BY created_at LIMIT :rows FOR UPDATE SKIP LOCKED
))
"""


class Idempotency:
    """Answers to requests that may be repeated; it is `store.idempotency`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def claim(
        self,
        tenant_id: str,
        subject: str,
        key: str,
        *,
        request: str,
        digest: str,
        lease_seconds: float,
    ) -> Claim:
        """Begin a request, or find what became of it."""
        values = _named(tenant_id, subject, key) | {
            "request": request,
            "digest": digest,
            "holder": uuid4(),
            "lease": lease_seconds,
            "hours": KEPT_HOURS,
        }
        while True:
            async with self._scope.single() as session:
                mine = (await session.execute(_CLAIM, values)).mappings().one_or_none()
                if mine is not None:
                    return _claim(dict(mine), Claimed.MINE)
                found = (await session.execute(_FIND, values)).mappings().one_or_none()
            if found is not None:  # else it expired and went in between
                return _judged(dict(found), request, digest)

    async def renew(
        self, tenant_id: str, subject: str, key: str, holder: UUID, *, lease_seconds: float
    ) -> bool:
        """Hold the lease longer; False where another one has begun again."""
        values = _named(tenant_id, subject, key) | {"holder": holder, "lease": lease_seconds}
        return await self._changed(_RENEW, values)

    async def answer(
        self, tenant_id: str, subject: str, key: str, holder: UUID, kept: KeptAnswer | None
    ) -> bool:
        """Keep the answer, or only that there was one; False where another one has begun again."""
        values = _named(tenant_id, subject, key) | {
            "holder": holder,
            "state": (Claimed.WITHHELD if kept is None else Claimed.ANSWERED).value,
            "status": None if kept is None else kept.status,
            "headers": None if kept is None else orjson.dumps(kept.headers).decode(),
            "body": None if kept is None else kept.body,
        }
        return await self._changed(_ANSWER, values)

    async def release(self, tenant_id: str, subject: str, key: str, holder: UUID) -> None:
        """Let the next one begin at once: this answer says nothing for good."""
        await self._changed(_RELEASE, _named(tenant_id, subject, key) | {"holder": holder})

    async def purge(self, *, limit: int = 1000) -> int:
        """Remove keys that have expired, of all tenants; returns how many went."""
        values = {"hours": KEPT_HOURS, "rows": inputs.batch_size(limit)}
        async with self._scope.single() as session:
            return (await session.execute(_PURGE, values)).rowcount

    async def _changed(self, statement: str, values: dict[str, Any]) -> bool:
        async with self._scope.single() as session:
            return (await session.execute(statement, values)).rowcount > 0


def _named(tenant_id: str, subject: str, key: str) -> dict[str, Any]:
    return {
        "tenant": inputs.tenant(tenant_id),
        "subject": inputs.name(subject, "subject"),
        "key": inputs.name(key, "key"),
    }


def _judged(row: Mapping[str, Any], request: str, digest: str) -> Claim:
    if (row["request"], row["digest"]) != (request, digest):
        return _claim(row, Claimed.REUSED)
    return _claim(row, Claimed(row["state"]))


def _claim(row: Mapping[str, Any], found: Claimed) -> Claim:
    answer = None
    if found is Claimed.ANSWERED:
        headers = tuple((name, value) for name, value in row["headers"])
        answer = KeptAnswer(status=row["status"], headers=headers, body=bytes(row["body"]))
    return Claim(
        found=found,
        holder=row["holder"],
        created_at=row["created_at"],
        lease_until=row["lease_until"],
        request=row["request"],
        answer=answer,
    )
