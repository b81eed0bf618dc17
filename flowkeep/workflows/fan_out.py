"""Bounded fan-out: `gather` and `map` of the workflow base class."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from flowkeep.contracts import MapChunkInput, MapResult
from flowkeep.errors import InvalidInput
from flowkeep.workflows.causes import cause_of
from flowkeep.workflows.chunks import Chunks
from flowkeep.workflows.declared import activity_name

CHUNK_CHILDREN = 2
"""Chunks in progress at a time: while one is down to its last activities the next fills the
window."""


class Executes(Protocol):
    """The part of a workflow that fan-out needs."""

    default_retry_policy: ClassVar[RetryPolicy]
    default_start_to_close_timeout: ClassVar[timedelta]
    default_heartbeat_timeout: ClassVar[timedelta]
    running_chunks: Chunks

    async def pause_gate(self) -> None:
        """Wait while the run is paused."""
        ...

    async def execute(self, activity: Any, *args: Any, **options: Any) -> Any:
        """Execute one activity."""
        ...


class ChunkOptions(BaseModel):
    """Activity options as they travel to a chunk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_to_close_timeout: timedelta | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    task_queue: str | None = None
    local: bool = False

    @classmethod
    def of(cls, workflow_object: Executes, options: dict[str, Any]) -> "ChunkOptions":
        """Complete the caller's options with the defaults of the caller's class.

        Raises:
            InvalidInput: If an option cannot travel; names it.
        """
        given = {"retry_policy": workflow_object.default_retry_policy, **options}
        if not {"start_to_close_timeout", "schedule_to_close_timeout"} & given.keys():
            given["start_to_close_timeout"] = workflow_object.default_start_to_close_timeout
        if not given.get("local"):
            given.setdefault("heartbeat_timeout", workflow_object.default_heartbeat_timeout)
        try:
            return cls(**given)
        except ValidationError as error:
            names = ", ".join(str(item["loc"][0]) for item in error.errors())
            raise InvalidInput(
                f"map: options {names} cannot travel to chunks",
                hint=f"use {', '.join(cls.model_fields)}",
            ) from None

    def given(self) -> dict[str, Any]:
        """Return the options that were given, as keyword arguments of `execute`."""
        return {name: value for name, value in self if value is not None and value is not False}


async def gather(*awaitables: Awaitable[Any]) -> list[Any]:
    """Await all; the first failure cancels and awaits the others, then is raised."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    except GeneratorExit:  # an evicted run is thrown away: nothing can be awaited any more
        raise
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def windowed(
    workflow_object: Executes,
    activity: Any,
    items: Sequence[Any],
    *,
    args: Sequence[Any],
    window: int,
    on_error: str,
    offset: int,
    options: dict[str, Any],
    stop: Callable[[], bool] = lambda: False,
) -> tuple[list[Any], dict[str, str]]:
    """Execute an activity per item with at most `window` pending.

    Args:
        workflow_object: Executes the activities.
        activity: Called as `activity(item, *args)`.
        items: The items.
        args: Further arguments.
        window: Most pending at a time.
        on_error: `raise` or `collect`.
        offset: Index of the first item in the whole list, for the keys of errors.
        options: Activity options.
        stop: Asked before each item; once true, no further item is begun.

    Returns:
        Results in item order (null where the item failed), as many as items were begun, and
        reasons by item index as text.
    """
    results: list[Any] = []
    errors: dict[str, str] = {}
    todo = iter(range(len(items)))
    # The SDK raises a local activity's own error bare.
    failures = (ActivityError, ApplicationError) if options.get("local") else (ActivityError,)

    async def lane() -> None:
        while not stop():
            index = next(todo, None)
            if index is None:
                return
            results.append(None)
            try:
                results[index] = await workflow_object.execute(
                    activity, items[index], *args, **options
                )
            except failures as error:
                if on_error == "raise" or workflow.cancellation_reason() is not None:
                    raise
                errors[str(offset + index)] = str(cause_of(error) or error)

    await gather(*(lane() for _ in range(min(window, len(items)))))
    return results, errors


async def run_map(
    workflow_object: Executes,
    activity: Any,
    items: Sequence[Any],
    *,
    args: Sequence[Any],
    window: int,
    chunk: int,
    on_error: Literal["raise", "collect"],
    options: dict[str, Any],
) -> MapResult:
    """Do what `WorkflowInterface.map` says."""
    if window < 1 or chunk < 1:
        raise InvalidInput(f"map: window={window} and chunk={chunk} must both be at least 1")
    if len(items) <= chunk:
        results, errors = await windowed(
            workflow_object,
            activity,
            items,
            args=args,
            window=window,
            on_error=on_error,
            offset=0,
            options=options,
        )
        return MapResult(results=results, errors=errors, count=len(items))
    children = min(CHUNK_CHILDREN, window)
    request = MapChunkInput(
        activity=activity_name(activity),
        items=[],
        args=list(args),
        window=window // children,
        on_error=on_error,
        options=ChunkOptions.of(workflow_object, options).model_dump(mode="json"),
        reference=f"{quote(workflow.info().workflow_id, safe='')}/{workflow.uuid4()}",
    )
    return await _run_chunks(workflow_object, request, items, chunk, children)


async def _run_chunks(
    workflow_object: Executes,
    request: MapChunkInput,
    items: Sequence[Any],
    chunk: int,
    children: int,
) -> MapResult:
    todo = iter(range(0, len(items), chunk))
    outcomes: dict[int, MapResult] = {}

    async def lane() -> None:
        for offset in todo:
            await workflow_object.pause_gate()
            part = request.model_copy(
                update={"items": list(items[offset : offset + chunk]), "offset": offset}
            )
            outcomes[offset] = await workflow_object.running_chunks.run(
                part, f"{workflow.info().workflow_id}/map-{request.reference[-12:]}/{offset}"
            )

    await gather(*(lane() for _ in range(children)))
    errors: dict[str, str] = {}
    for offset in sorted(outcomes):
        errors.update(outcomes[offset].errors)
    return MapResult(errors=errors, count=len(items), reference=request.reference)
