"""The audit log; see the Protocol `AuditRepository`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select

from flowkeep.contracts import Page
from flowkeep.contracts.api.audit import AuditEnd, AuditEntry, AuditOutcome
from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import driven, inputs
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import audit_log

_LONGEST = 300
"""Most characters of a text that callers give; longer ones are cut."""

# One statement however many lines: it is parsed once, and commits by itself.
_COLUMNS = (
    "id uuid, tenant_id text, at timestamptz, subject text, via text, key_id uuid, address text,"
    " request_id text, action text, object_kind text, object_id text, outcome text, code text,"
    " before_digest text, after_digest text, times integer, ended_at timestamptz"
)
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.split(", "))
_BEGIN = f"""
INSERT INTO {{schema}}.audit_log ({_NAMES})
SELECT {_NAMES} FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS r({_COLUMNS})
ON CONFLICT DO NOTHING
"""  # noqa: S608 - only constants are put in
_UPDATE = """
UPDATE {schema}.audit_log AS a
SET outcome = r.outcome, code = r.code, ended_at = r.ended_at,
    object_id = COALESCE(r.object_id, a.object_id),
    before_digest = COALESCE(r.before_digest, a.before_digest), after_digest = r.after_digest
FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS r(id uuid, tenant_id text, outcome text,
    code text, ended_at timestamptz, object_id text, before_digest text, after_digest text)
WHERE a.id = r.id AND a.tenant_id = r.tenant_id AND a.outcome = 'begun'
"""
_BOTH = f"WITH ended AS ({_UPDATE}) {_BEGIN}"
# What a crash takes away leaves lines begun, which is true of them: nobody waits for the disk.
_FINISH = f"""
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
{_UPDATE} AND EXISTS (SELECT 1 FROM quick)
"""  # noqa: S608
_PURGE = """
DELETE FROM {schema}.audit_log WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.audit_log WHERE id < :before ORDER BY id LIMIT :rows
    FOR UPDATE SKIP LOCKED
))
"""


class Audit:
    """The audit log; it is `store.audit`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def begin(self, entries: Sequence[AuditEntry], ends: Sequence[AuditEnd] = ()) -> None:
        """Write lines and how others ended, all or none; lines that are there stay as they are."""
        if not entries and not ends:
            return
        rows = [_cut(entry.model_dump(mode="json")) for entry in entries]
        async with self._scope.single() as session:
            if ends:
                await driven.run(session, _BOTH, _ends(ends), _json(rows))
            else:
                await driven.run(session, _BEGIN, _json(rows))

    async def finish(self, ends: Sequence[AuditEnd]) -> int:
        """Write how lines ended; returns how many had not ended yet."""
        if not ends:
            return 0
        async with self._scope.single() as session:
            return await driven.run(session, _FINISH, _ends(ends))

    async def list(
        self,
        tenant_id: str | None,
        *,
        subject: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        outcome: AuditOutcome | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[AuditEntry]:
        """Return a page of lines, newest first."""
        if object_id is not None and object_kind is None:
            raise InvalidInput("object_id is given without object_kind", hint="give both")
        equal = {
            "subject": subject,
            "action": action,
            "object_kind": object_kind,
            "object_id": object_id,
        }
        where: list[Any] = [
            audit_log.c[name] == inputs.text(value, name)
            for name, value in equal.items()
            if value is not None
        ]
        if tenant_id is not None:
            where.append(audit_log.c.tenant_id == inputs.tenant(tenant_id))
        if outcome is not None:
            where.append(audit_log.c.outcome == AuditOutcome(outcome).value)
            if outcome in (AuditOutcome.FAILED, AuditOutcome.DENIED):
                where.append(audit_log.c.code.is_not(None))  # as the partial index has it
        if since is not None:
            where.append(audit_log.c.id >= _first_of(since, "since"))
        if until is not None:
            where.append(audit_log.c.id < _first_of(until, "until"))
        if last_id is not None:
            where.append(audit_log.c.id < last_id)
        limit = inputs.page_limit(limit)
        statement = select(audit_log).where(*where).order_by(audit_log.c.id.desc())
        async with self._scope.ordered() as session:
            found = (await session.execute(statement.limit(limit + 1))).mappings().all()
        data = [AuditEntry.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)

    async def purge(self, before: datetime, *, limit: int = 1000) -> int:
        """Remove the oldest lines of all tenants; returns how many went."""
        values = {"before": _first_of(before, "before"), "rows": inputs.batch_size(limit)}
        async with self._scope.single() as session:
            return (await session.execute(_PURGE, values)).rowcount


def _first_of(at: datetime, field: str) -> UUID:
    """Return the id before which every line began before a time: the time of a UUIDv7 and zeros."""
    given = inputs.instant(at, field)
    assert given is not None
    millis = int((given.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    return UUID(int=max(0, min(millis, 2**48 - 1)) << 80)


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with texts that fit into an index."""
    return {
        name: value[:_LONGEST] if isinstance(value, str) and name != "tenant_id" else value
        for name, value in row.items()
    }


def _ends(ends: Sequence[AuditEnd]) -> str:
    names = AuditEnd.__dataclass_fields__
    return _json([_cut({name: getattr(end, name) for name in names}) for end in ends])


def _json(rows: list[dict[str, Any]]) -> str:
    try:
        data = orjson.dumps(rows)
    except TypeError:  # a lone surrogate
        data = orjson.dumps(encoding.storable(rows))
    return encoding.without_nul(data).decode()
