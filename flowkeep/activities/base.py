"""The base class of all activity classes."""

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, ClassVar, ParamSpec, TypeVar

from temporalio import activity

from flowkeep.activities.services import Services, WorkerServices
from flowkeep.contracts import CheckResult, PreflightResult, StateType
from flowkeep.contracts.messages import (
    ACTIVITY_NAMES_KEY,
    ALWAYS_FIRST,
    EMPTY_PREFLIGHT_KEY,
    RUN_STEPS,
)
from flowkeep.errors import ConfigurationError, InvalidInput, LedgerUnavailable, NotFound
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.recording.current import CurrentRun, heartbeat_listener
from flowkeep.recording.heartbeat import Heartbeat
from flowkeep.recording.steps.scope import StepsBlock, steps
from flowkeep.statestore.state import bind as bind_state

P = ParamSpec("P")
T = TypeVar("T")

LEDGER_PATIENCE_SECONDS = 60.0

_services: ContextVar[Services | None] = ContextVar("flowkeep_services", default=None)
_heartbeat: ContextVar[Heartbeat | None] = ContextVar("flowkeep_heartbeat", default=None)


class ActivitiesInterface:
    """What every activity class has: arguments, a preflight, services and heartbeats.

    Subclass it, add methods marked with `@activity.defn`, and point a workflow's
    `activities_cls` at it. An override of a marked method repeats `@activity.defn` with the same
    name. Methods may be `async def`, or plain functions, which run in the worker's threads.

    Attributes:
        client_class: Class that talks to the source system, for subclasses to customise.
        handler_class: Class that checks and browses the source system.
        transformer_class: Class that turns raw rows into assets.
        no_progress_timeout: How long an attempt may be silent before it counts as hung.
        base_activities: Names of what the base workflow calls by itself; the Worker registers
            these whether `get_activities` lists them or not.
    """

    client_class: ClassVar[type[Any] | None] = None
    handler_class: ClassVar[type[Any] | None] = None
    transformer_class: ClassVar[type[Any] | None] = None
    no_progress_timeout: ClassVar[timedelta] = timedelta(minutes=15)
    base_activities: ClassVar[frozenset[str]] = ALWAYS_FIRST

    _worker_services: WorkerServices | None = None

    def bind(self, services: WorkerServices) -> None:
        """Give this instance what it shares with the others of its process.

        The Worker does this; a test may do it too.
        """
        self._worker_services = services

    @property
    def services(self) -> Services:
        """Ledger, state, secrets and storage, bound to the run of this attempt.

        Raises:
            ConfigurationError: If used outside an attempt of a flowkeep Worker.
        """
        bound = _services.get()
        if bound is None:
            raise ConfigurationError(
                f"{type(self).__name__}.services is used outside an attempt",
                hint="run it in a flowkeep Worker, or bind services in the test",
            )
        return bound

    @activity.defn(name="get_workflow_args")
    async def get_workflow_args(self, workflow_config: Any) -> dict[str, Any]:
        """Load the arguments of the run from the state store.

        Looked up by the run's own id, then by `workflow_config["workflow_id"]`. A ledger that is
        away is waited for. It runs inside the workflow task, which is kept alive meanwhile; an
        override runs as a remote activity, because it may take its time.

        Args:
            workflow_config: The workflow's input; needs `workflow_id`.

        Returns:
            The arguments with `workflow_id`, `run_id` and `output_path` added.

        Raises:
            InvalidInput: If the config is no dict or has no `workflow_id`.
            NotFound: If the state store has no arguments under either key.
            LedgerUnavailable: If the ledger stays away for a minute.
        """
        workflow_id = workflow_id_of(workflow_config)
        run = self.services.run
        entry = await self._find_arguments(workflow_id)
        arguments = {
            **entry,
            "workflow_id": workflow_id,
            "run_id": str(run.run_id),
            "output_path": output_path(run.tenant_id, run.app_id, run.workflow_type, run.run_id),
        }
        if ACTIVITY_NAMES_KEY in workflow_config:
            arguments[ACTIVITY_NAMES_KEY] = workflow_config[ACTIVITY_NAMES_KEY]
            if type(self).preflight_check is ActivitiesInterface.preflight_check:
                arguments[EMPTY_PREFLIGHT_KEY] = True
        return arguments

    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: dict[str, Any]) -> PreflightResult:
        """Check that the run can succeed before it begins; override to check more.

        Args:
            workflow_args: The arguments of the run.

        Returns:
            One result per check; a failed one fails the run with every reason.
        """
        return PreflightResult(
            checks=[CheckResult(name="arguments", ok=True, message="the arguments were loaded")]
        )

    @activity.defn(name=RUN_STEPS)
    async def run_steps(self, names: list[Any], workflow_args: Any) -> dict[str, Any]:
        """Execute activities of this class as durable steps; what `steps(…)` declares.

        Args:
            names: Names of activities, in order; a list inside is a parallel group.
            workflow_args: What each of them is called with.

        Returns:
            The result of each activity by its name.
        """
        own = {
            definition.name: getattr(self, attribute)
            for attribute in dir(type(self))
            if (definition := _definition(getattr(type(self), attribute, None))) is not None
        }
        results: dict[str, Any] = {}
        async with self.steps() as step:
            for entry in names:
                group = [entry] if isinstance(entry, str) else entry
                wanted = [name for name in group if name not in ALWAYS_FIRST]
                for name in wanted:
                    if name not in own:
                        raise InvalidInput(
                            f"steps(…) lists {name!r}, which is no activity of"
                            f" {type(self).__qualname__}",
                            hint="steps are activities of the workflow's activities_cls",
                        )
                calls = [step(own[name], workflow_args, name=name) for name in wanted]
                results.update(zip(wanted, await step.gather(*calls), strict=True))
        return results

    async def run_blocking(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking code in the worker's threads, so that heartbeats go on.

        Args:
            fn: A plain function; it sees this attempt's context.
            *args: Its arguments.
            **kwargs: Its named arguments.
        """
        call = functools.partial(contextvars.copy_context().run, fn, *args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.services.executor, call)

    def progress(self, **details: Any) -> None:
        """Report progress; the newest details travel with the next heartbeat.

        Args:
            **details: Plain values; `rows` and `bytes` are shown by `flowkeep run watch`.
        """
        beat = _heartbeat.get()
        if beat is not None:
            beat.heard([details])

    def allow_silence(self, seconds: float) -> None:
        """Let this attempt be without progress for longer than `no_progress_timeout`.

        For work that something else bounds, like a statement with a timeout of its own.

        Args:
            seconds: Longest silence that is no reason to give up.
        """
        beat = _heartbeat.get()
        if beat is not None:
            beat.allow_silence(seconds)

    def steps(self) -> StepsBlock:
        """Open the durable steps of this attempt; see `flowkeep.steps`."""
        return steps()

    async def map_results(self, reference: str) -> list[Any]:
        """Read the results of a chunked `map` back, in item order.

        Args:
            reference: `MapResult.reference`.
        """
        from flowkeep.activities.map_results import read_map_results

        services = self.services
        return await self.run_blocking(
            lambda: list(read_map_results(services.storage, services.run.tenant_id, reference))
        )

    @contextlib.asynccontextmanager
    async def attempt_scope(self, run: CurrentRun, info: activity.Info) -> AsyncIterator[None]:
        """Bind services and beat for one attempt, until its record is written."""
        async with contextlib.AsyncExitStack() as stack:
            if self._worker_services is not None:
                services = Services.bind(self._worker_services, run.ref)
                await stack.enter_async_context(services.resources)
                _bind(stack, _services, services)
                store = self._worker_services.store
                stack.enter_context(bind_state(store.state, run.ref.tenant_id))
            if info.heartbeat_timeout and not info.is_local:
                beat = Heartbeat(
                    info.heartbeat_timeout.total_seconds(),
                    self.no_progress_timeout.total_seconds(),
                    info.heartbeat_details,
                )
                _bind(stack, _heartbeat, beat)
                _bind(stack, heartbeat_listener, beat.heard)
                beat.start()
                stack.push_async_callback(beat.stop)
            yield

    async def _find_arguments(self, workflow_id: str) -> dict[str, Any]:
        """Look arguments up, and wait for a ledger that is away."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LEDGER_PATIENCE_SECONDS
        delay = 0.1
        while True:
            try:
                return await self._read_arguments(workflow_id)
            except LedgerUnavailable:
                if loop.time() + delay > deadline:
                    raise
                if (beat := _heartbeat.get()) is not None:
                    beat.progressed()
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _read_arguments(self, workflow_id: str) -> dict[str, Any]:
        state = self.services.state
        with contextlib.suppress(NotFound):
            return dict(await state.get_arguments(self.services.run.run_id))
        try:
            return dict((await state.get_state(workflow_id, StateType.WORKFLOWS)).value)
        except NotFound:
            raise NotFound(
                f"the state store has no arguments under workflow_id {workflow_id!r}",
                hint="save them with StateStore.save_state_object, or start with arguments",
            ) from None


def workflow_id_of(workflow_config: Any) -> str:
    """Return the `workflow_id` of a workflow's input.

    Raises:
        InvalidInput: If the input is no dict or has no usable `workflow_id`.
    """
    hint = 'start the workflow with {"workflow_id": "…"}'
    if not isinstance(workflow_config, dict):
        raise InvalidInput(
            f"workflow_config is a {type(workflow_config).__name__}, not a dict", hint=hint
        )
    workflow_id = workflow_config.get("workflow_id")
    if not isinstance(workflow_id, str) or not workflow_id:
        raise InvalidInput("workflow_config has no workflow_id", hint=hint)
    return workflow_id


def output_path(tenant_id: str, app_id: str | None, workflow_type: str, run_id: Any) -> str:
    """Return the prefix under which a run stores its files, relative to the storage URL."""
    return RunLocation(tenant_id, app_id, workflow_type, str(run_id)).prefix


def _definition(member: Any) -> activity._Definition | None:
    return activity._Definition.from_callable(member) if callable(member) else None  # noqa: SLF001


def _bind(stack: contextlib.AsyncExitStack, variable: ContextVar[Any], value: Any) -> None:
    token = variable.set(value)
    stack.callback(variable.reset, token)
