"""Validation of definitions: every problem with its path, its line, and what to do about it.

Nothing is read from anywhere: what is registered and stored is passed in.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from flowkeep.contracts import Problem
from flowkeep.definitions import schemas
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.definitions.validate_calls import (
    BUILT_IN,
    call_problems,
    called_definitions,
    find_cycles,
)
from flowkeep.definitions.validate_graph import graph_problems
from flowkeep.definitions.validate_schemas import schema_problems
from flowkeep.definitions.validate_shape import MOST_PROBLEMS, shape
from flowkeep.definitions.validate_tasks import RESERVED, task_problems
from flowkeep.definitions.validate_templates import template_problems

__all__ = [
    "BUILT_IN",
    "MOST_PROBLEMS",
    "RESERVED",
    "Validation",
    "called_definitions",
    "find_cycles",
    "validate",
]

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")
_KIND_FIELDS = frozenset(("type", "action", "workflow", "human", "tasks"))


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found about a document.

    Attributes:
        spec: The definition; None when there are errors.
        problems: In the order of lines, then of paths.
    """

    spec: DefinitionSpec | None
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep it from being run."""
        return [one for one in self.problems if one.level == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """The problems that do not."""
        return [one for one in self.problems if one.level == "warning"]


def validate(
    data: Mapping[str, Any],
    *,
    lines: Mapping[str, int] | None = None,
    actions: Collection[str] | None = None,
    actions_schemas: Mapping[str, Mapping[str, Any]] | None = None,
    definitions: Collection[str] = (),
) -> Validation:
    """Return a document as a definition, or all that is wrong with it.

    Args:
        data: Plain JSON, as `document.read` gives it.
        lines: Line by path, as `document.read` gives it.
        actions: Refs of the actions that workers have registered; None when that is not known.
        actions_schemas: JSON Schemas of the inputs of actions, by ref.
        definitions: Refs of the definitions that are there.
    """
    if not (isinstance(data, Mapping) and schemas.is_plain(data)):
        problem = Problem(
            path="definition",
            message="is no object of plain JSON, or nested too deeply",
            hint="use texts as names, and at most 255 levels",
        )
        return Validation(None, [problem])
    spec, found, removed = shape(data)
    problems: Iterable[Problem] = found
    if spec is not None:
        meaning = _meaning(
            spec, _written(data), removed, actions, actions_schemas or {}, definitions
        )
        problems = chain(found, meaning)
    listed = list(islice(problems, MOST_PROBLEMS + 1))
    has_errors = any(one.level == "error" for one in listed)
    told = sorted({_with_line(one, lines or {}) for one in listed[:MOST_PROBLEMS]}, key=_order)
    if len(listed) > MOST_PROBLEMS:
        told.append(
            Problem(
                path="tasks",
                message=f"have more than these {MOST_PROBLEMS} problems",
                hint="correct these first",
            )
        )
        has_errors = True
    return Validation(None if has_errors else spec, told)


def _meaning(
    spec: DefinitionSpec,
    written: set[str],
    removed: set[str],
    actions: Collection[str] | None,
    actions_schemas: Mapping[str, Mapping[str, Any]],
    definitions: Collection[str],
) -> Iterator[Problem]:
    """Yield what is wrong with the meaning of what could be read."""
    whole = not any(one.endswith((".transitions", "]", "tasks", ".name")) for one in removed)
    found = chain(
        task_problems(spec),
        graph_problems(spec, written, whole=whole),
        schema_problems(spec),
        template_problems(spec, written),
        call_problems(
            spec, actions=actions, action_schemas=actions_schemas, definitions=definitions
        ),
    )
    unclear = _unclear(removed)
    return (one for one in found if not removed or _is_sure(one.path, removed, unclear))


def _unclear(removed: set[str]) -> set[str]:
    """Return the tasks of which it is not known what they are."""
    split = (one.rpartition(".") for one in removed)
    return {task for task, _, name in split if name in _KIND_FIELDS}


def _is_sure(path: str, removed: set[str], unclear: set[str]) -> bool:
    """Return whether a problem is not merely due to what was left out."""
    if any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in removed):
        return False
    return not any(path == one or path.startswith(f"{one}.") for one in unclear)


def _written(data: Mapping[str, Any]) -> set[str]:
    """Return the names that a document gives to tasks, whatever else is wrong with them."""
    tasks = [one for one in data.get("tasks") or () if isinstance(one, Mapping)]
    inside = [one for task in tasks if isinstance(task.get("tasks"), list) for one in task["tasks"]]
    tasks += [one for one in inside if isinstance(one, Mapping)]
    return {task["name"] for task in tasks if isinstance(task.get("name"), str)}


def _with_line(problem: Problem, lines: Mapping[str, int]) -> Problem:
    """Return a problem with the line of its path, or of the nearest part of it that has one."""
    path = problem.path
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    line = lines.get(path, 1 if lines else None)
    return problem if line is None else problem.model_copy(update={"line": line})


def _order(problem: Problem) -> tuple[int, list[tuple[int, str]], str]:
    steps = [(int(number or -1), name) for number, name in _STEP.findall(problem.path)]
    return problem.line or 0, steps, problem.message
