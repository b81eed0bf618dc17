"""Webhooks: who is told how runs end."""

from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.webhooks import (
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
    Webhook,
    WebhookPatch,
)
from flowkeep.contracts.sight import sight_of
from flowkeep.errors import Forbidden, InvalidInput

_HINT = "look it up with `webhook list`"


class Webhooks(Noun):
    """Webhooks; it is `client.webhooks`.

    Staff sees those of its tenant or app, others see their own. Changing one needs the role editor.
    Who is no staff is told of their own runs only, as they see no others.
    """

    async def create(self, new: NewWebhook) -> IssuedWebhook:
        """Make a webhook; the secret that signs its messages can never be read again.

        A request that is carried out again, because its process died, finds what it made.

        Raises:
            Forbidden: If the caller is no editor, or wants to be told of others' runs without
                being staff.
            Conflict: If the tenant has too many.
        """
        self._access.require(Role.EDITOR, new.app_id)
        principal = self._access.principal
        if not principal.is_staff(new.app_id):
            if new.run_owner not in (None, principal.subject):
                error = Forbidden("only staff is told of others' runs", hint="leave run_owner out")
                raise self._access.denied(error, "webhook")
            new = new.model_copy(update={"run_owner": principal.subject})
        owner = principal.owner
        async with self._journal.writing("webhook.create", "webhook") as entry:
            made = await self._store.webhooks.create(
                self._tenant,
                new,
                owner=owner,
                created_by=owner,
                webhook_id=self._client.caller.request_key,
            )
            entry.became(made.shown(), made.id)
            return made

    async def get(self, webhook_id: UUID) -> Webhook:
        """Return a webhook, without its secret.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = await self._store.webhooks.get(self._tenant, webhook_id)
        principal = self._access.principal
        own = found.owner is not None and found.owner == principal.subject
        if not (principal.is_staff(found.app_id) or own):
            raise self._access.hidden("webhook", webhook_id, hint=_HINT)
        return found

    async def list(
        self, *, app_id: str | None = None, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[Webhook]:
        """Return a page of the webhooks that the caller sees, oldest first.

        Args:
            app_id: Only those of this app.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        self._access.require_anywhere(Role.VIEWER)
        page = await self._store.webhooks.list(
            self._tenant,
            sight=sight_of(self._access.principal),
            app_id=app_id,
            limit=limit,
            last_id=cursor,
        )
        return listed(page, lambda one: one.id)

    async def update(
        self, webhook_id: UUID, patch: WebhookPatch, expected_revision: int | None = None
    ) -> Webhook:
        """Change the fields that the patch gives; what is under way is sent as it says then.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor.
            RevisionMismatch: If somebody else changed it first.
        """
        before = await self._changed(webhook_id)
        if before.run_owner != self._access.principal.subject:
            # Made by staff, it tells of everybody's runs: who is none any more cannot redirect it.
            self._access.require(Role.ADMIN, before.app_id)
        async with self._journal.writing("webhook.update", "webhook", webhook_id) as entry:
            entry.was(before)
            changed = await self._store.webhooks.update(
                self._tenant, webhook_id, patch.changes(), expected_revision=expected_revision
            )
            entry.became(changed)
            return changed

    async def delete(self, webhook_id: UUID, expected_revision: int | None = None) -> None:
        """Remove a webhook with its deliveries; what is due is not sent any more.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor.
            RevisionMismatch: If somebody else changed it first.
        """
        before = await self._changed(webhook_id)
        async with self._journal.writing("webhook.delete", "webhook", webhook_id) as entry:
            entry.was(before)
            await self._store.webhooks.delete(
                self._tenant, webhook_id, expected_revision=expected_revision
            )

    async def test(self, webhook_id: UUID) -> Delivery:
        """Have a message of the type `test` delivered, as others are.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor.
            Conflict: If so many tests of it were not tried yet that no more are taken.
        """
        await self._changed(webhook_id)
        async with self._journal.writing("webhook.test", "webhook", webhook_id):
            return await self._store.webhooks.test(self._tenant, webhook_id)

    async def deliveries(
        self,
        webhook_id: UUID,
        *,
        state: DeliveryState | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[Delivery]:
        """Return a page of the deliveries to a webhook, newest first.

        Args:
            webhook_id: Which.
            state: Only those in this state.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            NotFound: If there is no such webhook that the caller may see.
            InvalidInput: If the cursor is none of this list.
        """
        await self.get(webhook_id)
        page = await self._store.webhooks.deliveries(
            self._tenant,
            webhook_id,
            state=state,
            limit=limit,
            before=None if cursor is None else _number(cursor),
        )
        return listed(page, lambda one: one.seq)

    async def _changed(self, webhook_id: UUID) -> Webhook:
        found = await self.get(webhook_id)
        self._access.require(Role.EDITOR, found.app_id)
        return found


def _number(cursor: str) -> int:
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18:
        return int(cursor)
    raise InvalidInput(
        f"cursor {cursor[:80]!r} is none of this list", hint="pass `next` of the page before"
    )
