"""Runs are deleted, with everything that is theirs."""

from collections.abc import Sequence
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.runs import DeletedRuns, RunDeletion
from flowkeep.errors import NotFound


class RunRemoval(RunNoun):
    """Part of `client.runs`: deletion, which is staff's."""

    async def delete(self, run_id: UUID, *, force: bool = False) -> None:
        """Delete a run.

        Args:
            run_id: The run.
            force: Terminate it where it is open, instead of refusing.

        Raises:
            NotFound: If there is no run that the caller sees.
            Forbidden: If the caller is no admin of its app or of the tenant.
            Conflict: If it is open and `force` is not given, or held, or archived.
            TemporalUnavailable: If it is open and cannot be terminated.
        """
        run = await self._seen(run_id)
        self._access.require(Role.ADMIN, run.app_id)
        async with self._journal.writing("run.delete", "run", run_id) as entry:
            entry.was(run)
            await self._delete([run_id], force=force and not run.status.terminal)

    async def delete_many(self, deletion: RunDeletion) -> DeletedRuns:
        """Delete runs, all or none; one that does not exist is passed over.

        Raises:
            Forbidden: If the caller is no admin of the tenant, or of the app of each run.
            Conflict: If one is open and `force` is not given, or held; names them.
            TemporalUnavailable: If open ones cannot be terminated.
        """
        wanted = list(dict.fromkeys(deletion.run_ids))
        if not self._access.principal.is_staff():
            wanted = await self._allowed(wanted)
        if deletion.dry_run:
            count = await self._store.runs.delete_runs_by_ids(
                self._tenant, wanted, force=deletion.force, dry_run=True
            )
            return DeletedRuns(deleted=count, dry_run=True)
        async with self._journal.writing("run.delete", "run") as entry:
            entry.was({"run_ids": [str(run_id) for run_id in wanted]})
            return DeletedRuns(deleted=await self._delete(wanted, force=deletion.force))

    async def _delete(self, run_ids: Sequence[UUID], *, force: bool) -> int:
        if not force:  # nothing to end in Temporal
            return await self._store.runs.delete_runs_by_ids(self._tenant, run_ids)
        temporal = await self._client.temporal()
        return await temporal.delete_runs(self._tenant, run_ids, force=True)

    async def _allowed(self, run_ids: Sequence[UUID]) -> list[UUID]:
        self._access.require_anywhere(Role.ADMIN)
        found = []
        for run_id in run_ids:
            try:
                run = await self._seen(run_id)
            except NotFound:
                continue
            self._access.require(Role.ADMIN, run.app_id)
            found.append(run_id)
        return found
