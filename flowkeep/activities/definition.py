"""What a run of a definition does outside of its own code: it loads, and prepares children."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface, workflow_id_of
from flowkeep.contracts import (
    Definition,
    DefinitionVersion,
    RunRef,
    StateType,
    TaskStatus,
    TaskType,
    Visibility,
)
from flowkeep.contracts.definition_loading import (
    DEFINITION_KEY,
    DEPTH_KEY,
    KEPT_KEY,
    LOAD_DEFINITION,
    MOST_DEPTH,
    PARAMETERS_KEY,
    REUSE_KEY,
    ActionFacts,
    LoadedDefinition,
    RecordedOutcome,
    child_key,
)
from flowkeep.contracts.definition_run import CallRetry
from flowkeep.contracts.tasks import Task
from flowkeep.definitions.actions import Action, ActionRegistry
from flowkeep.definitions.parameters import check_parameters
from flowkeep.definitions.rerun import is_whole
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import Conflict, InvalidInput, NotFound
from flowkeep.statestore.store import Store

CONFIG_STATE = "config/{app}"
"""Key of the state entry with the settings of an app, which templates read as `config`."""

MOST_EVENTS = 10_000
"""Events of history after which a run continues as new; most servers ask for it at 4,096. It is
recorded with each run, so another value counts for runs that begin later."""

_PAGE = 100


class DefinitionActivities(ActivitiesInterface):
    """Loads what a run of a definition needs.

    Args:
        actions: The actions that this worker serves.
    """

    def __init__(self, actions: ActionRegistry | None = None) -> None:
        self._actions = ActionRegistry() if actions is None else actions

    @activity.defn(name=LOAD_DEFINITION)
    async def load_definition(self, workflow_config: dict[str, Any]) -> LoadedDefinition:
        """Load the version that the run pins, its parameters, and what its actions say.

        Args:
            workflow_config: The workflow's input. That of a child names its definition and brings
                its parameters; those of other runs lie in the ledger. A run that continues as new
                knows all but its definition already.

        Raises:
            NotFound: If the run is of no definition, the child's does not exist, or a shared one
                runs what its tenant does not share.
            InvalidInput: If the definition is a draft or disabled, or the parameters do not fit.
            Conflict: If a rerun takes over what is gone.
        """
        _check_depth(workflow_config)
        goes_on = bool(workflow_config.get(KEPT_KEY))
        arguments = {} if goes_on else await self._arguments(workflow_config)
        version = await self._version(workflow_config)
        spec = DefinitionSpec.model_validate(version.spec)
        parameters: dict[str, Any] = {}
        if not goes_on:
            is_child = DEFINITION_KEY in workflow_config
            parameters = check_parameters(
                version.spec, arguments.get(PARAMETERS_KEY) or {}, outside=not is_child
            )
        run = self.services.run
        return LoadedDefinition(
            ref=spec.ref,
            revision=version.revision,
            spec=version.spec,
            parameters=parameters,
            config=await self._config(),
            run={
                "id": str(run.run_id),
                "workflow_id": run.workflow_id,
                "tenant": run.tenant_id,
                "app": run.app_id,
                "definition": spec.ref,
                "version": version.version,
            },
            actions={} if goes_on else await self._known(spec, version.tenant_id),
            most_events=MOST_EVENTS,
            reuse=await self._reused(arguments.get(REUSE_KEY)),
        )

    @activity.defn(name="flowkeep.save_child_arguments")
    async def save_child_arguments(self, workflow_id: str, arguments: dict[str, Any]) -> None:
        """Store the arguments of a coded child run, which it loads by its workflow_id."""
        await self.services.state.save_state(workflow_id, arguments, StateType.WORKFLOWS)

    @property
    def _store(self) -> Store:
        assert self._worker_services is not None
        return self._worker_services.store

    async def _arguments(self, config: dict[str, Any]) -> dict[str, Any]:
        if DEFINITION_KEY in config:
            return config
        return await self._find_arguments(workflow_id_of(config))

    async def _version(self, config: dict[str, Any]) -> DefinitionVersion:
        run = self.services.run
        pinned = await self._pinned(run)
        if pinned is None and run.schedule_id is not None:
            pinned = await self._store.system.pin_scheduled(run)
        if pinned is None:
            ref = config.get(DEFINITION_KEY)
            if ref is None:
                raise NotFound(
                    f"run {run.run_id} is of no definition",
                    hint="start it with client.definitions.run",
                )
            found = await self._definition(run.tenant_id, ref)
            await self._refuse_private(run, found)
            pinned = found.id, await self._store.system.pin_definition(run, found.id)
        return await self._store.definitions.version(run.tenant_id, *pinned)

    async def _definition(self, tenant_id: str, named: str) -> Definition:
        """Return a definition by its ref, or by the id that an action is linked to."""
        try:
            found_id = UUID(named)
        except ValueError:
            return await self._store.definitions.get_by_ref(tenant_id, named)
        return await self._store.definitions.get(tenant_id, found_id)

    async def _refuse_private(self, run: RunRef, found: Definition) -> None:
        """Refuse a private definition that somebody else's calls; code may call any."""
        if found.visibility is not Visibility.PRIVATE or run.parent_run_id is None:
            return
        parent = await self._store.runs.get(run.tenant_id, run.parent_run_id)
        if parent.definition_id is None:
            return
        caller = await self._store.system.definition_owner(parent.definition_id)
        if caller != (found.tenant_id, found.owner):
            raise NotFound(
                f"definition {found.ref!r} does not exist for the owner of what calls it",
                hint="it is private: ask its owner to make it visible to the tenant",
            )

    async def _pinned(self, run: RunRef) -> tuple[UUID, int] | None:
        """Return the definition and the version that the run has pinned already."""
        try:
            recorded = await self._store.runs.get(run.tenant_id, run.run_id)
        except NotFound:  # of a child that nobody has heard of yet
            return None
        if recorded.definition_id is None or recorded.definition_revision is None:
            return None
        return recorded.definition_id, recorded.definition_revision

    async def _config(self) -> dict[str, Any]:
        app = self.services.run.app_id
        if app is None:
            return {}
        try:
            entry = await self.services.state.get_state(
                CONFIG_STATE.format(app=app), StateType.STATE
            )
        except NotFound:
            return {}
        return dict(entry.value)

    async def _known(self, spec: DefinitionSpec, owner: str) -> dict[str, ActionFacts]:
        """Return what is known of all that a definition calls; its refs mean its owner's ones."""
        tenant = self.services.run.tenant_id
        found = {ref: await self._facts(ref, owner) for ref in _called(spec)}
        for ref in () if owner == tenant else _run(spec):
            try:
                child = await self._store.definitions.get_by_ref(tenant, ref, of_tenant=owner)
            except NotFound:
                raise NotFound(
                    f"definition {spec.ref!r} runs {ref!r}, which tenant {owner!r} does not share",
                    hint="what a shared definition runs has to be shared, too",
                ) from None
            found[child_key(ref)] = ActionFacts(kind="definition", definition=str(child.id))
        return found

    async def _facts(self, ref: str, owner: str) -> ActionFacts:
        own = self._actions.get(ref)
        if own is not None:
            return _facts_of(own)
        tenant = self.services.run.tenant_id
        try:
            recorded = await self._store.actions.get_by_ref(tenant, ref)
        except NotFound:
            pass
        else:
            if recorded.definition_id is None:
                return ActionFacts()
            return ActionFacts(kind="definition", definition=str(recorded.definition_id))
        try:
            found = await self._store.definitions.get_by_ref(tenant, ref, of_tenant=owner)
        except NotFound:
            return ActionFacts()  # a worker may know it by the time it is called
        named = None if owner == tenant else str(found.id)
        return ActionFacts(kind="definition", definition=named)

    async def _reused(self, wanted: Any) -> dict[str, RecordedOutcome]:
        """Read what a rerun takes over, from the attempts that the ledger has."""
        if not wanted:
            return {}
        run_id, names = UUID(wanted["run_id"]), frozenset(wanted["tasks"])
        found = {
            task.activity_id: RecordedOutcome(
                status=task.status, result=task.output, input=_input_of(task)
            )
            for task in await self._tasks(run_id, names)
            if not task.superseded
            and not task.task_name.startswith("flowkeep.")
            and task.status is TaskStatus.SUCCEEDED
            and is_whole(task.output)
        }
        missing = sorted(names - found.keys())
        if missing:
            raise Conflict(
                f"the ledger has no outcome of {', '.join(missing[:5])} of run {run_id}",
                hint="start the definition anew",
            )
        return found

    async def _tasks(self, run_id: UUID, names: Collection[str]) -> Iterable[Task]:
        found, cursor, more = [], None, True
        while more:
            page = await self.services.store.tasks.list_tasks(
                run_id, limit=_PAGE, cursor=cursor, steps=False
            )
            found += [task for task in page.data if task.activity_id in names]
            cursor, more = (page.data[-1].key if page.data else None), page.has_more
        return found


def _check_depth(config: dict[str, Any]) -> None:
    if config.get(DEPTH_KEY, 0) > MOST_DEPTH:
        raise InvalidInput(
            f"definitions call each other more than {MOST_DEPTH} deep",
            hint="one of them calls itself, or another that leads back to it",
            code="TOO_DEEP",
        )


def _input_of(task: Task) -> Any:
    """Return what a task was called with; an action's travels in an envelope."""
    if task.type is TaskType.ACTIVITY and isinstance(task.input, dict):
        return task.input.get("input")
    return task.input


def _called(spec: DefinitionSpec) -> list[str]:
    found = (task.action for task, _ in spec.all_tasks())
    return list(dict.fromkeys(ref for ref in found if ref is not None))


def _run(spec: DefinitionSpec) -> list[str]:
    found = (task.workflow for task, _ in spec.all_tasks())
    return list(dict.fromkeys(ref for ref in found if ref is not None))


def _facts_of(action: Action) -> ActionFacts:
    kind = "timer" if action.timer else "workflow" if action.child else "activity"
    return ActionFacts.model_validate(
        {
            "kind": kind,
            "retry": CallRetry(
                count=action.retry.count,
                delay=action.retry.delay,
                backoff=action.retry.backoff.value,
                max_delay=action.retry.max_delay,
            ),
            "timeout": action.timeout,
        }
    )
