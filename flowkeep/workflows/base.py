"""The base class of all workflow classes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from flowkeep.activities.base import ActivitiesInterface
    from flowkeep.contracts import MapResult, PauseRequest, PreflightResult, Progress
    from flowkeep.contracts.identity import RECORD_PAUSE
    from flowkeep.errors import ConfigurationError
    from flowkeep.workflows.chunks import Chunks
    from flowkeep.workflows.declared import ActivityNames, activity_name
    from flowkeep.workflows.fan_out import gather, run_map
    from flowkeep.workflows.inheritance import own_run
    from flowkeep.workflows.opening import check, load_arguments

ActivityRef = str | Callable[..., Any]

_PAUSE_RECORD_TIMEOUT = timedelta(seconds=5)


class WorkflowInterface:
    """What every workflow class has: arguments from the state store, a preflight, a pause gate.

    A subclass sets `activities_cls`, declares its activities in `get_activities` and is marked
    with `@workflow.defn`. It may override `run` (marked with `@workflow.run`) or inherit it.

    Attributes:
        activities_cls: The activity class whose methods this workflow calls.
        default_start_to_close_timeout: Longest an attempt of an activity may take.
        default_local_timeout: The same for local activities, which are short by nature.
        default_heartbeat_timeout: Longest an activity may be silent.
        default_retry_policy: How often and how fast an activity is tried again; never unlimited.
        args_model: A pydantic model of the arguments; with it `run` gets the model.
        suspend_on_bug: Leave a run with a bug hanging until a fixed deployment, as Temporal does
            by itself, instead of failing it.
        local_short_steps: Whether loading the arguments, and a preflight that checks nothing of
            its own, run inside the workflow task: one round trip less each. Set it to False where
            the worker that executes the workflow does not serve its activities.
        preflight_result: What the preflight found, warnings included.
    """

    __flowkeep_workflow__: ClassVar[bool] = True

    activities_cls: type[ActivitiesInterface]
    default_start_to_close_timeout: ClassVar[timedelta] = timedelta(hours=2)
    default_local_timeout: ClassVar[timedelta] = timedelta(seconds=60)
    default_heartbeat_timeout: ClassVar[timedelta] = timedelta(seconds=60)
    default_retry_policy: ClassVar[RetryPolicy] = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=60),
        maximum_attempts=5,
    )
    args_model: ClassVar[type[BaseModel] | None] = None
    suspend_on_bug: ClassVar[bool] = False
    local_short_steps: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each class a marked `run` of its own, so that inheriting it is enough."""
        super().__init_subclass__(**kwargs)
        own_run(cls)

    def __init__(self) -> None:
        self.preflight_result = PreflightResult()
        self._declared: ActivityNames = []
        self._pause_reason: str | None = None
        self._paused = False
        self._pausing = asyncio.Lock()  # signals faster than their records keep their order
        self.running_chunks = Chunks(lambda: self._paused)
        self._patches: list[dict[str, Any]] = []
        self._scheduled = self._finished = self._failed = 0
        self._current: dict[int, str] = {}

    @staticmethod
    def get_activities(activities: ActivitiesInterface) -> Sequence[Any]:
        """Declare what runs, in order; a tuple or list inside the list is a parallel group.

        Args:
            activities: An instance of `activities_cls` (in workflow code: the class itself).

        Returns:
            Activity methods.
        """
        raise ConfigurationError(
            "get_activities is missing", hint="return the list of activity methods to run"
        )

    async def run(self, workflow_config: Any) -> Any:
        """Load the arguments, then check that the run can succeed.

        Args:
            workflow_config: `{"workflow_id": …}`.

        Returns:
            The arguments: a dict with `workflow_id`, `run_id` and `output_path`, or the model.

        Raises:
            InvalidInput: If the config or the arguments do not fit.
            PreflightFailed: If a check failed; names every reason.
        """
        arguments, self._declared, empty = await load_arguments(self, workflow_config)
        self.preflight_result = await check(self, arguments, empty=empty)
        return arguments

    async def execute(
        self, activity: ActivityRef, *args: Any, local: bool = False, **options: Any
    ) -> Any:
        """Execute an activity with the class's defaults, behind the pause gate.

        Args:
            activity: A method of `activities_cls`, or the name of an activity.
            *args: Its arguments.
            local: Whether to run it inside the workflow task: cheaper, for short idempotent ones.
            **options: Temporal's own options, for example `start_to_close_timeout`.

        Returns:
            The activity's result.
        """
        await self.pause_gate()
        name = activity_name(activity)
        self._scheduled += 1
        key = self._scheduled
        self._current[key] = name
        try:
            return await self._call(activity, args, local, options)
        except BaseException:
            self._failed += 1
            raise
        finally:
            self._finished += 1
            del self._current[key]

    async def map(
        self,
        activity: ActivityRef,
        items: Sequence[Any],
        *,
        args: Sequence[Any] = (),
        window: int = 100,
        chunk: int = 1000,
        on_error: Literal["raise", "collect"] = "raise",
        **options: Any,
    ) -> MapResult:
        """Execute an activity for every item, never more than `window` at a time.

        Above `chunk` items each chunk goes to a child run, which alone continues-as-new, and the
        results come back as a storage reference, to be read in an activity with
        `map_results(reference)`.

        Args:
            activity: Called as `activity(item, *args)`.
            items: The items.
            args: Further arguments of every call.
            window: Most activities pending at a time, over all chunks.
            chunk: Items per child run.
            on_error: `raise` ends the map with the first failure and cancels the rest; `collect`
                goes on and returns the reasons by item index.
            **options: Temporal's own activity options.

        Returns:
            Results in item order, errors and count.

        Raises:
            InvalidInput: If `window` or `chunk` is below 1.
        """
        return await run_map(
            self,
            activity,
            items,
            args=args,
            window=window,
            chunk=chunk,
            on_error=on_error,
            options=options,
        )

    async def gather(self, *awaitables: Awaitable[Any]) -> list[Any]:
        """Await all; the first failure cancels and awaits the others, then is raised.

        Args:
            *awaitables: For example calls of `execute`.

        Returns:
            The results in order.
        """
        return await gather(*awaitables)

    @workflow.signal(name="pause")
    async def pause(self, reason: str | None = None) -> None:
        """Let no further activity start, nor those of a `map`; those that run go on.

        Args:
            reason: Why; shown in the ledger.
        """
        async with self._pausing:
            if not self._paused:
                self._paused, self._pause_reason = True, reason
                await self.running_chunks.tell("pause", reason)
                await self._record_pause(PauseRequest(paused=True, reason=reason))

    @workflow.signal(name="resume")
    async def resume(self, patch: dict[str, Any] | None = None) -> None:
        """Let activities start again.

        Args:
            patch: Merged into the run's state in the ledger, and kept in `resume_patches`.
        """
        async with self._pausing:
            if not self._paused:
                return
            if patch:
                self._patches.append(patch)
            await self._record_pause(PauseRequest(paused=False, patch=patch))
            self._paused, self._pause_reason = False, None
            await self.running_chunks.tell("resume", None)

    @property
    def resume_patches(self) -> list[dict[str, Any]]:
        """What resumes brought along, oldest first."""
        return self._patches

    @workflow.query(name="progress")
    def progress(self) -> Progress:
        """Return how far this execution is."""
        return Progress(
            workflow_type=workflow.info().workflow_type,
            paused=self._paused,
            pause_reason=self._pause_reason,
            scheduled=self._scheduled,
            finished=self._finished,
            failed=self._failed,
            current=sorted(self._current.values()),
        )

    @property
    def declared_activities(self) -> ActivityNames:
        """Names that `get_activities` declared when the run began; lists inside are groups."""
        return self._declared

    async def pauses_told(self) -> None:
        """Wait until pauses and resumes that came are recorded; a run ends only after that."""
        if self._pausing.locked():
            await workflow.wait_condition(lambda: not self._pausing.locked())

    def reset_to_start(self) -> None:
        """Hear, before `run` begins, that a reset made this execution, and undid everything."""

    async def pause_gate(self) -> None:
        """Wait while the run is paused."""
        while self._paused:
            await workflow.wait_condition(lambda: not self._paused)

    async def _call(
        self, activity: ActivityRef, args: Sequence[Any], local: bool, options: dict[str, Any]
    ) -> Any:
        given = dict(options)
        given.setdefault("retry_policy", self.default_retry_policy)
        if local:
            if not {"start_to_close_timeout", "schedule_to_close_timeout"} & given.keys():
                given["start_to_close_timeout"] = self.default_local_timeout
            if isinstance(activity, str):
                return await workflow.execute_local_activity(activity, args=args, **given)
            return await workflow.execute_local_activity_method(activity, args=args, **given)
        if not {"start_to_close_timeout", "schedule_to_close_timeout"} & given.keys():
            given["start_to_close_timeout"] = self.default_start_to_close_timeout
        given.setdefault("heartbeat_timeout", self.default_heartbeat_timeout)
        if isinstance(activity, str):
            return await workflow.execute_activity(activity, args=args, **given)
        return await workflow.execute_activity_method(activity, args=args, **given)

    async def _record_pause(self, request: PauseRequest) -> None:
        """Tell the ledger; a ledger that is away does not keep the run from pausing."""
        try:
            await workflow.execute_local_activity(
                RECORD_PAUSE,
                args=[request],
                schedule_to_close_timeout=_PAUSE_RECORD_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
        except FailureError as error:  # of a local activity: its own error comes bare
            workflow.logger.warning("the pause state of this run was not recorded: %s", error)
