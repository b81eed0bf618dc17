"""The one temporalio plugin: converter, interceptors, sandbox pass-through, recorder."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

from temporalio import activity
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import ReplayerConfig, Worker, WorkerConfig

from flowkeep.contracts.identity import HEADER, RECORD_ACTIVITIES, Identity
from flowkeep.contracts.large_payloads import PayloadPlace
from flowkeep.errors import ConfigurationError, LedgerUnavailable
from flowkeep.recording.activities import record_activities
from flowkeep.recording.identity import complete_identity
from flowkeep.recording.interceptor import FlowkeepInterceptor
from flowkeep.recording.large_payloads.converter import Converters
from flowkeep.recording.recorder import Recorder
from flowkeep.recording.sandbox import checked_runner, without_contexts
from flowkeep.recording.served import noted_queue
from flowkeep.recording.steps.writer import StepWriter
from flowkeep.recording.target import StepTarget
from flowkeep.recording.task_logs import LineKeeper
from flowkeep.settings import RecorderSettings, Settings
from flowkeep.statestore.store import Store
from flowkeep.telemetry.metrics import Meter

logger = logging.getLogger(__name__)

# Not asyncio's own few threads: those resolve names, and a step that hangs keeps its thread.
_STEP_THREADS = 64

_RESOLVED_RUNS = 10_000


class Plugin(SimplePlugin):
    """Gives a temporalio client and its workers the ledger.

    Put it on the client only: workers inherit it. Put it last, so that it sees what other plugins
    add. Nothing is connected before a worker runs, and what it opened is closed with the last one.

    Args:
        settings: How the ledger is reached and recorded to; `Settings.load()` when left out.
        store: A ledger that is open already; it is not closed by the plugin.
        auto_place: Where large payloads go when the setting says `auto`; None leaves them in
            Temporal's history, because other clients may have to read them without the plugin.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        auto_place: PayloadPlace | None = None,
    ) -> None:
        self.settings = settings or Settings.load()
        self.store = store or Store.lazy(self.settings)
        self._converters = Converters(self.settings.payloads, self.store, auto_place)
        self._owns_store = store is None
        self._recorder: Recorder | None = None
        self._step_writer: StepWriter | None = None
        self._lines: LineKeeper | None = None
        self._step_threads: ThreadPoolExecutor | None = None
        self._workers = 0
        self._client: Client | None = None
        self._local_only: WeakSet[Callable[..., Any]] = WeakSet()
        self._resolved: OrderedDict[str, Identity] = OrderedDict()
        super().__init__(
            "flowkeep",
            data_converter=self._converters.of,
            interceptors=[FlowkeepInterceptor(self)],
            workflow_runner=checked_runner,
        )

    @property
    def recorder(self) -> Recorder | None:
        """The recorder while a worker runs."""
        return self._recorder

    @property
    def step_writer(self) -> StepWriter | None:
        """What commits steps while a worker runs."""
        return self._step_writer

    @property
    def lines(self) -> LineKeeper | None:
        """What keeps log lines of attempts while a worker runs."""
        return self._lines

    @property
    def step_threads(self) -> ThreadPoolExecutor | None:
        """Where plain functions run as steps of async activities, while a worker runs."""
        return self._step_threads

    @property
    def steps(self) -> StepTarget:
        """Where steps are committed."""
        return self.store.system

    @property
    def recorder_settings(self) -> RecorderSettings:
        """How attempts are recorded."""
        return self.settings.recorder

    @property
    def worker_identity(self) -> str:
        """Who executes: process and host."""
        return self._client.identity if self._client is not None else ""

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add what flowkeep's own workflow classes need, and nothing for others.

        They record pauses by a local activity. A worker without activities gets it as a local one
        only: polling for remote activities it cannot serve would swallow other workers' tasks.
        """
        config = super().configure_worker(config)
        self._client = config["client"]
        workflows: Sequence[type] = config.get("workflows") or []
        if not workflows:
            return config
        config["workflow_runner"] = without_contexts(
            config["workflow_runner"], config["client"].data_converter
        )
        if not any(getattr(one, "__flowkeep_workflow__", False) for one in workflows):
            return config
        activities = list(config.get("activities") or [])
        ours = record_activities(lambda: self._recorder, lambda: self.recorder_settings)
        if not activities:
            config["no_remote_activities"] = True
            self._local_only.update(ours)
        config["activities"] = [*activities, *ours]
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Replay as workers do, but report nothing."""
        config = super().configure_replayer(config)
        config["data_converter"] = self._converters.for_replay(config["data_converter"])
        config["interceptors"] = [
            FlowkeepInterceptor(self, replays=True) if isinstance(one, FlowkeepInterceptor) else one
            for one in config.get("interceptors") or []
        ]
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Keep the recorder running while any worker of this client runs.

        Raises:
            ConfigurationError: If the ledger is at another migration, or the set-up is wrong
                otherwise. A ledger that is away is waited for later, attempt by attempt.
        """
        self._check_order(worker)
        await self._check_ledger()
        await self._converters.learn_limit(worker.client)
        if self._workers == 0:
            self._recorder = Recorder(
                self.store.system, self.settings.recorder, Meter(worker.client)
            )
            self._recorder.start()
            self._step_writer = StepWriter(self.store.system)
            if self.settings.recorder.task_logs != "off":
                self._lines = LineKeeper(self.store.task_logs, self.settings.recorder)
                self._lines.start()
            self._step_threads = ThreadPoolExecutor(_STEP_THREADS, "flowkeep-step")
        self._workers += 1
        try:
            async with noted_queue(self.store, worker):
                await next(worker)
        finally:
            self._workers -= 1
            if self._workers == 0 and self._recorder is not None:
                recorder, self._recorder = self._recorder, None
                if self._step_writer is not None:
                    await self._step_writer.stop()
                if self._step_threads is not None:
                    self._step_threads.shutdown(wait=False, cancel_futures=True)
                await recorder.stop()
                if self._lines is not None:  # behind it: it makes runs that lines belong to
                    lines, self._lines = self._lines, None
                    await lines.stop()
                # Nobody else would close what this plugin opened; it opens again when needed.
                await self.close()

    async def close(self) -> None:
        """Close the ledger, unless it was handed in."""
        if self._owns_store:
            await self.store.close()

    async def resolve(self, info: activity.Info) -> Identity | None:
        """Find the identity of an attempt whose workflow worker does not know flowkeep.

        One `describe` per execution: the memo says it for runs that were started through our
        client; others get the derived id.
        """
        assert info.workflow_run_id is not None
        assert info.workflow_id is not None
        known = self._resolved.get(info.workflow_run_id)
        if known is not None or self._client is None:
            return known
        handle = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        try:
            description = await handle.describe()
            memo = await description.memo()
            first = description.raw_description.workflow_execution_info.first_run_id
            identity = _described(memo.get(HEADER), info, first or info.workflow_run_id)
        except Exception as error:  # noqa: BLE001 - a foreign memo or codec fails no activity
            logger.warning(
                "attempt %d of %s in workflow %s is not recorded: describe failed: %s",
                info.attempt,
                info.activity_id,
                info.workflow_id,
                error,
            )
            return None
        self._resolved[info.workflow_run_id] = identity
        if len(self._resolved) > _RESOLVED_RUNS:
            self._resolved.popitem(last=False)
        return identity

    async def _check_ledger(self) -> None:
        try:
            await self.store.check()
        except LedgerUnavailable as error:
            logger.warning("the worker begins without its ledger: %s", error)

    def _check_order(self, worker: Worker) -> None:
        activities = worker.config(active_config=True).get("activities") or []
        if not any(fn in self._local_only for fn in activities):
            return
        foreign = sorted({_activity_name(fn) for fn in activities} - RECORD_ACTIVITIES)
        if foreign:
            raise ConfigurationError(
                f"activities {', '.join(foreign)} joined the worker of task queue "
                f"{worker.task_queue!r} after flowkeep.Plugin and would never be polled",
                hint="put flowkeep.Plugin last in the list of plugins",
            )


def _described(memo: Any, info: activity.Info, first_run_id: str) -> Identity:
    assert info.workflow_id is not None
    return complete_identity(
        Identity.from_header(memo) if isinstance(memo, dict) else None,
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        first_run_id=first_run_id,
        workflow_type=info.workflow_type,
    )


def _activity_name(fn: Callable[..., Any]) -> str:
    definition = activity._Definition.from_callable(fn)  # noqa: SLF001 - no public way to a name
    name = definition.name if definition else None
    return name or str(getattr(fn, "__name__", fn))
