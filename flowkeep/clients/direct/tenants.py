"""Tenants as wholes; for system admins."""

from flowkeep.clients.direct.deadline import Deadline, TimeUp
from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.tenants import ErasedTenant, TenantErasure
from flowkeep.contracts.erasure import Erased
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs


class Tenants(Noun):
    """Tenants; it is `client.tenants`. For system admins."""

    async def list(self, *, limit: int = 100, cursor: str | None = None) -> Listing[str]:
        """Return a page of the tenants that have anything in the ledger, by name.

        Args:
            limit: Names per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is no system admin.
        """
        self._access.require_system()
        after = None if cursor is None else inputs.name(cursor, "cursor")
        page = await self._store.system.list_tenants(limit=limit, after=after)
        return listed(page, lambda name: name)

    async def erase(self, tenant_id: str, erasure: TenantErasure) -> ErasedTenant:
        """Erase everything of a tenant for some seconds; repeat it until it is `done`.

        Stop what starts runs for it first. The line of the audit log lies beside the tenant's
        own log, which goes too.

        Raises:
            Forbidden: If the caller is no system admin.
            InvalidInput: If the name is not repeated in `confirm`.
            Conflict: If runs are open or held and may not go; nothing was removed.
            TemporalUnavailable: If open runs or schedules have to end, and it is away.
        """
        self._access.require_system()
        if inputs.tenant(tenant_id) == SYSTEM_TENANT:
            raise InvalidInput(f"{tenant_id!r} is no tenant", hint="the audit log lies there")
        if erasure.dry_run:
            return _told(await self._erase(tenant_id, erasure, None), dry_run=True)
        if erasure.confirm != tenant_id:
            raise InvalidInput(
                f"confirm is not {tenant_id!r}", hint="repeat the tenant's name to erase it"
            )
        deadline = Deadline[Erased](erasure.max_seconds)
        async with self._journal.writing(
            "tenant.erase", "tenant", tenant_id, tenant_id=SYSTEM_TENANT
        ) as entry:
            try:
                erased = _told(await self._erase(tenant_id, erasure, deadline))
            except TimeUp:
                assert deadline.last is not None, "the time is up only when something was told"
                erased = _told(deadline.last, done=False)
            entry.became(erased)
            return erased

    async def _erase(
        self, tenant_id: str, erasure: TenantErasure, deadline: Deadline[Erased] | None
    ) -> Erased:
        """Erase, with Temporal where something may have to end there."""
        if deadline is not None and (erasure.force or await self._has_schedules(tenant_id)):
            temporal = await self._client.temporal()
            return await temporal.erase_tenant(
                tenant_id,
                force=erasure.force,
                despite_hold=erasure.despite_hold,
                keep_files=erasure.keep_files,
                on_progress=deadline,
            )
        return await self._store.system.erase_tenant(
            tenant_id,
            dry_run=erasure.dry_run,
            force=erasure.force,
            despite_hold=erasure.despite_hold,
            keep_files=erasure.keep_files,
            on_progress=deadline,
        )

    async def _has_schedules(self, tenant_id: str) -> bool:
        return bool((await self._store.schedules.list(tenant_id, limit=1)).data)


def _told(erased: Erased, *, dry_run: bool = False, done: bool = True) -> ErasedTenant:
    return ErasedTenant(**dict(erased), dry_run=dry_run, done=done)
