"""Definitions that call one another for ever: found before they are stored.

A call is made under a condition when its task, or the parallel task around it, has a `when` or
items from a template (which may be none), or when a transition with a `when`, or one beside it, led
there. Calls that lead back to where they began are endless when none of them is made under a
condition.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass

from flowkeep.definitions.spec import DefinitionSpec, Task

MOST_FOLLOWED = 1_000
"""Most definitions that are read behind one call."""

Load = Callable[[str], Awaitable[DefinitionSpec | None]]
"""Returns the definition of a ref, None when there is none."""


@dataclass(frozen=True, slots=True)
class Call:
    """A task that calls something by a ref.

    Attributes:
        ref: What it calls.
        path: Where it says so.
        conditional: Whether it is made under a condition.
    """

    ref: str
    path: str
    conditional: bool


def calls_of(spec: DefinitionSpec, actions: Collection[str] | None) -> Iterator[Call]:
    """Yield the calls of a definition that may be of definitions, in order.

    Args:
        spec: The definition.
        actions: Refs of the actions that workers serve. Any other action may be the ref of a
            definition; None when they are not known: then no action counts.
    """
    led = _led_by_conditions(spec)
    outer = {inner.name: task for task in spec.tasks for inner in task.inner}
    for task, path in spec.all_tasks():
        around = outer.get(task.name)
        conditional = _has_condition(task, led) or (
            around is not None and _has_condition(around, led)
        )
        if task.workflow is not None:
            yield Call(task.workflow, f"{path}.workflow", conditional)
        elif task.action is not None and actions is not None and task.action not in actions:
            yield Call(task.action, f"{path}.action", conditional)


async def endless_calls(
    spec: DefinitionSpec, load: Load, actions: Collection[str] | None
) -> list[tuple[Call, list[str]]]:
    """Return the calls that lead back to their definition without any condition on the way.

    Args:
        spec: The definition.
        load: Reads the others.
        actions: As in `calls_of`.

    Returns:
        Each call with the refs on the shortest way back, the definition's own first and last.
    """
    found = []
    told: set[str] = set()
    for call in calls_of(spec, actions):
        if call.conditional or call.ref in told:
            continue
        told.add(call.ref)
        way = await _way_back(call.ref, spec.ref, load, actions)
        if way is not None:
            found.append((call, [spec.ref, *way]))
    return found


async def _way_back(
    start: str, home: str, load: Load, actions: Collection[str] | None
) -> list[str] | None:
    """Return the refs from a first call to `home`, both included; None when none leads there."""
    came_from: dict[str, str | None] = {start: None}
    ahead = deque([start])
    while ahead and len(came_from) <= MOST_FOLLOWED:
        ref = ahead.popleft()
        if ref == home:
            return _walked(ref, came_from)
        spec = await load(ref)
        for call in calls_of(spec, actions) if spec is not None else ():
            if not call.conditional and call.ref not in came_from:
                came_from[call.ref] = ref
                ahead.append(call.ref)
    return None


def _walked(end: str, came_from: dict[str, str | None]) -> list[str]:
    way = []
    at: str | None = end
    while at is not None:
        way.append(at)
        at = came_from[at]
    return way[::-1]


def _has_condition(task: Task, led: set[str]) -> bool:
    asked = task.when is not None and task.when is not True
    return asked or isinstance(task.with_items, str) or task.name in led


def _led_by_conditions(spec: DefinitionSpec) -> set[str]:
    """Return the tasks that only a chosen transition leads to, and what follows them."""
    follows = {
        task.name: [name for one in task.transitions or () for name in one.do]
        for task in spec.tasks
    }
    choosing = (
        task for task in spec.tasks if any(one.when is not None for one in task.transitions or ())
    )
    ahead = [name for task in choosing for name in follows[task.name]]
    found: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(follows.get(name, ()))
    return found
