"""Encrypting secrets anew after a new key was put in front of the old one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts.rotation import KeyUse, Rotation
from flowkeep.errors import ConfigurationError
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import secret

_COUNT_ROWS = 10_000
_NAMED = 100

_REPLACE = """
UPDATE {schema}.secret AS s
SET ciphertext = n.ciphertext, key_id = :key_id, updated_at = now()
FROM unnest(CAST(:ids AS uuid[]), CAST(:ciphertexts AS bytea[])) AS n(id, ciphertext)
WHERE s.id = n.id
"""


@dataclass
class _Tally:
    seen: int = 0
    rotated: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    damaged: int = 0
    damaged_ids: list[UUID] = field(default_factory=list)

    def report(self, key_id: str) -> Rotation:
        return Rotation(
            key_id=key_id,
            seen=self.seen,
            rotated=dict(self.rotated),
            busy=self.busy,
            damaged=self.damaged,
            damaged_ids=list(self.damaged_ids),
        )


class KeyRotation:
    """Keys of secrets, of all tenants; see the Protocol `SystemRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys when they are needed.
    """

    def __init__(self, scope: Scope, keyring: Callable[[], Keyring]) -> None:
        self._scope = scope
        self._keyring = keyring

    async def secret_keys(self) -> Sequence[KeyUse]:
        """Return the keys in use and those configured, the newest first."""
        keyring = self._keyring()
        counts = Counter[str](dict.fromkeys(keyring.key_ids, 0))
        page: Sequence[Mapping[str, Any]] | None = None
        while page is None or page:
            async with self._scope.read() as session:
                page = await _page(session, page, _COUNT_ROWS)
            counts.update(row["key_id"] for row in page)
        return [
            KeyUse(
                key_id=key_id,
                secrets=count,
                configured=key_id in keyring.key_ids,
                newest=key_id == keyring.key_id,
            )
            for key_id, count in counts.items()
        ]

    async def rotate_secrets(
        self, batch_size: int = 500, *, on_progress: Callable[[Rotation], None] | None = None
    ) -> Rotation:
        """Encrypt with the newest key whatever is encrypted with another; see the Protocol."""
        rows = inputs.batch_size(batch_size)
        keyring = self._keyring()
        _require_keys(await self.secret_keys())
        tally = _Tally()
        page: Sequence[Mapping[str, Any]] | None = None
        while page is None or page:
            async with self._scope.write() as session:
                page = await _page(session, page, rows)
                await _rotate(session, keyring, page, tally)
            tally.seen += len(page)
            if on_progress is not None and page:
                on_progress(tally.report(keyring.key_id))
        return tally.report(keyring.key_id)


def _require_keys(keys: Sequence[KeyUse]) -> None:
    missing = [key for key in keys if not key.configured]
    if missing:
        named = ", ".join(f"{key.key_id} ({key.secrets} secrets)" for key in missing)
        raise ConfigurationError(
            f"keys are missing that encrypt stored secrets: {named}; nothing was changed",
            hint="add them to FLOWKEEP_SECRET_KEY, behind the new key and a comma",
        )


async def _page(
    session: Session, before: Sequence[Mapping[str, Any]] | None, rows: int
) -> Sequence[Mapping[str, Any]]:
    """Read which keys the secrets behind the page before use, by a range of the primary key."""
    statement = select(secret.c.id, secret.c.key_id).order_by(secret.c.id).limit(rows)
    if before:
        statement = statement.where(secret.c.id > before[-1]["id"])
    return [dict(row) for row in (await session.execute(statement)).mappings()]


async def _rotate(
    session: Session, keyring: Keyring, page: Sequence[Mapping[str, Any]], tally: _Tally
) -> None:
    """Replace the ciphertexts of one page that another key made.

    Rows that somebody else holds are skipped: a second rotation that runs at the same time does
    them, and a deletion would only be waited for.
    """
    old = [row["id"] for row in page if row["key_id"] != keyring.key_id]
    if not old:
        return
    statement = (
        select(secret.c.id, secret.c.tenant_id, secret.c.key_id, secret.c.ciphertext)
        .where(secret.c.id.in_(old))
        .order_by(secret.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    locked = (await session.execute(statement)).mappings().all()
    tally.busy += len(old) - len(locked)
    renewed: dict[UUID, bytes] = {}
    for row in locked:
        if row["key_id"] == keyring.key_id:  # somebody else was faster
            continue
        ciphertext = keyring.renew(
            row["tenant_id"], row["id"], row["key_id"], bytes(row["ciphertext"])
        )
        if ciphertext is None:
            tally.damaged += 1
            tally.damaged_ids += [row["id"]] if len(tally.damaged_ids) < _NAMED else []
        else:
            renewed[row["id"]] = ciphertext
            tally.rotated[row["key_id"]] += 1
    if renewed:
        await session.execute(
            _REPLACE,
            {
                "key_id": keyring.key_id,
                "ids": list(renewed),
                "ciphertexts": list(renewed.values()),
            },
        )
