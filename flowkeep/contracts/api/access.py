"""Who calls, and what they may do."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from flowkeep.contracts.record import Record


class Role(StrEnum):
    """What a caller may do; each role may do what those before it may."""

    VIEWER = "viewer"
    """Reads."""
    OPERATOR = "operator"
    """Starts, steers and answers runs."""
    EDITOR = "editor"
    """Writes definitions and schedules."""
    ADMIN = "admin"
    """Staff: sees everything, reassigns owners, manages keys, secrets, retention and archive."""

    def allows(self, needed: "Role") -> bool:
        """Return whether who has this role may do what needs another."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Principal(Record):
    """Who calls.

    Attributes:
        subject: The user or service; owner of what it makes.
        tenant_id: The tenant it acts in.
        role: Its role in the whole tenant; null where it has roles in apps only.
        app_roles: Its roles in single apps, by app id.
        system: Whether it may act in every tenant, and on what belongs to none.
        via: How it showed who it is; `local` on a service that is open on this machine only, and
            for programs that use the ledger directly; `none` of whom nobody knows.
        key_id: The API key it showed.
    """

    subject: str
    tenant_id: str = "default"
    role: Role | None = None
    app_roles: dict[str, Role] = Field(default_factory=dict)
    system: bool = False
    via: Literal["local", "key", "token", "session", "none"] = "local"
    key_id: UUID | None = None

    @classmethod
    def local(cls, tenant_id: str = "default", subject: str = "local") -> "Principal":
        """Return who may do everything, because the ledger is theirs anyway."""
        return cls(subject=subject, tenant_id=tenant_id, role=Role.ADMIN, system=True)

    @property
    def owner(self) -> str | None:
        """Whom what it makes belongs to; nobody, where nobody said who they are."""
        return None if self.via == "local" else self.subject

    def role_in(self, app_id: str | None) -> Role | None:
        """Return the role in an app, or among what belongs to no app."""
        roles = [self.role, self.app_roles.get(app_id) if app_id is not None else None]
        known = [role for role in roles if role is not None]
        return max(known, key=_RANKS.__getitem__, default=None)

    def may(self, needed: Role, app_id: str | None = None) -> bool:
        """Return whether its role in an app (or in the tenant) is enough."""
        role = self.role_in(app_id)
        return role is not None and role.allows(needed)

    def may_anywhere(self, needed: Role) -> bool:
        """Return whether its role in the tenant or in any app is enough."""
        return any(self.may(needed, app_id) for app_id in (None, *self.app_roles))

    def is_staff(self, app_id: str | None = None) -> bool:
        """Return whether it sees everything in the tenant, or in an app."""
        return self.may(Role.ADMIN, app_id)


class Caller(Record):
    """A principal and the request it made.

    Attributes:
        principal: Who.
        request_id: Names the request in logs, the audit log and the answer.
        address: Where it came from; null for programs on the ledger.
        operation: Method and route of the request, for example `DELETE /apps/{app_id}`.
        target: Its path.
        request_key: What objects that the request makes take their ids from, so that repeating it
            finds them; null unless it came with an idempotency key.
    """

    principal: Principal
    request_id: str
    address: str | None = None
    operation: str | None = None
    target: str | None = None
    request_key: UUID | None = None
