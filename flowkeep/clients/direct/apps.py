"""Apps: containers inside the tenant."""

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.errors import NotFound


class Apps(Noun):
    """Apps; it is `client.apps`. Who has a role in single apps sees only these."""

    async def create(self, new: NewApp) -> App:
        """Record an app, or return the one that was recorded with the same content.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If the id or the ref is taken.
        """
        self._access.require(Role.ADMIN)
        async with self._journal.writing("app.create", "app", new.id) as entry:
            made = await self._store.apps.create(self._tenant, new)
            entry.became(made)
            return made

    async def get(self, app_id: str) -> App:
        """Return an app.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        if not self._access.principal.may(Role.VIEWER, app_id):
            raise self._access.hidden("app", app_id)
        return await self._store.apps.get(self._tenant, app_id)

    async def list(
        self, *, parent: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[App]:
        """Return a page of apps, by id.

        Args:
            parent: Only those that belong to it.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        if not self._access.principal.may(Role.VIEWER):
            return await self._own(parent, limit, cursor)
        page = await self._store.apps.list(self._tenant, parent=parent, limit=limit, last_id=cursor)
        return listed(page, lambda app: app.id)

    async def _own(self, parent: str | None, limit: int, cursor: str | None) -> Listing[App]:
        """Return a page of the apps that the caller has a role in; they are few."""
        found = []
        for app_id in sorted(self._access.principal.app_roles):
            if cursor is None or app_id > cursor:
                try:
                    app = await self._store.apps.get(self._tenant, app_id)
                except NotFound:  # a role may be given before the app is made
                    continue
                if parent in (None, app.parent):
                    found.append(app)
        more = len(found) > limit
        return Listing(
            data=tuple(found[:limit]),
            limit=limit,
            has_more=more,
            next=found[limit - 1].id if more else None,
        )

    async def update(self, app_id: str, patch: AppPatch) -> App:
        """Change the fields that the patch gives.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no admin of the app.
            Conflict: If the ref is taken.
        """
        before = await self.get(app_id)
        self._access.require(Role.ADMIN, app_id)
        async with self._journal.writing("app.update", "app", app_id) as entry:
            entry.was(before)
            changed = await self._store.apps.update(self._tenant, app_id, patch)
            entry.became(changed)
            return changed

    async def delete(self, app_id: str) -> None:
        """Remove an app that is empty.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If something lies in it.
        """
        before = await self.get(app_id)
        self._access.require(Role.ADMIN)
        async with self._journal.writing("app.delete", "app", app_id) as entry:
            entry.was(before)
            await self._store.apps.delete(self._tenant, app_id)
