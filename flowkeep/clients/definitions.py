"""Runs of definitions: started, and repeated."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from uuid import UUID

import uuid_utils.compat as uuids

from flowkeep.clients.handle import RunHandle
from flowkeep.clients.lookup import find_run
from flowkeep.clients.options import StartOptions
from flowkeep.clients.request import OnConflict, StartRequest
from flowkeep.clients.task_outcomes import outcomes_of
from flowkeep.contracts import Definition, DefinitionVersion, Run
from flowkeep.contracts.definition_loading import PARAMETERS_KEY, REUSE_KEY
from flowkeep.contracts.identity import DEFINITION_TYPE
from flowkeep.errors import InvalidInput

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient
    from flowkeep.definitions.rerun import Rerun
    from flowkeep.definitions.spec import DefinitionSpec


class DefinitionRuns:
    """Starts and repeats runs of definitions; it is `client.definitions`.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._store = client.store

    async def run(
        self,
        definition: UUID | str,
        parameters: dict[str, Any] | None = None,
        *,
        tenant_id: str = "default",
        app_id: str | None = None,
        revision: int | None = None,
        workflow_id: str | None = None,
        task_queue: str | None = None,
        triggered_from: str = "sdk",
        owner: str | None = None,
        on_conflict: OnConflict = "existing",
        labels: dict[str, str] | None = None,
        goal: str | None = None,
        run_id: UUID | None = None,
        allowed: Callable[[Run], bool] | None = None,
        **options: Any,
    ) -> RunHandle:
        """Start a run of a definition; it pins the version that it starts with.

        Args:
            definition: Its id or its ref.
            parameters: By name; defaults of the definition are filled in.
            tenant_id: Owner boundary.
            app_id: The run's app; that of a definition of the tenant when left out.
            revision: The version; the newest when left out.
            workflow_id: Temporal's id and the idempotency key; the run id when left out.
            task_queue: Where workers listen.
            triggered_from: What started it, for example `schedule` or `api`.
            owner: Who it belongs to.
            on_conflict: See `WorkflowClient.start_workflow`.
            labels: For filters of lists.
            goal: What the run is meant to achieve, in words.
            run_id: Its id, see `WorkflowClient.start_workflow`.
            allowed: Which runs may be met, see `WorkflowClient.start_workflow`.
            **options: Temporal's options, see `WorkflowClient.start_workflow`.

        Raises:
            NotFound: If there is no such definition or version.
            InvalidInput: If it is a draft or disabled, or the parameters do not fit; names them.
        """
        found = await self._find(tenant_id, definition)
        if app_id is not None or found.tenant_id != tenant_id:
            found = found.model_copy(update={"app_id": app_id})
        wanted = found.version_revision if revision is None else revision
        version = await self._version(tenant_id, found.id, wanted)
        self._check_parameters(version, parameters or {})
        return await self._start(
            found,
            {PARAMETERS_KEY: parameters or {}},
            tenant_id=tenant_id,
            revision=revision,
            workflow_id=workflow_id,
            task_queue=task_queue,
            triggered_from=triggered_from,
            owner=owner,
            on_conflict=on_conflict,
            labels=labels,
            goal=goal,
            run_id=run_id,
            allowed=allowed,
            options=options,
        )

    async def preview_rerun(
        self,
        tenant_id: str,
        run: UUID | str,
        *,
        tasks: Collection[str] | None = None,
        newest: bool = False,
    ) -> "Rerun":
        """Tell what a rerun would take over, and what it would do again.

        Args:
            tenant_id: Whose run.
            run: The run of a definition that is to be repeated.
            tasks: Tasks to begin with; those that did not succeed when left out.
            newest: Whether to run the newest version instead of the same one.

        Raises:
            InvalidInput: If the run has not ended, is of no definition, or lacks a named task.
        """
        _, _, planned = await self._planned(tenant_id, run, tasks, newest)
        return planned

    async def rerun(
        self,
        tenant_id: str,
        run: UUID | str,
        *,
        tasks: Collection[str] | None = None,
        newest: bool = False,
        everything: bool = False,
        triggered_from: str = "retry",
        owner: str | None = None,
        run_id: UUID | None = None,
    ) -> RunHandle:
        """Repeat a run as a new one, which names it in `retry_of`.

        A run of a definition takes over what succeeded and does not depend on what is done again;
        a run of a workflow class has the same arguments.

        Args:
            tenant_id: Whose run.
            run: The run; it has ended.
            tasks: Tasks to begin with; those that did not succeed when left out.
            newest: Whether to run the newest version of the definition.
            everything: Whether to take nothing over.
            triggered_from: What started it.
            owner: Who the new run belongs to.
            run_id: Its id, see `WorkflowClient.start_workflow`.

        Raises:
            InvalidInput: If the run has not ended, or lacks a named task.
            NotFound: If the run, its arguments or its definition are gone.
        """
        found = await self._ended(tenant_id, run)
        arguments = dict(await self._store.state.get_arguments(tenant_id, found.id))
        if found.definition_id is None:
            if tasks or newest:
                raise InvalidInput(
                    f"run {found.id} is of a workflow class: it is repeated as a whole",
                    hint="leave tasks and newest out",
                )
            return await self._client.start_workflow(
                arguments,
                found.workflow_type,
                task_queue=found.task_queue,
                tenant_id=tenant_id,
                app_id=found.app_id,
                triggered_from=triggered_from,
                owner=owner or found.owner,
                labels=found.labels,
                goal=found.goal,
                retry_of=found.id,
                run_id=run_id,
            )
        definition = await self._find(tenant_id, found.definition_id)
        arguments.pop(REUSE_KEY, None)
        if not everything:
            _, _, planned = await self._planned(tenant_id, found.id, tasks, newest)
            arguments[REUSE_KEY] = {"run_id": str(found.id), "tasks": list(planned.reused)}
        return await self._start(
            definition.model_copy(update={"app_id": found.app_id}),
            arguments,
            tenant_id=tenant_id,
            revision=None if newest else found.definition_revision,
            task_queue=found.task_queue,
            triggered_from=triggered_from,
            owner=owner or found.owner,
            labels=found.labels,
            goal=found.goal,
            retry_of=found.id,
            run_id=run_id,
        )

    async def _planned(
        self, tenant_id: str, run: UUID | str, tasks: Collection[str] | None, newest: bool
    ) -> tuple[Run, Definition, "Rerun"]:
        from flowkeep.definitions.rerun import plan_rerun

        found = await self._ended(tenant_id, run)
        if found.definition_id is None:
            raise InvalidInput(f"run {found.id} is of no definition", hint="it runs as a whole")
        definition = await self._find(tenant_id, found.definition_id)
        before = await self._spec(tenant_id, definition.id, found.definition_revision)
        revision = definition.version_revision if newest else found.definition_revision
        spec = await self._spec(tenant_id, definition.id, revision)
        outcomes = await outcomes_of(self._store, tenant_id, found.id)
        return found, definition, plan_rerun(spec, outcomes, before=before, tasks=tasks)

    async def _ended(self, tenant_id: str, run: UUID | str) -> Run:
        found = await find_run(self._store, tenant_id, run)
        if not found.status.terminal:  # its end may be on its way into the ledger
            found = await (await self._client.get_handle(tenant_id, found.id)).run()
        if not found.status.terminal:
            raise InvalidInput(
                f"run {found.id} is {found.status}: only a run that has ended is repeated",
                hint="wait for its end, or cancel it",
            )
        return found

    async def _find(self, tenant_id: str, definition: UUID | str) -> Definition:
        if isinstance(definition, UUID):
            return await self._store.definitions.get(tenant_id, definition)
        return await self._store.definitions.get_by_ref(tenant_id, definition)

    async def _version(
        self, tenant_id: str, definition_id: UUID, revision: int
    ) -> DefinitionVersion:
        return await self._store.definitions.version(tenant_id, definition_id, revision)

    async def _spec(
        self, tenant_id: str, definition_id: UUID, revision: int | None
    ) -> "DefinitionSpec":
        from flowkeep.definitions.spec import DefinitionSpec

        assert revision is not None
        version = await self._version(tenant_id, definition_id, revision)
        return DefinitionSpec.model_validate(version.spec)

    def _check_parameters(self, version: DefinitionVersion, given: dict[str, Any]) -> None:
        from flowkeep.definitions.parameters import check_parameters

        check_parameters(version.spec, given)

    async def _start(
        self,
        definition: Definition,
        arguments: dict[str, Any],
        *,
        tenant_id: str,
        revision: int | None,
        workflow_id: str | None = None,
        task_queue: str | None = None,
        triggered_from: str,
        owner: str | None = None,
        on_conflict: OnConflict = "existing",
        labels: dict[str, str] | None = None,
        goal: str | None = None,
        retry_of: UUID | None = None,
        run_id: UUID | None = None,
        allowed: Callable[[Run], bool] | None = None,
        options: dict[str, Any] | None = None,
    ) -> RunHandle:
        run_id = run_id or uuids.uuid7()
        request = StartRequest(
            run_id=run_id,
            tenant_id=tenant_id,
            workflow_id=workflow_id or str(run_id),
            workflow_type=DEFINITION_TYPE,
            task_queue=task_queue or self._client.settings.worker.task_queue,
            arguments=arguments,
            app_id=definition.app_id,
            triggered_from=triggered_from,
            owner=owner,
            labels=labels or {},
            goal=goal,
            retry_of=retry_of,
            options=StartOptions.of(options or {}),
            on_conflict=on_conflict,
            definition_id=definition.id,
            definition_revision=revision,
            allowed=allowed,
        )
        return await self._client.starter.start(request)
