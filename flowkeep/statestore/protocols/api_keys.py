"""API keys."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, NewApiKey


class ApiKeyRepository(Protocol):
    """What shows who calls the service.

    Stored is the SHA-256 of a secret that holds 256 random bits. A slow, salted hash protects
    passwords, which people choose and attackers guess; that many random bits cannot be guessed
    however fast one tries, and each request pays for the hash.
    """

    async def create(
        self,
        tenant_id: str,
        new: NewApiKey,
        *,
        subject: str,
        created_by: str | None = None,
        key_id: UUID | None = None,
    ) -> IssuedKey:
        """Make a key; its secret is in the answer and nowhere else.

        Args:
            tenant_id: The tenant it acts in.
            new: Its name and rights.
            subject: Whom it stands for where `new` does not say.
            created_by: Who makes it.
            key_id: Its id, so that making it again is refused; a new one when left out.

        Raises:
            InvalidInput: If a field is malformed, or it would have expired already.
            Conflict: If there is a key of this id.
        """
        ...

    async def ensure_system(
        self, tenant_id: str, new: NewApiKey, *, subject: str
    ) -> IssuedKey | None:
        """Make a key unless one with `system` is usable; of processes at once one makes it.

        Returns:
            The new key; None where there was a usable one, in whatever tenant.
        """
        ...

    async def get(self, tenant_id: str, key_id: UUID) -> ApiKey:
        """Return a key.

        Raises:
            NotFound: If the tenant has none of this id.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        subject: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[ApiKey]:
        """Return a page of keys, newest first, ended ones included.

        Args:
            tenant_id: Whose keys.
            subject: Only those that stand for it.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last key of the page before.
        """
        ...

    async def authenticate(self, secret: str) -> ApiKey:
        """Return the key that a secret belongs to, of whatever tenant.

        Raises:
            Unauthenticated: If there is none, or it has expired or was revoked.
        """
        ...

    async def confirm(self, key_id: UUID) -> ApiKey:
        """Return a key of whatever tenant that is usable, for a session that began with it.

        Raises:
            Unauthenticated: If it is gone, has expired or was revoked.
        """
        ...

    async def note_use(self, key_id: UUID) -> None:
        """Note that a key is used now; written at most once a minute."""
        ...

    async def rename(self, tenant_id: str, key_id: UUID, name: str) -> ApiKey:
        """Change what people call a key.

        Raises:
            NotFound: If there is none of this id.
            Forbidden: If it belongs to another tenant.
        """
        ...

    async def revoke(
        self, tenant_id: str, key_id: UUID, *, revoked_by: str | None = None
    ) -> ApiKey:
        """End a key; one that was revoked before stays as it is.

        Raises:
            NotFound: If there is none of this id.
            Forbidden: If it belongs to another tenant.
        """
        ...

    async def delete_ended(self, tenant_id: str | None, before: datetime) -> int:
        """Remove the keys that expired or were revoked before a time; returns how many.

        Args:
            tenant_id: Whose keys; None for those of every tenant.
            before: The time.
        """
        ...
