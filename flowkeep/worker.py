"""The worker: the place where settings, ledger, storage, activities and Temporal are put together.

Everything a process shares is made here and handed down; nothing below reaches for it.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from temporalio import activity
from temporalio.worker import Worker as TemporalWorker

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.activities.map_results import MapActivities
from flowkeep.activities.services import WorkerServices
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError, FlowkeepError
from flowkeep.registration import Registration
from flowkeep.served_actions import ServedActions
from flowkeep.storage import Storage
from flowkeep.unregistered import unregistered
from flowkeep.workflows.base import WorkflowInterface
from flowkeep.workflows.map_chunk import MapChunk

logger = logging.getLogger(__name__)

_EAGER_RESERVATIONS = 100
_HEARTBEAT_THROTTLE = timedelta(seconds=5)
_ALREADY_OURS = ("client", "workflows", "activities", "task_queue", "activity_executor")


class Worker:
    """Serves workflows and activities of one task queue.

    Args:
        workflow_client: A connected client.
        task_queue: Where runs wait; the setting `FLOWKEEP_TASK_QUEUE` when left out.
        workflow_classes: Workflow classes.
        workflow_activities: Activities, usually `SomeWorkflow.get_activities(instance)`; several
            such lists may be joined, groups inside are flattened.
        actions: What tasks of definitions can call, beside flowkeep's own actions: functions
            marked with `@action`. With a list, be it empty, the worker runs definitions.
        action_tenants: Tenants whose definitions are told of the actions.
        **options: Passed on to the SDK's worker, for example `max_concurrent_activities`.

    Raises:
        ConfigurationError: If classes and activities do not fit together; names what is wrong.
    """

    def __init__(
        self,
        workflow_client: WorkflowClient,
        task_queue: str | None = None,
        workflow_classes: Sequence[type[Any]] = (),
        workflow_activities: Sequence[Any] = (),
        *,
        actions: Sequence[Any] | None = None,
        action_tenants: Sequence[str] = ("default",),
        **options: Any,
    ) -> None:
        if not isinstance(workflow_client, WorkflowClient):
            raise ConfigurationError(
                f"workflow_client is a {type(workflow_client).__name__}",
                hint="pass what `await WorkflowClient.connect()` returned",
            )
        taken = sorted(set(options) & set(_ALREADY_OURS))
        if taken:
            raise ConfigurationError(f"Worker sets {', '.join(taken)} itself", hint="leave it out")
        settings = workflow_client.settings.worker
        self.client = workflow_client
        self.task_queue = task_queue or settings.task_queue
        slots = options.get("max_concurrent_activities") or settings.max_concurrent_activities
        self._executor = ThreadPoolExecutor(
            max(settings.threads, slots), thread_name_prefix="flowkeep"
        )
        self._actions = None
        if actions is not None:
            allowed = workflow_client.settings.definitions
            self._actions = ServedActions(actions, action_tenants, allowed)
        if self._actions is not None:
            workflow_classes = [*workflow_classes, *self._actions.workflow_classes]
            workflow_activities = [*workflow_activities, *self._actions.activities]
        self._registration = _registration(workflow_classes, workflow_activities)
        self._bind()
        self._worker = self._build(options)
        self._running: asyncio.Task[None] | None = None
        self._block: asyncio.Task[Any] | None = None
        self._interrupted: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """Serve until SIGTERM or SIGINT, then let running activities finish and write the rest.

        Raises:
            ConfigurationError: If the ledger is at the wrong migration, or Temporal refuses the
                worker.
        """
        stopped = asyncio.Event()
        async with _signals(stopped), self:
            assert self._running is not None
            waiting = asyncio.ensure_future(stopped.wait())
            try:
                await asyncio.wait({self._running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if stopped.is_set():
                logger.info("stopping: running activities may finish")

    async def __aenter__(self) -> Self:
        """Begin to serve in the background; a worker that dies cancels what the block awaits.

        Raises:
            ConfigurationError: If it has served before.
        """
        if self._running is not None:
            raise ConfigurationError(
                f"this Worker of task queue {self.task_queue!r} has served already",
                hint="make a new Worker for each use",
            )
        logger.info(
            "worker %s serves task queue %r", self.client.temporal.identity, self.task_queue
        )
        self._block = asyncio.current_task()
        self._running = asyncio.create_task(self._serve(), name="flowkeep-worker")
        self._running.add_done_callback(self._interrupt)
        return self

    async def _serve(self) -> None:
        if self._actions is None:
            await self._worker.run()
            return
        async with self._actions.announced(self.client.store, self.client.temporal.identity):
            await self._worker.run()

    def _interrupt(self, running: "asyncio.Task[None]") -> None:
        """Wake a block that may wait for a run that nobody serves any more."""
        block, self._block = self._block, None
        if block is not None and not running.cancelled() and running.exception() is not None:
            self._interrupted = block
            block.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain: finish activities, then flush the recorder.

        Raises:
            Exception: What ended the worker, if it did not end by itself.
        """
        assert self._running is not None
        self._block = None
        if self._interrupted is not None:
            self._interrupted.uncancel()
        try:
            if not self._running.done():
                await self._worker.shutdown()
            await self._running
        finally:
            self._executor.shutdown(wait=False)

    def _bind(self) -> None:
        services = WorkerServices(
            store=self.client.store,
            storage=Storage(self.client.settings.storage.url),
            settings=self.client.settings,
            executor=self._executor,
        )
        for instance in self._registration.instances:
            if isinstance(instance, ActivitiesInterface):
                instance.bind(services)

    def _build(self, options: dict[str, Any]) -> TemporalWorker:
        settings = self.client.settings.worker
        activities = list(self._registration.activities.values())
        if activities and not any(_is_dynamic(fn) for fn in activities):
            activities.append(unregistered)
        defaults: dict[str, Any] = {
            "graceful_shutdown_timeout": timedelta(seconds=settings.graceful_shutdown_seconds),
            # Cancellation reaches an activity with a heartbeat; the SDK would hold most back.
            "max_heartbeat_throttle_interval": _HEARTBEAT_THROTTLE,
            "max_eager_activity_reservations_per_workflow_task": _EAGER_RESERVATIONS,
        }
        if options.get("tuner") is None:  # it brings its own slots
            defaults |= {
                "max_concurrent_activities": settings.max_concurrent_activities,
                "max_concurrent_workflow_tasks": settings.max_concurrent_workflow_tasks,
            }
        try:
            return TemporalWorker(
                self.client.temporal,
                task_queue=self.task_queue,
                workflows=self._registration.workflow_classes,
                activities=activities,
                activity_executor=self._executor,
                **{**defaults, **options},
            )
        except FlowkeepError:
            raise
        except (RuntimeError, ValueError, TypeError) as error:
            in_sandbox = "validating workflow" in str(error)
            raise ConfigurationError(
                f"the worker of task queue {self.task_queue!r} cannot be built: {_reasons(error)}",
                hint="a workflow class must load inside Temporal's sandbox"
                if in_sandbox
                else "correct the options of the Worker",
            ) from error


def _registration(classes: Sequence[type[Any]], activities: Sequence[Any]) -> Registration:
    """Check what is served, and add what flowkeep's own workflows need."""
    if not classes and not activities:
        raise ConfigurationError(
            "the Worker has neither workflow_classes nor workflow_activities",
            hint="pass at least one of them",
        )
    for cls in classes:
        if not isinstance(cls, type):
            raise ConfigurationError(
                f"workflow_classes holds {cls!r}, which is no class", hint="pass the class itself"
            )
    if not any(issubclass(cls, WorkflowInterface) for cls in classes):
        return Registration(classes, activities)
    return Registration(
        [*classes, MapChunk],
        [*activities, *MapChunk.get_activities(MapActivities())],
    )


def _is_dynamic(fn: Callable[..., Any]) -> bool:
    definition = activity._Definition.from_callable(fn)  # noqa: SLF001 - no public way to ask
    return definition is not None and definition.name is None


def _reasons(error: BaseException) -> str:
    texts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        # The first line only: the SDK's core appends a native stack trace.
        texts.append(str(current).partition("\n")[0] or type(current).__name__)
        current = current.__cause__
    return ": ".join(texts)


@contextlib.asynccontextmanager
async def _signals(stopped: asyncio.Event) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
