"""Encrypted credentials."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import Page, secret_names
from flowkeep.contracts.api.secrets import SecretInfo
from flowkeep.errors import Conflict, InvalidInput, NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.secrets import (
    make_reference,
    reference_id,
    references,
    replace_references,
)
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import secret


class Secrets:
    """Secrets; see the Protocol `SecretRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys when they are needed.
    """

    def __init__(self, scope: Scope, keyring: Callable[[], Keyring]) -> None:
        self._scope = scope
        self._keyring = keyring

    async def put(
        self,
        tenant_id: str,
        value: dict[str, Any] | str,
        *,
        secret_id: UUID | None = None,
        run_scoped: bool = False,
    ) -> dict[str, str]:
        """Encrypt and store a value; returns its reference."""
        if not isinstance(value, (dict, str)):
            raise InvalidInput(f"a secret is text or an object, not {type(value).__name__}")
        plain = encoding.strict(value, "secret")
        keyring, tenant_id = self._keyring(), inputs.tenant(tenant_id)
        chosen = secret_id or uuid_utils.compat.uuid7()
        row = {
            "id": chosen,
            "tenant_id": tenant_id,
            "key_id": keyring.key_id,
            "ciphertext": keyring.encrypt(tenant_id, chosen, plain),
            "run_scoped": run_scoped,
            "created_at": func.now(),
            "updated_at": func.now(),
        }
        async with self._scope.write() as session:
            added = await session.execute(
                insert(secret).values(row).on_conflict_do_nothing().returning(secret.c.id)
            )
            if added.first() is None:
                stored = await self._read(session, tenant_id, [chosen])
                if stored.get(chosen) != plain:
                    raise Conflict(f"secret {chosen} exists already with another value")
        return make_reference(chosen)

    async def set(self, tenant_id: str, name: str, value: dict[str, Any] | str) -> dict[str, str]:
        """Store a value under a name, in the place of the one before; returns its reference."""
        if not isinstance(value, (dict, str)):
            raise InvalidInput(f"a secret is text or an object, not {type(value).__name__}")
        tenant_id, keyring = inputs.tenant(tenant_id), self._keyring()
        chosen = secret_names.secret_id(tenant_id, inputs.name(name, "name"))
        hidden = {
            "name": name,
            "key_id": keyring.key_id,
            "ciphertext": keyring.encrypt(tenant_id, chosen, encoding.strict(value, "secret")),
            "updated_at": func.now(),
        }
        row = {"id": chosen, "tenant_id": tenant_id, "run_scoped": False, "created_at": func.now()}
        async with self._scope.write() as session:
            await session.execute(
                insert(secret)
                .values({**row, **hidden})
                .on_conflict_do_update(
                    index_elements=["id"], set_=hidden, where=secret.c.tenant_id == tenant_id
                )
            )
        return make_reference(chosen)

    async def get(self, tenant_id: str, reference: Mapping[str, Any] | str | UUID) -> Any:
        """Return the decrypted value."""
        wanted = reference_id(reference)
        async with self._scope.read() as session:
            found = await self._read(session, inputs.tenant(tenant_id), [wanted])
        _require(found, [wanted])
        return found[wanted]

    async def delete(self, tenant_id: str, reference: Mapping[str, Any] | str | UUID) -> bool:
        """Remove a secret; returns whether it existed."""
        statement = (
            delete(secret)
            .where(
                secret.c.id == reference_id(reference),
                secret.c.tenant_id == inputs.tenant(tenant_id),
            )
            .returning(secret.c.id)
        )
        async with self._scope.write() as session:
            return (await session.execute(statement)).first() is not None

    async def list(
        self, tenant_id: str, *, limit: int = 20, after: str | None = None
    ) -> Page[SecretInfo]:
        """Return a page of the secrets that have names, by name; never their values."""
        columns, rows = secret.c, inputs.page_limit(limit)
        statement = (
            select(columns.name, columns.created_at, columns.updated_at)
            .where(columns.tenant_id == inputs.tenant(tenant_id), columns.name.is_not(None))
            .order_by(columns.name)
            .limit(rows + 1)
        )
        if after is not None:
            statement = statement.where(columns.name > inputs.name(after, "after"))
        async with self._scope.read() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [SecretInfo.model_validate(dict(row)) for row in found[:rows]]
        return Page(data=data, limit=rows, has_more=len(found) > rows)

    async def resolve(self, tenant_id: str, value: Any) -> Any:
        """Return a copy in which references at any depth are replaced by what they stand for."""
        wanted = references(value)
        if not wanted:
            return value
        async with self._scope.read() as session:
            found = await self._read(session, inputs.tenant(tenant_id), wanted)
        _require(found, wanted)
        return replace_references(value, found)

    async def _read(
        self, session: Session, tenant_id: str, wanted: Iterable[UUID]
    ) -> dict[UUID, Any]:
        rows = await session.execute(
            select(secret.c.id, secret.c.key_id, secret.c.ciphertext).where(
                secret.c.id.in_(sorted(wanted)), secret.c.tenant_id == tenant_id
            )
        )
        keyring = self._keyring()
        return {
            row.id: keyring.decrypt(tenant_id, row.id, row.key_id, bytes(row.ciphertext))
            for row in rows
        }


def _require(found: Mapping[UUID, Any], wanted: Iterable[UUID]) -> None:
    for secret_id in wanted:
        if secret_id not in found:
            raise NotFound(f"secret {secret_id} does not exist", hint="store the credential again")
