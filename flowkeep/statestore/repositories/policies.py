"""Retention policies: who sets them, and which runs each is for."""

# ruff: noqa: S608 - only constants of ours are put into statements

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from flowkeep.contracts.retention import RetentionCursor, RetentionPolicy
from flowkeep.errors import InvalidInput, RevisionMismatch
from flowkeep.statestore.repositories import holds, inputs
from flowkeep.statestore.repositories.expiry import Selection
from flowkeep.statestore.session import Scope

MOST_DAYS = 36_500
"""Longest time that is counted in days; for ever is None."""
_AT = """
WHERE tenant_id = :tenant_id AND coalesce(app_id, '') = coalesce(CAST(:app_id AS text), '')
  AND coalesce(definition_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid))
    = coalesce(CAST(:definition_id AS uuid), CAST('00000000-0000-0000-0000-000000000000' AS uuid))
"""
_INSERT = """
INSERT INTO {schema}.retention_policy (id, tenant_id, app_id, definition_id, days, archive_first,
    legal_hold, revision, created_by, created_at, updated_at)
VALUES (:id, :tenant_id, :app_id, :definition_id, :days, :archive_first, :legal_hold, 1, :actor,
    now(), now())
RETURNING *
"""
_UPDATE = f"""
UPDATE {{schema}}.retention_policy SET days = :days, archive_first = :archive_first,
    legal_hold = :legal_hold, revision = revision + 1, updated_at = now()
{_AT} RETURNING *
"""


class Policies:
    """Retention policies; see the Protocol `RetentionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def set_policy(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        days: int | None,
        archive_first: bool = False,
        legal_hold: bool = False,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> RetentionPolicy:
        """Set the policy of a tenant, an app or a definition as a whole."""
        bound = _named(tenant_id, app_id, definition_id)
        wanted = {"days": _days(days), "archive_first": archive_first, "legal_hold": legal_hold}
        async with self._scope.write() as session:
            await holds.pass_gate(session, bound["tenant_id"], alone=True)
            found = await session.execute(f"SELECT * FROM {{schema}}.retention_policy {_AT}", bound)
            row = found.mappings().one_or_none()
            revision = 0 if row is None else row["revision"]
            if expected_revision is not None and expected_revision != revision:
                name = "retention policy"
                raise RevisionMismatch(name, expected=expected_revision, actual=revision)
            if row is None:
                new = {"id": uuid_utils.compat.uuid7(), "actor": actor}
                row = await _one(session, _INSERT, {**bound, **wanted, **new})
            elif any(row[name] != value for name, value in wanted.items()):
                row = await _one(session, _UPDATE, {**bound, **wanted})
        return RetentionPolicy.model_validate(dict(row))

    async def get_policy(
        self, tenant_id: str, *, app_id: str | None = None, definition_id: UUID | None = None
    ) -> RetentionPolicy | None:
        """Return the policy of exactly this scope, or None."""
        bound = _named(tenant_id, app_id, definition_id)
        async with self._scope.read() as session:
            found = await session.execute(f"SELECT * FROM {{schema}}.retention_policy {_AT}", bound)
            row = found.mappings().one_or_none()
        return None if row is None else RetentionPolicy.model_validate(dict(row))

    async def list_policies(self, tenant_id: str) -> Sequence[RetentionPolicy]:
        """Return all policies of a tenant, the tenant's own first."""
        async with self._scope.read() as session:
            return await holds.read(session, inputs.tenant(tenant_id), steady=False)

    async def delete_policy(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> bool:
        """Remove the policy of exactly this scope; returns whether there was one."""
        bound = _named(tenant_id, app_id, definition_id)
        async with self._scope.write() as session:
            await holds.pass_gate(session, bound["tenant_id"], alone=True)
            if expected_revision is not None:
                found = await session.execute(
                    f"SELECT revision FROM {{schema}}.retention_policy {_AT}", bound
                )
                actual = found.scalar_one_or_none() or 0
                if actual != expected_revision:
                    name = "retention policy"
                    raise RevisionMismatch(name, expected=expected_revision, actual=actual)
            gone = await session.execute(f"DELETE FROM {{schema}}.retention_policy {_AT}", bound)
            return gone.rowcount > 0


def selections(
    policies: Sequence[RetentionPolicy], now: datetime
) -> list[tuple[RetentionPolicy, Selection | None]]:
    """Return which runs each policy removes, the most specific policy first.

    A run belongs to its definition's policy, else to its app's, else to the tenant's. None stands
    where a policy removes nothing.
    """
    apps = tuple(p.app_id for p in policies if p.app_id is not None)
    definitions = tuple(p.definition_id for p in policies if p.definition_id is not None)
    found: list[tuple[RetentionPolicy, Selection | None]] = []
    for policy in sorted(policies, key=_order):
        selection = None
        if policy.days is not None and not policy.legal_hold:
            general = policy.definition_id is None
            selection = Selection(
                policy.tenant_id,
                now - timedelta(days=policy.days),
                app_id=policy.app_id,
                definition_id=policy.definition_id,
                without_apps=apps if general and policy.app_id is None else (),
                without_definitions=definitions if general else (),
            )
        found.append((policy, selection))
    return found


def begin(
    tenant_id: str, policies: Sequence[RetentionPolicy], resume: RetentionCursor | None
) -> tuple[RetentionCursor, Sequence[UUID]]:
    """Return where a call begins, and which policies the calls before are through with.

    Policies that have changed since are applied from the beginning.

    Raises:
        InvalidInput: If `resume` is something else.
    """
    if resume is not None and not isinstance(resume, RetentionCursor):
        raise InvalidInput(
            f"resume is a {type(resume).__name__}",
            hint="hand over `resume` of the report of the call before",
        )
    ordered = [policy.id for policy in sorted(policies, key=_order)]
    named = sorted(f"{policy.id} {policy.revision}" for policy in policies)
    digest = hashlib.sha256("\n".join([tenant_id, *named]).encode()).hexdigest()
    if resume is None or resume.policies != digest or resume.policy_id not in {None, *ordered}:
        return RetentionCursor(policies=digest), []
    if resume.policy_id is None:
        return resume, ordered
    return resume, ordered[: ordered.index(resume.policy_id)]


def _order(policy: RetentionPolicy) -> tuple[int, str]:
    if policy.definition_id is not None:
        return 0, str(policy.definition_id)
    return (2, "") if policy.app_id is None else (1, policy.app_id)


def _named(tenant_id: str, app_id: str | None, definition_id: UUID | None) -> dict[str, Any]:
    if app_id is not None and definition_id is not None:
        raise InvalidInput(
            "a retention policy is for an app or for a definition, not for both",
            hint="a definition's policy beats that of its app",
        )
    return {
        "tenant_id": inputs.tenant(tenant_id),
        "app_id": None if app_id is None else inputs.name(app_id, "app_id"),
        "definition_id": None
        if definition_id is None
        else inputs.run_id(definition_id, "definition_id"),
    }


def _days(days: int | None) -> int | None:
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"days is {days!r}", hint=f"use 0 to {MOST_DAYS}, or leave it out to keep runs for ever"
        )
    return days


async def _one(session: Any, statement: str, bound: dict[str, Any]) -> Any:
    return (await session.execute(statement, bound)).mappings().one()
