"""Several connectors on one worker share activity names: one router per shared name."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from temporalio import activity

from flowkeep.errors import ConfigurationError
from flowkeep.recording.current import AttemptScope, CurrentRun, current_run

Activity = Callable[..., Any]


class Router:
    """Dispatches an activity to the connector whose workflow called it.

    Args:
        name: The shared name.
        targets: Workflow type to activity.
    """

    def __init__(self, name: str, targets: Mapping[str, Activity]) -> None:
        self._name = name
        self._targets = dict(targets)

    async def call_async(self, *args: Any) -> Any:
        """Call the target of the current run."""
        target = self._target()
        return await target(*_typed(target, args))

    def call(self, *args: Any) -> Any:
        """Call the target of the current run, a plain function."""
        target = self._target()
        return target(*_typed(target, args))

    def attempt_scope(
        self, run: CurrentRun, info: activity.Info
    ) -> AbstractAsyncContextManager[None]:
        """Enter the scope of the instance that the call goes to; the call says if there is none."""
        owner = getattr(self._lookup(run, info.workflow_type), "__self__", None)
        return owner.attempt_scope(run, info) if isinstance(owner, AttemptScope) else nullcontext()

    def _target(self) -> Activity:
        run, workflow_type = current_run.get(), activity.info().workflow_type
        target = self._lookup(run, workflow_type)
        if target is None:
            origin = run.identity.origin_type if run is not None else None
            known = ", ".join(sorted(self._targets))
            raise ConfigurationError(
                f"activity {self._name!r} is shared by the connectors of {known}, and workflow "
                f"type {origin or workflow_type!r} is none of them",
                hint="register the workflow class on this worker",
            )
        return target

    def _lookup(self, run: CurrentRun | None, workflow_type: str | None) -> Activity | None:
        origin = run.identity.origin_type if run is not None else None
        return self._targets.get(origin or "") or self._targets.get(workflow_type or "")


def route(name: str, targets: Mapping[str, Activity]) -> Activity:
    """Make one activity that dispatches by the run's origin type, else by its workflow type.

    Args:
        name: The shared name.
        targets: Workflow type to activity; all async or all plain.

    Raises:
        ConfigurationError: If some are async and others are not.
    """
    kinds = {inspect.iscoroutinefunction(target) for target in targets.values()}
    if len(kinds) > 1:
        raise ConfigurationError(
            f"activity {name!r} is async in one connector and a plain function in another",
            hint="make them alike",
        )
    router = Router(name, targets)
    return _bound(name, router, is_async=kinds.pop())


def _bound(name: str, router: Router, *, is_async: bool) -> Activity:
    """Mark a method of this one router as an activity; marks live on functions."""
    if is_async:

        async def dispatch_async(self: Router, *args: Any) -> Any:
            return await self.call_async(*args)

        marked: Any = activity.defn(name=name)(dispatch_async)
    else:

        def dispatch(self: Router, *args: Any) -> Any:
            return self.call(*args)

        marked = activity.defn(name=name)(dispatch)
    bound: Activity = marked.__get__(router, Router)
    return bound


def _typed(target: Activity, args: tuple[Any, ...]) -> list[Any]:
    """Give the arguments the types that the target asks for; the router decoded them plainly."""
    adapters = _adapters(getattr(target, "__func__", target))
    if len(adapters) != len(args):
        return list(args)
    return [
        arg if adapter is None else adapter.validate_python(arg)
        for adapter, arg in zip(adapters, args, strict=True)
    ]


@cache
def _adapters(function: Activity) -> list[TypeAdapter[Any] | None]:
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    if names and names[0] == "self":
        names = names[1:]
    return [TypeAdapter(hints[name]) if name in hints else None for name in names]
