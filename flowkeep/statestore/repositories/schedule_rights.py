"""What the owner of a schedule may do now, as far as the ledger can know it.

The ledger keeps no roles of people: keys and tokens bring them. So of an owner who showed a key it
is known now, of others as it was when they wrote the schedule.
"""

from collections.abc import Mapping
from typing import Any

from flowkeep.contracts.api.access import Principal, Role
from flowkeep.contracts.schedules import OwnerRights
from flowkeep.contracts.sight import Sight, sight_of
from flowkeep.errors import Forbidden

RIGHTS = """
s.rights, (
    SELECT jsonb_agg(jsonb_build_object('role', k.role, 'app_roles', k.app_roles))
    FROM {schema}.api_key AS k
    WHERE k.subject = s.owner
      AND (k.tenant_id = s.tenant_id OR (k.system AND CAST(s.rights ->> 'system' AS boolean)))
      AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
) AS keys
"""
"""SQL: what is known of the owner of the schedule `s`, for `sight_now`."""


def sight_now(row: Mapping[str, Any]) -> Sight | None:
    """Return what the owner of a schedule sees now; None for everything in the tenant.

    Args:
        row: Tenant, app and owner of the schedule, and `RIGHTS`.

    Raises:
        Forbidden: If they may start no runs there any more.
    """
    if row["rights"] is None:
        return None
    rights = OwnerRights.model_validate(row["rights"])
    if not rights.keyed:
        return rights.sight
    owner = _principal(row)
    if not owner.may(Role.OPERATOR, row["app_id"]):
        where = "the tenant" if row["app_id"] is None else f"app {row['app_id']!r}"
        raise Forbidden(
            f"{owner.subject!r}, whom the schedule belongs to, has no API key any more that may"
            f" start runs in {where}",
            hint="give the schedule to somebody who has: put it with another owner",
        )
    return sight_of(owner)


def why_not(row: Mapping[str, Any]) -> str | None:
    """Return why the owner of a schedule may start no runs; None where they may."""
    try:
        sight_now(row)
    except Forbidden as error:
        return error.message
    return None


def _principal(row: Mapping[str, Any]) -> Principal:
    """Return the owner with the roles of all their keys."""
    roles: list[Role] = []
    apps: dict[str, Role] = {}
    for key in row["keys"] or ():
        if key["role"] is not None:
            roles.append(Role(key["role"]))
        for app, role in key["app_roles"].items():
            apps[app] = _higher(Role(role), apps.get(app))
    role = None
    for one in roles:
        role = _higher(one, role)
    return Principal(subject=row["owner"], tenant_id=row["tenant_id"], role=role, app_roles=apps)


def _higher(role: Role, other: Role | None) -> Role:
    return other if other is not None and other.allows(role) else role
