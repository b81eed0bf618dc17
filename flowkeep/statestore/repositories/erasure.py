"""Tenants as wholes: which there are, and erasing one."""

from collections.abc import Callable

from flowkeep.contracts import Page
from flowkeep.contracts.erasure import Erased
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.erasing import Erasing
from flowkeep.statestore.repositories.rotation import KeyRotation
from flowkeep.statestore.repositories.tenants import list_tenants
from flowkeep.statestore.session import Scope
from flowkeep.storage import Storage


class TenantErasure(KeyRotation):
    """Tenants as wholes; see the Protocol `SystemRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys of secrets when they are needed.
        archive: Gives the object storage of archived runs when it is needed.
        files: Gives the object storage of runs' files when it is needed.
    """

    def __init__(
        self,
        scope: Scope,
        keyring: Callable[[], Keyring],
        archive: Callable[[], Storage],
        files: Callable[[], Storage],
    ) -> None:
        super().__init__(scope, keyring)
        self._archive = archive
        self._files = files

    async def list_tenants(self, *, limit: int = 100, after: str | None = None) -> Page[str]:
        """Return the names of tenants that have anything in the ledger."""
        async with self._scope.read() as session:
            return await list_tenants(session, limit, after)

    async def erase_tenant(
        self,
        tenant_id: str,
        *,
        batch_size: int = 200,
        dry_run: bool = False,
        force: bool = False,
        despite_hold: bool = False,
        keep_files: bool = False,
        on_progress: Callable[[Erased], None] | None = None,
    ) -> Erased:
        """Remove everything of a tenant; see the Protocol."""
        job = Erasing(
            self._scope,
            inputs.tenant(tenant_id),
            inputs.batch_size(batch_size),
            archive=self._archive(),
            files=None if keep_files else self._files(),
            contents=self._files(),
            force=force,
            despite_hold=despite_hold,
            on_progress=on_progress,
        )
        await job.check()
        await (job.count() if dry_run else job.erase())
        return job.erased
