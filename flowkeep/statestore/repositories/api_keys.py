"""API keys: made, found by their secret, ended."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import Page
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, NewApiKey
from flowkeep.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from flowkeep.statestore.repositories import inputs, names
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import api_key

_SECRET = re.compile(r"(fk_[0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_SHOWN = [api_key.c[name] for name in ApiKey.model_fields]
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('flowkeep.system_key.' || :schema, 0))"
_LEAST_BETWEEN_NOTES = timedelta(minutes=1)


class ApiKeys:
    """API keys; see the Protocol `ApiKeyRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(
        self,
        tenant_id: str,
        new: NewApiKey,
        *,
        subject: str,
        created_by: str | None = None,
        key_id: UUID | None = None,
    ) -> IssuedKey:
        """Make a key; its secret is in the answer and nowhere else."""
        values = _checked(tenant_id, new, subject, created_by)
        if key_id is not None:
            values["id"] = _id(key_id)
        async with self._scope.write() as session:
            return await _add(session, values)

    async def ensure_system(
        self, tenant_id: str, new: NewApiKey, *, subject: str
    ) -> IssuedKey | None:
        """Make a key unless one with `system` is usable; of processes at once one makes it."""
        values = _checked(tenant_id, new, subject, None)
        known = select(api_key.c.id).where(api_key.c.system, *_usable()).limit(1)
        async with self._scope.write() as session:
            await session.execute(_ALONE, {"schema": session.schema_name})
            if (await session.execute(known)).first() is not None:
                return None
            return await _add(session, values)

    async def get(self, tenant_id: str, key_id: UUID) -> ApiKey:
        """Return a key."""
        where = [api_key.c.tenant_id == inputs.tenant(tenant_id), api_key.c.id == _id(key_id)]
        async with self._scope.read() as session:
            found = await session.execute(select(*_SHOWN).where(*where))
            row = found.mappings().one_or_none()
        if row is None:
            raise _absent(key_id)
        return ApiKey.model_validate(dict(row))

    async def list(
        self,
        tenant_id: str,
        *,
        subject: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[ApiKey]:
        """Return a page of keys, newest first, ended ones included."""
        where = [api_key.c.tenant_id == inputs.tenant(tenant_id)]
        if subject is not None:
            where.append(api_key.c.subject == inputs.text(subject, "subject"))
        if last_id is not None:
            where.append(api_key.c.id < inputs.run_id(last_id, "last_id"))
        limit = inputs.page_limit(limit)
        statement = select(*_SHOWN).where(*where).order_by(api_key.c.id.desc()).limit(limit + 1)
        async with self._scope.ordered() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [ApiKey.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)

    async def authenticate(self, secret: str) -> ApiKey:
        """Return the key that a secret belongs to, of whatever tenant."""
        form = _SECRET.fullmatch(secret)
        if form is None:
            raise Unauthenticated("this is no API key")
        async with self._scope.read() as session:
            found = await session.execute(
                select(*_SHOWN, api_key.c.hash).where(api_key.c.prefix == form[1])
            )
            row = found.mappings().one_or_none()
        if row is None or not hmac.compare_digest(bytes(row["hash"]), _hash(secret)):
            raise Unauthenticated("the API key is not known")
        return _alive(dict(row))

    async def confirm(self, key_id: UUID) -> ApiKey:
        """Return a key of whatever tenant that is usable, for a session that began with it."""
        async with self._scope.read() as session:
            found = await session.execute(select(*_SHOWN).where(api_key.c.id == _id(key_id)))
            row = found.mappings().one_or_none()
        if row is None:
            raise Unauthenticated("the API key is not known")
        return _alive(dict(row))

    async def note_use(self, key_id: UUID) -> None:
        """Note that a key is used now; written at most once a minute."""
        last = api_key.c.last_used_at
        old = last < func.now() - _LEAST_BETWEEN_NOTES
        statement = (
            update(api_key)
            .where(api_key.c.id == _id(key_id), or_(last.is_(None), old))
            .values(last_used_at=func.now())
        )
        async with self._scope.single() as session:
            await session.execute(statement)

    async def rename(self, tenant_id: str, key_id: UUID, name: str) -> ApiKey:
        """Change what people call a key."""
        return await self._change(tenant_id, key_id, {"name": names.label(name, "name")})

    async def revoke(
        self, tenant_id: str, key_id: UUID, *, revoked_by: str | None = None
    ) -> ApiKey:
        """End a key; one that was revoked before stays as it is."""
        changes = {"revoked_at": func.now(), "revoked_by": revoked_by}
        return await self._change(tenant_id, key_id, changes, api_key.c.revoked_at.is_(None))

    async def _change(
        self, tenant_id: str, key_id: UUID, changes: dict[str, Any], *where: ColumnElement[bool]
    ) -> ApiKey:
        tenant_id, key_id = inputs.tenant(tenant_id), _id(key_id)
        async with self._scope.write() as session:
            found = await session.execute(
                select(*_SHOWN).where(api_key.c.id == key_id).with_for_update()
            )
            row = found.mappings().one_or_none()
            if row is None:
                raise _absent(key_id)
            if row["tenant_id"] != tenant_id:
                raise Forbidden(f"API key {key_id} belongs to another tenant")
            changed = await session.execute(
                update(api_key)
                .where(api_key.c.id == key_id, *where)
                .values(changes)
                .returning(*_SHOWN)
            )
            return ApiKey.model_validate(dict(changed.mappings().one_or_none() or row))

    async def delete_ended(self, tenant_id: str | None, before: datetime) -> int:
        """Remove the keys that expired or were revoked before a time; returns how many."""
        before = inputs.instant(before, "before") or before
        where = [or_(api_key.c.expires_at < before, api_key.c.revoked_at < before)]
        if tenant_id is not None:
            where.append(api_key.c.tenant_id == inputs.tenant(tenant_id))
        async with self._scope.write() as session:
            return (await session.execute(delete(api_key).where(*where))).rowcount


def _checked(
    tenant_id: str, new: NewApiKey, subject: str, created_by: str | None
) -> dict[str, Any]:
    """Return the columns that say what a new key is and may."""
    if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
        raise InvalidInput("expires_at is in the past", hint="name a time to come, or none")
    role = Role.ADMIN if new.system else new.role
    return {
        "tenant_id": inputs.tenant(tenant_id),
        "name": names.label(new.name, "name"),
        "subject": names.label(new.subject or subject, "subject"),
        "role": None if role is None else role.value,
        "app_roles": {
            names.label(app, "app_roles"): given.value for app, given in new.app_roles.items()
        },
        "system": new.system,
        "created_by": created_by,
        "expires_at": new.expires_at,
    }


async def _add(session: Session, values: dict[str, Any]) -> IssuedKey:
    prefix = f"fk_{secrets.token_hex(8)}"
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = {"id": uuid_utils.compat.uuid7(), **values, "prefix": prefix, "hash": _hash(secret)}
    made = await session.execute(
        insert(api_key)
        .values(**row, created_at=func.now())
        .on_conflict_do_nothing(index_elements=[api_key.c.id])
        .returning(*_SHOWN)
    )
    shown = made.mappings().one_or_none()
    if shown is None:
        raise Conflict(
            f"this request has made API key {row['id']} already; its secret cannot be shown again",
            hint="revoke that key, and make another one with a new Idempotency-Key",
            code="IDEMPOTENCY_ANSWER_WITHHELD",
        )
    return IssuedKey.model_validate({**shown, "secret": secret})


def _usable() -> tuple[ColumnElement[bool], ...]:
    expires = api_key.c.expires_at
    return api_key.c.revoked_at.is_(None), or_(expires.is_(None), expires > func.now())


def _alive(row: Mapping[str, Any]) -> ApiKey:
    """Return the record of a row, unless the key has ended."""
    key = ApiKey.model_validate({name: row[name] for name in ApiKey.model_fields})
    state = key.state(datetime.now(UTC))
    if state != "active":
        raise Unauthenticated(f"the API key is {state}")
    return key


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _id(key_id: UUID | str) -> UUID:
    return inputs.run_id(key_id, "key_id")


def _absent(key_id: UUID | str) -> NotFound:
    return NotFound(f"API key {key_id} does not exist", hint="`flowkeep key list` shows yours")
