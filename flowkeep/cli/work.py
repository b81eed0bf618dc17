"""The body of `flowkeep worker start`: build a worker from what was named, run it, drain it."""

import inspect
import logging
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowkeep import telemetry
from flowkeep.activities.base import ActivitiesInterface
from flowkeep.cli.load import Loaded, WorkflowClass, load_targets
from flowkeep.cli.load_actions import load_actions
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError, FlowkeepError
from flowkeep.settings import Settings
from flowkeep.supervisor import Companion, share_pools, supervise
from flowkeep.worker import Worker

_BUILT = ("workflow_classes", "workflow_activities", "actions")
_CHILD_FAILED = 3


@dataclass(frozen=True)
class Served:
    """What the command line wants served; it travels to spawned processes.

    Attributes:
        targets: What `load_targets` takes.
        actions: What `load_actions` takes; null for a worker that runs no definitions.
        tenant: Whose definitions are told of the actions.
        task_queue: The queue that was named on the command line, null when none was.
    """

    targets: list[str]
    actions: list[str] | None = None
    tenant: str = "default"
    task_queue: str | None = None

    def load(self) -> tuple[Loaded, list[Any] | None]:
        """Import the targets, and the actions.

        Raises:
            ConfigurationError: If one of them cannot be served; names it.
        """
        actions = None if self.actions is None else load_actions(self.actions)
        return load_targets(self.targets), actions


def serve_workers(settings: Settings, served: Served) -> None:
    """Serve until SIGTERM or Ctrl-C, in as many processes as the settings say.

    Args:
        settings: Also number of processes and look of the logs.
        served: What is served.

    Raises:
        ConfigurationError: If a target cannot be served; before any process is started.
    """
    telemetry.configure(settings.telemetry, process=_process_name())
    served.load()
    processes = settings.worker.processes
    shared = share_pools(settings, processes) if processes > 1 else settings
    beside = None
    if settings.reconciler.enabled:
        beside = Companion(reconcile, (settings, processes), name="flowkeep-reconciler")
    supervise(work, args=(shared, served), processes=processes, beside=beside)


async def work(settings: Settings, served: Served) -> None:
    """Run one worker process until it is told to stop; importable, for spawned processes."""
    spawned = multiprocessing.parent_process() is not None
    if spawned:
        telemetry.configure(settings.telemetry, process=_process_name())
    telemetry.start_core(settings.telemetry.metrics_address, port_offset=_process_number())
    telemetry.start_tracing(settings.telemetry)
    try:
        loaded = served.load()  # first: what prepares the process comes before its threads
        async with await WorkflowClient.connect(settings) as client:
            worker = await build_worker(client, served, *loaded)
            await worker.start()
    except FlowkeepError as error:
        if not spawned:
            raise
        # Nobody above tells it: the parent only sees the exit code.
        logging.getLogger(__name__).error("%s: %s", error.code, error)
        sys.exit(_CHILD_FAILED)


async def reconcile(settings: Settings, port_offset: int) -> None:
    """Run the process beside the workers; importable, to be spawned."""
    from flowkeep.keeper import keep  # workers need none of it

    await keep(settings, port_offset)


def _process_name() -> str:
    if multiprocessing.parent_process() is None:
        return "worker"
    return multiprocessing.current_process().name.removeprefix("flowkeep-")


def _process_number() -> int:
    """Number the processes of one command from 0, so that each offers its metrics on its own."""
    number = multiprocessing.current_process().name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


async def build_worker(
    client: WorkflowClient, served: Served, loaded: Loaded, actions: list[Any] | None
) -> Worker:
    """Return the worker that serves what was loaded.

    Args:
        client: Connected.
        served: Where, and for whom.
        loaded: Classes and functions.
        actions: What tasks of definitions can call; null for a worker without definitions.

    Raises:
        ConfigurationError: If a function returns neither a Worker nor a dict, or a Worker beside
            other things to serve.
    """
    classes = list(loaded.workflow_classes)
    activities: list[Any] = []
    options: dict[str, Any] = {}
    for name, factory in loaded.factories:
        made = await _call(factory, client)
        if isinstance(made, Worker):
            alone = actions is None and len(loaded.factories) == 1 and not classes
            if not alone or served.task_queue is not None:
                raise ConfigurationError(
                    f"{name} returns a whole Worker, so nothing can be added to it",
                    hint="name it alone and without other options, or let it return a dict",
                )
            return made
        if not isinstance(made, dict):
            raise ConfigurationError(
                f"{name} returned an object of type {type(made).__name__}",
                hint="return a Worker or a dict of its keywords",
            )
        classes.extend(one for one in made.get("workflow_classes", ()) if one not in classes)
        activities.extend(made.get("workflow_activities", ()))
        if made.get("actions") is not None:
            actions = [*(actions or ()), *made["actions"]]
        options.update({key: value for key, value in made.items() if key not in _BUILT})
    if served.task_queue is not None:
        options["task_queue"] = served.task_queue
    if actions is not None:
        options.setdefault("action_tenants", [served.tenant])
    return Worker(
        client,
        workflow_classes=classes,
        workflow_activities=[*activities, *activities_of(loaded.workflow_classes)],
        actions=actions,
        **options,
    )


def activities_of(classes: list[WorkflowClass]) -> list[Any]:
    """Return the activities that classes declare, bound to one instance per activity class.

    Classes that share an activity class share its instance; an activity is returned once.
    """
    instances: dict[type[ActivitiesInterface], ActivitiesInterface] = {}
    found: list[Any] = []
    for one in classes:
        activities_cls = getattr(one, "activities_cls", None)
        if activities_cls is None:
            continue  # the Worker names the class and what it lacks
        if activities_cls not in instances:
            instances[activities_cls] = activities_cls()
        _collect(one.get_activities(instances[activities_cls]), found)
    return found


def _collect(declared: Any, found: list[Any]) -> None:
    for one in declared:
        if isinstance(one, list | tuple):
            _collect(one, found)
        elif one not in found:
            found.append(one)


async def _call(factory: Callable[..., Any], client: WorkflowClient) -> Any:
    made = factory(client) if inspect.signature(factory).parameters else factory()
    return await made if inspect.isawaitable(made) else made
