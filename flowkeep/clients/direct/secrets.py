"""Secrets with names: stored, listed and removed, never read."""

from typing import Any

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.secrets import SecretInfo
from flowkeep.contracts.secret_names import secret_id
from flowkeep.errors import NotFound


class Secrets(Noun):
    """Secrets; it is `client.secrets`. For admins of the tenant; values never come back.

    The audit log hears names only: a digest of a short value would tell it to who tries many.
    """

    async def list(self, *, limit: int = 20, cursor: str | None = None) -> Listing[SecretInfo]:
        """Return a page of the secrets that have names, by name.

        Args:
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        page = await self._store.secrets.list(self._tenant, limit=limit, after=cursor)
        return listed(page, lambda one: one.name)

    async def set(self, name: str, value: str | dict[str, Any]) -> None:
        """Store a value under a name, in the place of the one before.

        Args:
            name: What definitions call for by `secret('NAME')`.
            value: Text, or an object.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            InvalidInput: If the name or the value cannot be stored.
            ConfigurationError: If no key to encrypt it is configured.
        """
        self._access.require(Role.ADMIN)
        async with self._journal.writing("secret.set", "secret", name):
            await self._store.secrets.set(self._tenant, name, value)

    async def delete(self, name: str) -> None:
        """Remove a secret by its name, or by its id.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            NotFound: If the tenant has none.
        """
        self._access.require(Role.ADMIN)
        async with self._journal.writing("secret.delete", "secret", name):
            if not await self._store.secrets.delete(self._tenant, secret_id(self._tenant, name)):
                raise NotFound(f"the secret {name!r} does not exist", hint="nothing was removed")
