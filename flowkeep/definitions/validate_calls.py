"""Whether what tasks call is there, and takes what it is given."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from flowkeep.contracts import Problem
from flowkeep.definitions import schemas
from flowkeep.definitions.plan_graph import strongly_connected
from flowkeep.definitions.spec import DefinitionSpec, Kind, Task
from flowkeep.definitions.wording import suggestion
from flowkeep.errors import InvalidInput

BUILT_IN = frozenset(
    f"core.{name}"
    for name in ("fail", "http", "log", "return", "shell", "sleep", "sql", "workflow")
)
"""Actions that come with flowkeep; a worker may leave some of them out."""

_RESERVED = "core."


def call_problems(
    spec: DefinitionSpec,
    *,
    actions: Collection[str] | None,
    action_schemas: Mapping[str, Mapping[str, Any]],
    definitions: Collection[str],
) -> Iterator[Problem]:
    """Yield what is wrong with the calls of a definition.

    Args:
        spec: The definition.
        actions: Refs of the actions that workers have registered; None when that is not known.
        action_schemas: JSON Schemas of inputs by ref.
        definitions: Refs of the definitions that are there.
    """
    led_by_conditions = _led_by_conditions(spec)
    for task, path in spec.all_tasks():
        if task.kind is Kind.ACTION and task.action is not None:
            yield from _action_problems(task.action, f"{path}.action", actions)
            schema = action_schemas.get(task.action)
            if schema:
                yield from _input_problems(task, f"{path}.input", schema)
        elif task.workflow == spec.ref:
            if task.when is None and task.name not in led_by_conditions:
                yield Problem(
                    path=f"{path}.workflow",
                    message="calls the definition itself, without a condition: it never ends",
                    hint="give the task a `when`",
                    level="warning",
                )
        elif task.workflow is not None and task.workflow not in definitions:
            yield Problem(
                path=f"{path}.workflow",
                message=f"calls {task.workflow!r}, and there is no such definition yet",
                hint=suggestion(task.workflow, definitions) or "apply that one too",
                level="warning",
            )


def called_definitions(spec: DefinitionSpec) -> list[str]:
    """Return the refs of the definitions that a definition calls, each once, in order."""
    return list(dict.fromkeys(t.workflow for t, _ in spec.all_tasks() if t.workflow is not None))


def find_cycles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return where calls lead back to where they began.

    Args:
        edges: What each one calls; who is only called may be missing.

    Returns:
        Of each group that call one another the shortest way round from its first name, in the
        order of names, without that name again at the end. Nothing when there is no way round.
    """
    names = sorted({*edges, *(one for called in edges.values() for one in called)})
    places = {name: place for place, name in enumerate(names)}
    targets = [[places[one] for one in sorted(set(edges.get(name, ())))] for name in names]
    found = []
    for members in strongly_connected(targets):
        first = min(members)
        if len(members) > 1 or first in targets[first]:
            found.append([names[place] for place in _way_round(first, targets, set(members))])
    return sorted(found)


def _way_round(first: int, targets: list[list[int]], members: set[int]) -> list[int]:
    came_from: dict[int, int] = {}
    ahead = deque([first])
    while ahead:
        place = ahead.popleft()
        for target in targets[place]:
            if target == first:
                way = [place]
                while way[-1] != first:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if target in members and target not in came_from:
                came_from[target] = place
                ahead.append(target)
    raise AssertionError("a member of a cycle leads back to itself")


def _led_by_conditions(spec: DefinitionSpec) -> set[str]:
    """Return the tasks that a transition with a condition leads to, and what follows them."""
    follows = {
        task.name: [name for one in task.transitions or () for name in one.do]
        for task in spec.tasks
    }
    ahead = [
        name
        for task in spec.tasks
        for one in task.transitions or ()
        if one.when is not None
        for name in one.do
    ]
    found: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(follows.get(name, ()))
    return found


def _action_problems(ref: str, path: str, actions: Collection[str] | None) -> Iterator[Problem]:
    known = actions or ()
    if ref in known:
        return
    if ref.startswith(_RESERVED) and ref not in BUILT_IN:
        hint = suggestion(ref, BUILT_IN | set(known))
        if ref == "core.python":
            hint = "register the Python function as an action of its own"
        yield Problem(path=path, message=f"is {ref!r}, and there is no such action", hint=hint)
    elif actions is not None:
        near = suggestion(ref, actions)
        yield Problem(
            path=path,
            message=f"is {ref!r}, and no worker has registered it",
            hint=near if near and near.startswith("did") else "start a worker that serves it",
            level="warning",
        )


def _input_problems(task: Task, path: str, schema: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what cannot fit whatever the templates give."""
    literal = _is_literal(task.input)
    try:
        found = schemas.violations(schema, task.input)
    except InvalidInput:
        return  # the action's own schema is wrong, which is for its author
    for one in found:
        at = one.path[:-1] if one.about_names else one.path
        place: Any = task.input
        for step in at:
            place = place[step]
        sure = isinstance(place, dict) if one.about_names else _is_literal(place)
        if literal or (sure and not one.conditional):
            yield one.problem(path)


def _is_literal(value: Any) -> bool:
    """Return whether a value has no templates in it."""
    if isinstance(value, str):
        return "{{" not in value
    if isinstance(value, dict):
        return all(_is_literal(one) for one in value.values())
    return not isinstance(value, list) or all(_is_literal(one) for one in value)
