"""Apps."""

from typing import Protocol

from flowkeep.contracts import App, AppPatch, NewApp, Page


class AppRepository(Protocol):
    """Containers inside a tenant.

    Runs, definitions and actions name an app by its id. They may name one that is not recorded
    here; recording it gives it a ref, a name and a parent.
    """

    async def create(self, tenant_id: str, new: NewApp) -> App:
        """Record an app, or return the one that was recorded with the same content.

        Raises:
            Conflict: If the id is taken with other content, or the ref by another app.
            InvalidInput: If a field is malformed.
        """
        ...

    async def get(self, tenant_id: str, app_id: str) -> App:
        """Return an app.

        Raises:
            NotFound: If the tenant has none of this id.
        """
        ...

    async def get_by_ref(self, tenant_id: str, ref: str) -> App:
        """Return an app by its ref.

        Raises:
            NotFound: If the tenant has none of this ref.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        parent: str | None = None,
        limit: int = 20,
        last_id: str | None = None,
    ) -> Page[App]:
        """Return a page of apps, by id.

        Args:
            tenant_id: Whose apps.
            parent: Only those with this parent.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last app of the page before.
        """
        ...

    async def update(self, tenant_id: str, app_id: str, patch: AppPatch) -> App:
        """Rename an app or move it; its id never changes.

        A patch with nothing to do writes nothing. Of two at once both are applied, one after the
        other, field by field.

        Raises:
            NotFound: If the tenant has none of this id.
            Conflict: If the ref is taken.
        """
        ...

    async def delete(self, tenant_id: str, app_id: str) -> None:
        """Remove an app that is empty.

        Raises:
            NotFound: If the tenant has none of this id.
            Conflict: If runs, archived runs, definitions or actions are in it; names which.
        """
        ...
