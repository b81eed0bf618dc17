"""Definitions from drawings: nodes with steps become tasks, edges become transitions.

A node with several steps becomes a chain of tasks; edges lead from its last task to the first of
the next node. A node runs when all nodes before it have been decided, and one of them led to it.
Nodes that nothing leads to run side by side. A node without steps does nothing: what stands before
it leads to what stands behind it. The drawing itself stays with the caller, unchanged.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowkeep.contracts import Problem
from flowkeep.definitions.canvas_edges import joined_edges
from flowkeep.definitions.canvas_nodes import Drawing, Edge, Node, Step
from flowkeep.definitions.spec import MOST_TASKS, REF
from flowkeep.definitions.validate_tasks import RESERVED

_REF = re.compile(REF)
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class CanvasResult:
    """What became of a canvas.

    Attributes:
        data: The definition as plain data, as a document has it; None when there are errors.
        problems: What is wrong with the drawing, with the ids of nodes in the paths.
    """

    data: dict[str, Any] | None
    problems: list[Problem] = field(default_factory=list)


def read_canvas(
    dag_spec: Any,
    *,
    ref: str,
    label: str | None = None,
    actions: Mapping[str, str] | None = None,
    default_action: str = "{app}.{step}",
    app: str | None = None,
) -> CanvasResult:
    """Return the definition that a canvas draws.

    Args:
        dag_spec: The canvas, plain JSON with `nodes` and `edges`; it is not changed.
        ref: Ref of the definition.
        label: Name for people; the one in the canvas' `metadata` when left out.
        actions: Action by `<module>.<step>` or by `<step>`; the first counts more.
        default_action: Action of what is in neither; `{app}`, `{module}` and `{step}` stand for
            names.
        app: The app that the canvas belongs to.
    """
    drawing = Drawing(dag_spec)
    edges = joined_edges(drawing)
    callee = _Callee(actions or {}, default_action, app)
    tasks = _tasks(drawing, edges, callee)
    if not drawing.problems and not tasks:
        drawing.wrong("canvas.nodes", "have no steps", "draw a node with at least one step")
    if len(tasks) > MOST_TASKS:
        drawing.wrong("canvas.nodes", f"have {len(tasks)} steps, and {MOST_TASKS} are the most")
    problems = list(drawing.problems)
    has_errors = bool(problems)
    problems += _idle_modules(drawing)
    if has_errors:
        return CanvasResult(None, problems)
    metadata = dag_spec.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    named = {"label": label or metadata.get("name"), "description": metadata.get("description")}
    data = {"ref": ref, **{key: one for key, one in named.items() if one and isinstance(one, str)}}
    return CanvasResult({**data, "tasks": tasks}, problems)


@dataclass(frozen=True, slots=True)
class _Callee:
    """Finds the action of a step."""

    mapping: Mapping[str, str]
    default: str
    app: str | None

    def of(self, node: Node, step: Step) -> str | None:
        """Return the action, or None where there is none."""
        if step.action is not None:
            return step.action
        for key in (f"{node.module}.{step.name}", step.name):
            if key in self.mapping:
                return self.mapping[key]
        names = {"{app}": self.app, "{module}": node.module, "{step}": step.name}
        if any(key in self.default and one is None for key, one in names.items()):
            return None
        return re.sub(r"\{(?:app|module|step)\}", lambda m: names[m[0]] or "", self.default)


def _tasks(drawing: Drawing, edges: list[Edge], callee: _Callee) -> list[dict[str, Any]]:
    """Return the tasks of all nodes in the order drawn; notes steps that call nothing."""
    names = _names(drawing)
    leaving: dict[str, list[Edge]] = {}
    for edge in edges:
        leaving.setdefault(edge.source, []).append(edge)
    tasks = []
    for node in drawing.nodes.values():
        mine = names[node.id]
        for number, step in enumerate(node.steps):
            action = callee.of(node, step)
            if action is None or not _REF.fullmatch(action):
                _unmapped(drawing, node, step, action)
            task: dict[str, Any] = {"name": mine[number], "action": action}
            if node.label is not None:
                task["label"] = node.label
            if step.input:
                task["input"] = step.input
            is_last = number + 1 == len(mine)
            task["transitions"] = (
                _transitions(leaving.get(node.id, []), names)
                if is_last
                else [{"do": [mine[number + 1]]}]
            )
            if node.module is not None:
                task["module"] = node.module
            tasks.append({**task, "step": step.name, "node": node.id})
    return tasks


def _unmapped(drawing: Drawing, node: Node, step: Step, action: str | None) -> None:
    key = step.name if node.module is None else f"{node.module}.{step.name}"
    message = (
        f"has no action for the step {step.name!r}"
        if action is None
        else f"calls {action[:100]!r}, which cannot be the name of an action"
    )
    drawing.wrong(step.path, message, f"map {key!r} to an action, or give the step an `action`")


def _transitions(edges: list[Edge], names: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return the transitions for the edges of a node.

    An edge without a condition is followed whenever the node succeeded. Beside others with one it
    has to say so: a transition without `when` fires only if no other does.
    """
    followed = (names[one.target][0] for one in edges if one.condition in (None, True))
    always = list(dict.fromkeys(followed))
    some = [
        {"when": one.condition, "do": [names[one.target][0]]}
        for one in edges
        if one.condition not in (None, True)
    ]
    if not always:
        return some
    return [{"when": "{{ succeeded() }}", "do": always} if some else {"do": always}, *some]


def _names(drawing: Drawing) -> dict[str, list[str]]:
    """Return names for the tasks of each node, made from its id and its steps."""
    taken = set(RESERVED)
    found: dict[str, list[str]] = {}
    for node in drawing.nodes.values():
        mine = []
        for step in node.steps:
            base = re.sub(r"[^A-Za-z0-9_]+", "_", f"{node.id}_{step.name}").strip("_") or "task"
            base = (base if not base[0].isdigit() else f"node_{base}")[:_LONGEST]
            name, number = base, 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            mine.append(name)
        found[node.id] = mine
    return found


def _idle_modules(drawing: Drawing) -> list[Problem]:
    return [
        Problem(
            path=node.path,
            message=f"has no steps of the module {node.module!r}, so nothing is done there",
            hint="choose steps, or remove the node",
            level="warning",
        )
        for node in drawing.nodes.values()
        if node.module is not None and not node.steps
    ]
