"""API keys: what shows who calls."""

from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, KeyPatch, NewApiKey
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.errors import Forbidden, NotFound


class Keys(Noun):
    """API keys; it is `client.keys`.

    Admins of the tenant manage its keys. Others see the keys that stand for them, and may revoke
    these.
    """

    async def create(self, new: NewApiKey) -> IssuedKey:
        """Make a key; its secret is in the answer and can never be read again.

        Without a subject it stands for the caller; for its own name where nobody said who calls.

        Raises:
            Forbidden: If the caller is no admin of the tenant, or the key would be allowed more
                than the caller, or live longer than the key that they show.
            Unauthenticated: If the key that they show has ended meanwhile.
            InvalidInput: If it would have expired already.
            Conflict: If the same request has made it already: its secret is gone.
        """
        self._access.require(Role.ADMIN)
        if new.system:
            self._access.require_system()
        await self._require_shorter_life(new)
        owner = self._access.principal.owner
        async with self._journal.writing("key.create", "key") as entry:
            made = await self._store.api_keys.create(
                self._tenant,
                new,
                subject=owner or new.name,
                created_by=owner,
                key_id=self._client.caller.request_key,
            )
            entry.became(made.shown(), made.id)
            return made

    async def get(self, key_id: UUID) -> ApiKey:
        """Return a key.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        key = await self._store.api_keys.get(self._tenant, key_id)
        if not self._sees(key):
            error = NotFound(
                f"API key {key_id} does not exist", hint="`flowkeep key list` shows yours"
            )
            raise self._access.denied(error, "key", key_id)
        return key

    async def list(
        self, *, subject: str | None = None, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[ApiKey]:
        """Return a page of keys, newest first, ended ones included.

        Args:
            subject: Only those that stand for it; who is no admin sees their own anyway.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        if not self._access.principal.is_staff():
            own = self._access.principal.subject
            if subject not in (None, own):
                return Listing(data=(), limit=limit)
            subject = own
        page = await self._store.api_keys.list(
            self._tenant, subject=subject, limit=limit, last_id=cursor
        )
        return listed(page, lambda key: key.id)

    async def update(self, key_id: UUID, patch: KeyPatch) -> ApiKey:
        """Change what people call a key.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no admin of the tenant.
        """
        before = await self.get(key_id)
        self._access.require(Role.ADMIN)
        self._guard_system(before)
        async with self._journal.writing("key.update", "key", key_id) as entry:
            entry.was(before)
            renamed = await self._store.api_keys.rename(self._tenant, key_id, patch.name)
            entry.became(renamed)
            return renamed

    async def revoke(self, key_id: UUID) -> ApiKey:
        """End a key, within five seconds everywhere; once more changes nothing.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If it is a system admin's and the caller is none.
        """
        before = await self.get(key_id)
        self._guard_system(before)
        async with self._journal.writing("key.revoke", "key", key_id) as entry:
            entry.was(before)
            revoked = await self._store.api_keys.revoke(
                self._tenant, key_id, revoked_by=self._access.principal.owner
            )
            entry.became(revoked)
            return revoked

    async def _require_shorter_life(self, new: NewApiKey) -> None:
        """Refuse a key that outlives the one that makes it: nobody prolongs what they were given.

        Raises:
            Forbidden: If it would.
            Unauthenticated: If the key that the caller shows has ended meanwhile.
        """
        own_id = self._access.principal.key_id
        if own_id is None:
            return
        ends = (await self._store.api_keys.confirm(own_id)).expires_at
        if ends is None or (new.expires_at is not None and new.expires_at <= ends):
            return
        error = Forbidden(
            f"the key would outlive the one that makes it, which ends at {ends.isoformat()}",
            hint="give an expires_at up to then, or make it with a key that lives longer",
        )
        raise self._access.denied(error, "key")

    def _sees(self, key: ApiKey) -> bool:
        principal = self._access.principal
        return principal.is_staff() or key.subject == principal.subject

    def _guard_system(self, key: ApiKey) -> None:
        """Keep the keys of system admins from admins of the tenant that these lie in."""
        if key.system and not self._access.principal.system:
            error = Forbidden(
                f"API key {key.id} belongs to a system admin", hint="use a key with `system`"
            )
            raise self._access.denied(error, "key", key.id)
