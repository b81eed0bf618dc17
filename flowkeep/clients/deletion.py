"""Deleting runs, and tenants with all their runs: first in Temporal, then in the ledger."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from flowkeep.contracts import RunStatus
from flowkeep.contracts.erasure import Erased
from flowkeep.errors import Conflict

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_AT_ONCE = 20
_PAGE = 100
_REASON = "deleted"
_OPEN = [status for status in RunStatus if not status.terminal]


class Deleter:
    """Ends executions in Temporal before their record goes, so that nobody works for nothing.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._store = client.store

    async def delete_runs(
        self, tenant_id: str, run_ids: Sequence[UUID], *, force: bool, dry_run: bool
    ) -> int:
        """Delete runs; see `WorkflowClient.delete_runs`."""
        wanted = list(run_ids)
        runs = self._store.runs
        # Refuses what must stay before anything is terminated.
        count = await runs.delete_runs_by_ids(tenant_id, wanted, force=force, dry_run=True)
        if dry_run:
            return count
        if force:
            await self._terminate(tenant_id, wanted)
        return await runs.delete_runs_by_ids(tenant_id, wanted, force=force)

    async def erase_tenant(
        self,
        tenant_id: str,
        *,
        force: bool,
        despite_hold: bool,
        keep_files: bool,
        on_progress: Callable[[Erased], None] | None,
    ) -> Erased:
        """Erase a tenant; see `WorkflowClient.erase_tenant`."""
        erase = self._store.system.erase_tenant
        if force:
            await erase(
                tenant_id,
                force=True,
                despite_hold=despite_hold,
                keep_files=keep_files,
                dry_run=True,
            )
            for status in _OPEN:
                await self._terminate_all(tenant_id, status)
        await self._delete_schedules(tenant_id, force=force, despite_hold=despite_hold)
        return await erase(
            tenant_id,
            force=force,
            despite_hold=despite_hold,
            keep_files=keep_files,
            on_progress=on_progress,
        )

    async def _delete_schedules(self, tenant_id: str, *, force: bool, despite_hold: bool) -> None:
        """Let nothing of the tenant fire any more; only if it may be erased at all."""
        if (await self._store.schedules.list(tenant_id, limit=1)).data:
            await self._store.system.erase_tenant(
                tenant_id, force=force, despite_hold=despite_hold, dry_run=True, keep_files=True
            )
            await self._client.schedules.delete_all(tenant_id)

    async def _terminate_all(self, tenant_id: str, status: RunStatus) -> None:
        after: UUID | None = None
        while True:
            page = await self._store.runs.get_paginated_runs(
                tenant_id, status=status, limit=_PAGE, last_id=after
            )
            await self._terminate(tenant_id, [run.id for run in page])
            if not page.has_more:
                return
            after = page.data[-1].id

    async def _terminate(self, tenant_id: str, run_ids: Iterable[UUID]) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def end(run_id: UUID) -> None:
            async with limit:
                run = await self._store.runs.get_run_by_id(tenant_id, None, run_id)
                if run is None or run.status.terminal:
                    return
                handle = await self._client.get_handle(tenant_id, run_id)
                # It may have ended by now, or Temporal may never have heard of it.
                with suppress(Conflict):
                    await handle.terminate(_REASON, record=False)

        ended = await asyncio.gather(*map(end, run_ids), return_exceptions=True)
        for failure in filter(None, ended):
            raise failure
