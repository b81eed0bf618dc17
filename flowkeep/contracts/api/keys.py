"""API keys: what shows who calls."""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator, model_validator

from flowkeep.contracts.api.access import Principal, Role
from flowkeep.contracts.api.texts import Time
from flowkeep.contracts.record import Record

_PLAIN = r"^[^\x00-\x1f\x7f]+$"
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PLAIN)]
"""A name for people: 1 to 200 characters on one line."""
MOST_APPS = 100
"""Most apps that one key names."""
LAST_YEAR = 9000
"""Later times overflow in some time zone."""


class NewApiKey(Record):
    """What it takes to make a key.

    Attributes:
        name: What people call it.
        subject: The user or service it stands for, owner of what is made with it; whoever makes
            the key when left out.
        role: Its role in the whole tenant.
        app_roles: Its roles in single apps, by app id.
        system: Whether it may act in every tenant; its role is then `admin`.
        expires_at: When it ends by itself; null is never.
    """

    name: KeyName
    subject: KeyName | None = None
    role: Role | None = None
    app_roles: dict[KeyName, Role] = Field(default_factory=dict, max_length=MOST_APPS)
    system: bool = False
    expires_at: Time | None = None

    @field_validator("expires_at")
    @classmethod
    def _in_our_days(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.year > LAST_YEAR:
            raise ValueError(f"use a year up to {LAST_YEAR}, or null for a key that never ends")
        return value

    @model_validator(mode="after")
    def _grants_something(self) -> Self:
        if self.system and self.role not in (None, Role.ADMIN):
            raise ValueError("a key with `system` has the role admin")
        if self.role is None and not self.app_roles and not self.system:
            raise ValueError("name a role, or roles in apps")
        return self


class KeyPatch(Record):
    """What is to change about a key; its rights never change: make another key.

    Attributes:
        name: What people call it.
    """

    name: KeyName


class ApiKey(Record):
    """A key, without its secret.

    Attributes:
        id: Names it.
        tenant_id: The tenant it acts in.
        name: What people call it.
        subject: The user or service it stands for.
        prefix: How its secret begins: tells which of one's secrets it is.
        role: Its role in the whole tenant; null where it has roles in apps only.
        app_roles: Its roles in single apps, by app id.
        system: Whether it may act in every tenant.
        created_by: Who made it; null where nobody said.
        created_at: When.
        expires_at: When it ends by itself; null is never.
        revoked_at: When it was revoked.
        revoked_by: By whom; null where nobody said.
        last_used_at: When it was last used, to the minute.
    """

    id: UUID
    tenant_id: str
    name: str
    subject: str
    prefix: str
    role: Role | None
    app_roles: dict[str, Role]
    system: bool
    created_by: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return `active`, `revoked` or `expired`.

        Args:
            now: The present, with a time zone.
        """
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else "active"

    @cached_property
    def principal(self) -> Principal:
        """Who calls with it."""
        return Principal(
            subject=self.subject,
            tenant_id=self.tenant_id,
            role=self.role,
            app_roles=self.app_roles,
            system=self.system,
            via="key",
            key_id=self.id,
        )


class IssuedKey(ApiKey):
    """A new key with its secret, which is shown this once.

    Attributes:
        secret: What to send as `Authorization: Bearer …`; nobody can read it again.
    """

    secret: str = Field(repr=False)

    def shown(self) -> ApiKey:
        """Return the key without its secret."""
        return ApiKey.model_validate(self.model_dump(exclude={"secret"}))
