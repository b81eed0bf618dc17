"""Runs begin: started in Temporal, recorded for elsewhere, or repeated."""

from typing import TYPE_CHECKING
from uuid import UUID

import uuid_utils.compat as uuids

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.clients.direct.looking import is_external
from flowkeep.clients.lookup import find_run
from flowkeep.contracts import NewRun, Run
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.runs import RerunPreview, RerunRequest, RunStart, StartedRun
from flowkeep.errors import Conflict, NotFound, OpenRunExists
from flowkeep.statestore.repositories.request_answers import taken

if TYPE_CHECKING:
    from flowkeep.clients.handle import RunHandle

_NAMESPACE = "external"
"""Where workflow ids of external runs are unique; no worker or sweeper looks there."""
_WHOLE = RerunRequest()


class RunStarts(RunNoun):
    """Part of `client.runs`: how runs begin."""

    async def start(self, request: RunStart) -> StartedRun:
        """Start a run; with `external`, record one that lives outside Temporal.

        Raises:
            Forbidden: If the caller is no operator, or names another owner and is no staff.
            InvalidInput: If arguments or options do not fit.
            Conflict: If a run with this workflow_id is open and `on_conflict` does not allow it.
            TemporalUnavailable: If Temporal cannot be reached; the run stays pending.
        """
        self._access.require(Role.OPERATOR, request.app_id)
        self._access.require_foreign_type(request.workflow_type)
        owner = self._access.owner_of_new(request.owner, request.app_id)
        await self._refuse_others(request)
        # Named before it is there: what a crash leaves of it can be found.
        run_id = self._client.caller.request_key or uuids.uuid7()
        async with self._journal.writing("run.start", "run", run_id) as entry:
            if request.external:
                started = await self._record(request, owner, run_id)
            else:
                temporal = await self._client.temporal()
                handle = await temporal.start_workflow(
                    request.arguments,
                    request.workflow_type,
                    task_queue=request.task_queue,
                    workflow_id=request.workflow_id,
                    tenant_id=self._tenant,
                    app_id=request.app_id,
                    triggered_from=request.triggered_from,
                    owner=owner,
                    on_conflict=request.on_conflict,
                    labels=request.labels or None,
                    goal=request.goal,
                    run_id=run_id,
                    allowed=self._access.allowed,
                    **request.options(),
                )
                started = as_started(handle)
            entry.became(started, started.run_id)
            return started

    async def preview_rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> RerunPreview:
        """Tell what a rerun of a definition's run would take over, and do again.

        Raises:
            NotFound: If there is no run that the caller sees.
            InvalidInput: If it has not ended, is of no definition, or lacks a named task.
        """
        await self._require_definition(await self._seen(run_id), request)
        temporal = await self._client.temporal()
        planned = await temporal.definitions.preview_rerun(
            self._tenant, run_id, tasks=request.tasks or None, newest=request.newest
        )
        return RerunPreview(reused=planned.reused, again=planned.again)

    async def rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> StartedRun:
        """Repeat a run that has ended as a new one, which names it in `retry_of`.

        A run of a definition takes over what succeeded and does not depend on what is done again;
        a run of a workflow class has the same arguments.

        Raises:
            NotFound: If there is no run that the caller sees, or its definition is gone.
            Forbidden: If the caller is no operator.
            InvalidInput: If it has not ended, or lacks a named task.
            Conflict: If it ran outside Temporal.
        """
        run = await self._steered(run_id)
        await self._require_definition(run, request)
        if is_external(run):
            raise Conflict(
                f"run {run_id} ran outside Temporal", hint="record a new external run instead"
            )
        async with self._journal.writing("run.rerun", "run", run_id) as entry:
            temporal = await self._client.temporal()
            handle = await temporal.definitions.rerun(
                self._tenant,
                run_id,
                tasks=request.tasks or None,
                newest=request.newest,
                everything=request.everything,
                owner=self._access.principal.owner,
                run_id=self._client.caller.request_key,
            )
            started = as_started(handle)
            entry.became(started)
            return started

    async def _require_definition(self, run: Run, request: RerunRequest) -> None:
        """Refuse the newest version of a definition that the caller does not see any more.

        Raises:
            NotFound: If it was made private since, or deleted.
        """
        if request.newest and run.definition_id is not None:
            await self._client.definitions.get(run.definition_id)

    async def _refuse_others(self, request: RunStart) -> None:
        """Refuse a workflow_id whose run, or whose stored arguments, are not the caller's.

        A run that is opened from now on, and its arguments, are refused where they are met.

        Raises:
            Forbidden: If it is flowkeep's own, or stands for arguments that others have stored.
            Conflict: If a run of somebody else is open under it.
        """
        arguments = request.arguments or {}
        workflow_id = request.workflow_id or arguments.get("workflow_id")
        if not isinstance(workflow_id, str):
            return
        self._access.require_foreign_key(workflow_id)
        try:
            newest = await find_run(self._store, self._tenant, workflow_id)
        except NotFound:
            newest = None
        if newest is not None and self._owns(newest):
            return
        if newest is not None and not newest.status.terminal:
            raise taken(workflow_id)
        if not arguments.keys() - {"workflow_id"}:
            self._access.require(Role.ADMIN)  # it runs with what is stored under that key

    async def _record(self, request: RunStart, owner: str | None, run_id: UUID) -> StartedRun:
        new = NewRun(
            id=run_id,
            namespace=_NAMESPACE,
            workflow_id=request.workflow_id or str(run_id),
            workflow_type=request.workflow_type,
            task_queue=_NAMESPACE,
            app_id=request.app_id,
            labels=request.labels,
            triggered_from="external",
            owner=owner,
            created_by=owner,
            goal=request.goal,
            inputs=request.arguments,
            arguments=request.arguments,
        )
        try:
            run, created = await self._store.runs.create(self._tenant, new), True
        except OpenRunExists as error:
            known = await self._store.runs.get_run_by_id(self._tenant, None, error.run_id)
            if known is None or not self._owns(known):
                raise taken(new.workflow_id) from None
            if not _same(known, new) or request.on_conflict != "existing":
                raise
            run, created = known, False
        return StartedRun(
            run_id=run.id,
            workflow_id=run.workflow_id,
            temporal_run_id=None,
            created=created,
            message="recorded; move it by PATCH" if created else "recorded already",
        )


def as_started(handle: "RunHandle") -> StartedRun:
    """Return what is answered for a run that was started, or was open already."""
    return StartedRun(
        run_id=handle.run_id,
        workflow_id=handle.workflow_id,
        temporal_run_id=handle.temporal_run_id,
        created=handle.created,
        message="started" if handle.created else "this run was open already",
    )


def _same(known: Run, new: NewRun) -> bool:
    return (known.workflow_type, known.app_id, known.inputs) == (
        new.workflow_type,
        new.app_id,
        new.inputs,
    )
