"""Statistics: how many runs there were, how they ended and how long they took."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.statistics import TenantFigures, WindowSummary
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    UsageCounts,
)
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import windows


class Statistics(Noun):
    """Statistics; it is `client.statistics`. Archived and deleted runs are counted, too.

    Every member of the tenant sees all of its figures. Who has roles in apps only names one of
    these apps. Figures of all tenants are for system admins.
    """

    async def summary(self, window: str = "24h", *, app_id: str | None = None) -> WindowSummary:
        """Return how many runs of the last `window` are in each status, and how long they took.

        Args:
            window: How far back: a number and d, h, m or s.
            app_id: Only this app's.

        Raises:
            InvalidInput: If there is no such window, or the caller has to name an app.
            NotFound: If the caller has no role in that app.
        """
        self._check(app_id)
        counts = await self._store.runs.count_by_status(self._tenant, window, app_id=app_id)
        since = datetime.now(UTC) - windows.window(window)
        took = await self._store.statistics.durations(self._tenant, since, app_id=app_id)
        return WindowSummary(
            window=window, by_status=dict(counts), durations=took.data, as_of=took.as_of
        )

    async def per_day(
        self,
        time_zone: str = "UTC",
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[DayCounts]]:
        """Return runs by the day on which they were created, days without runs included.

        Args:
            time_zone: Whose days: an IANA name.
            since: Created then or later; 30 days before `until` when left out.
            until: Created before; now when left out.
            app_id: Only this app's.
            definition_id: Only runs of this definition.
            workflow_type: Only runs of this workflow type.
            all_tenants: Of all tenants together; goes with no filter.

        Raises:
            InvalidInput: If a value cannot be used, or the caller has to name an app.
            NotFound: If the caller has no role in that app.
            Forbidden: If all tenants are meant and the caller is no system admin.
        """
        filters = {
            "app_id": app_id,
            "definition_id": definition_id,
            "workflow_type": workflow_type,
        }
        if self._all(all_tenants, filters):
            return await self._store.system.per_day(time_zone, since, until)
        return await self._store.statistics.per_day(
            self._tenant,
            time_zone,
            since,
            until,
            app_id=app_id,
            definition_id=definition_id,
            workflow_type=workflow_type,
        )

    async def durations(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Durations]:
        """Return how long runs took, in seconds; arguments and errors as of `per_day`."""
        filters = {
            "app_id": app_id,
            "definition_id": definition_id,
            "workflow_type": workflow_type,
        }
        if self._all(all_tenants, filters):
            return await self._store.system.durations(since, until)
        return await self._store.statistics.durations(
            self._tenant,
            since,
            until,
            app_id=app_id,
            definition_id=definition_id,
            workflow_type=workflow_type,
        )

    async def most_executed(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["definition", "workflow_type"] = "definition",
        app_id: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[ExecutedCounts]]:
        """Return the definitions or workflow types with most runs; raises as `per_day` does.

        Args:
            limit: Rows, 1 to 100.
            since: Created then or later; 30 days before `until` when left out.
            until: Created before; now when left out.
            by: What is counted.
            app_id: Only this app's.
            all_tenants: Of all tenants together; goes with no filter.
        """
        if self._all(all_tenants, {"app_id": app_id}):
            return await self._store.system.most_executed(limit, since, until, by=by)
        return await self._store.statistics.most_executed(
            self._tenant, limit, since, until, by=by, app_id=app_id
        )

    async def usage(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["module", "step"] = "module",
        app_id: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[UsageCounts]]:
        """Return the modules or steps whose definitions have most runs; see `most_executed`."""
        if self._all(all_tenants, {"app_id": app_id}):
            return await self._store.system.usage(limit, since, until, by=by)
        return await self._store.statistics.usage(
            self._tenant, limit, since, until, by=by, app_id=app_id
        )

    async def tenants(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        limit: int = 20,
        cursor: str | None = None,
    ) -> TenantFigures:
        """Return a page of tenants with their runs, by tenant.

        Args:
            since: Created then or later; 30 days before `until` when left out.
            until: Created before; now when left out.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is no system admin.
        """
        self._access.require_system()
        found = await self._store.system.per_tenant(since, until, limit=limit, after=cursor)
        page = found.data
        return TenantFigures(
            data=tuple(page.data),
            limit=limit,
            has_more=page.has_more,
            next=page.data[-1].tenant_id if page.has_more else None,
            as_of=found.as_of,
        )

    def _all(self, all_tenants: bool, filters: dict[str, Any]) -> bool:
        """Check what may be asked; returns whether all tenants are meant."""
        if not all_tenants:
            self._check(filters["app_id"])
            return False
        self._access.require_system()
        given = [name for name, value in filters.items() if value is not None]
        if given:
            raise InvalidInput(
                f"{' and '.join(given)} cannot be used with all_tenants",
                hint="apps and definitions belong to a tenant",
            )
        return True

    def _check(self, app_id: str | None) -> None:
        principal = self._access.principal
        if principal.may(Role.VIEWER, app_id):
            return
        if app_id is not None:
            raise self._access.hidden("app", app_id)
        self._access.require_anywhere(Role.VIEWER)
        apps = sorted(principal.app_roles)
        raise InvalidInput(
            "app_id is left out, and you have roles in apps only",
            hint=f"name one of {', '.join(apps[:10])}{' …' if len(apps) > 10 else ''}",
        )
