"""Which modules and steps a definition uses: read off its canvas, or off its tasks.

A canvas is `{"nodes": […], "edges": […], …}`. A node has an `id`; it names its module by `module`
or `molecule` and its steps by `steps` or `atoms` (texts, or objects with a name) or a single `step`
or `atom`, each on the node itself or in its `data`. A node with steps and no module is the module
of its id, and so is a node of the type `module` or `molecule`. Nodes without any of these, for
example notes, use nothing. Without such nodes the tasks of the spec count: `module` and `step`, or
the action.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowkeep.contracts import Component, Problem
from flowkeep.statestore.repositories import names

MOST = 10_000
"""Most components of one definition."""

_MODULE = ("module", "module_id", "moduleId", "molecule", "molecule_id", "moleculeId")
_STEP = ("step", "step_id", "stepId", "atom", "atom_id", "atomId")
_STEPS = ("steps", "atoms", "selected_atoms", "selectedAtoms")
_NAME = (*_STEP, "ref", "name", "id")
_GROUPS = ("tasks", "branches", "steps")

_Use = tuple[str | None, str | None, str | None]


def derive(
    spec: Mapping[str, Any],
    canvas: Any,
    modules: Sequence[str] | None = None,
    steps: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Component], list[Problem]]:
    """Return what a definition uses, and what is wrong with how it says so.

    Args:
        spec: Plain JSON: the workflow.
        canvas: Plain JSON: the drawing it came from, or None.
        modules: The modules that the caller says it uses.
        steps: The steps by module that the caller says it uses.
    """
    found = _Reading()
    if canvas is not None:
        found.canvas(canvas)
    drawn = bool(found.uses)
    if not drawn:
        found.tasks(spec.get("tasks"), "spec.tasks")
    said = found.said(modules, steps)
    if said is not None and not found.uses:
        found.uses = said
    elif said is not None and drawn:
        found.compare(said)
    if len(found.uses) > MOST:
        found.wrong("canvas" if drawn else "spec", f"uses more than {MOST} modules and steps")
    unique = list(dict.fromkeys(found.uses))[:MOST]
    components = [
        Component(position=n, module=module, step=step, node_id=node)
        for n, (module, step, node) in enumerate(unique)
    ]
    return components, found.problems


class _Reading:
    """What was found so far: uses in order, and problems with their paths."""

    def __init__(self) -> None:
        self.uses: list[_Use] = []
        self.problems: list[Problem] = []

    def wrong(self, path: str, message: str) -> None:
        """Note a problem; of thousands the first hundred tell enough."""
        if len(self.problems) < 100:
            self.problems.append(Problem(path=path, message=message))

    def canvas(self, canvas: Any) -> None:
        """Read nodes, and check that edges join them."""
        if not isinstance(canvas, Mapping):
            return self.wrong("canvas", f"is {_kind(canvas)}, not an object")
        ids: set[str] = set()
        for path, node in self._objects(canvas.get("nodes"), "canvas.nodes"):
            node_id = self._text(node.get("id"), f"{path}.id")
            if node_id is None:
                continue
            if node_id in ids:
                self.wrong(f"{path}.id", f"repeats {node_id!r}")
            ids.add(node_id)
            self._node(node, node_id, path)
        for path, edge in self._objects(canvas.get("edges"), "canvas.edges"):
            for end in ("source", "target"):
                node_id = self._text(edge.get(end), f"{path}.{end}")
                if node_id is not None and node_id not in ids:
                    self.wrong(f"{path}.{end}", f"names no node: {node_id!r}")
        return None

    def _node(self, node: Mapping[str, Any], node_id: str, path: str) -> None:
        module = self._module(node, path)
        steps = list(self._steps(node, path))
        if module is None and (
            node.get("type") in ("module", "molecule") or self._among(node, _STEPS, path)
        ):
            module = node_id
        if steps:
            self.uses.extend((module, step, node_id) for step in steps)
        elif module is not None:
            self.uses.append((module, None, node_id))

    def _module(self, node: Mapping[str, Any], path: str) -> str | None:
        found = self._among(node, _MODULE, path)
        if found is None:
            return None
        where, value = found
        if isinstance(value, Mapping):
            return self._named(value, ("name", "id", *_MODULE), where)
        return self._text(value, where)

    def _steps(self, node: Mapping[str, Any], path: str) -> Iterator[str]:
        """Yield the steps of a node, whether it names one or lists several."""
        found = self._among(node, _STEPS, path)
        if found is None:
            found = self._among(node, _STEP, path)
            listed = [] if found is None else [found]
        else:
            where, values = found
            if not isinstance(values, list):
                return self.wrong(where, f"is {_kind(values)}, not a list")
            listed = [(f"{where}[{n}]", value) for n, value in enumerate(values)]
        for where, value in listed:
            step = (
                self._named(value, _NAME, where)
                if isinstance(value, Mapping)
                else self._text(value, where)
            )
            if step is not None:
                yield step
        return None

    def tasks(self, tasks: Any, path: str) -> None:
        """Read the tasks of a spec, and those inside groups."""
        for where, task in self._objects(tasks, path):
            module = self._optional(task, "module", where)
            step = self._optional(task, "step", where) or self._optional(task, "action", where)
            name = self._optional(task, "name", where)
            if module is not None or step is not None:
                self.uses.append((module, step, name))
            for group in _GROUPS:
                if isinstance(task.get(group), list):
                    self.tasks(task[group], f"{where}.{group}")

    def said(
        self, modules: Sequence[str] | None, steps: Mapping[str, Sequence[str]] | None
    ) -> list[_Use] | None:
        """Return what the caller says is used, or None where he says nothing."""
        if modules is None and steps is None:
            return None
        listed = list(modules if modules is not None else steps or ())
        for module in steps or ():
            if module not in listed:
                self.wrong(f"steps_in_modules.{module}", "is not among modules_used")
        uses: list[_Use] = []
        for n, module in enumerate(listed):
            if self._text(module, f"modules_used[{n}]") is None:
                continue
            inside: Sequence[str | None] = (steps or {}).get(module) or [None]
            for i, step in enumerate(inside):
                where = f"steps_in_modules.{module}[{i}]"
                if step is None or self._text(step, where) is not None:
                    uses.append((module, step, None))
        return uses

    def compare(self, said: list[_Use]) -> None:
        """Note where the caller and the canvas disagree; steps only where he names any."""
        mine, theirs = _by_module(self.uses), _by_module(said)
        told = any(theirs.values())
        for module in dict.fromkeys([*mine, *theirs]):
            if module not in theirs:
                self.wrong("modules_used", f"lacks {module!r}, which the canvas uses")
            elif module not in mine:
                self.wrong("modules_used", f"names {module!r}, which the canvas does not use")
            elif told and mine[module] != theirs[module]:
                differing = ", ".join(sorted(mine[module] ^ theirs[module]))
                self.wrong(f"steps_in_modules.{module}", f"differs from the canvas in {differing}")

    def _objects(self, values: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if values is None:
            return
        if not isinstance(values, list):
            self.wrong(path, f"is {_kind(values)}, not a list")
            return
        for n, value in enumerate(values):
            if isinstance(value, Mapping):
                yield f"{path}[{n}]", value
            else:
                self.wrong(f"{path}[{n}]", f"is {_kind(value)}, not an object")

    def _among(
        self, node: Mapping[str, Any], keys: Sequence[str], path: str
    ) -> tuple[str, Any] | None:
        """Return path and value of the first of some keys, of a node or of its data."""
        data = node.get("data")
        for holder, where in ((node, path), (data, f"{path}.data")):
            if isinstance(holder, Mapping):
                for key in keys:
                    if holder.get(key) is not None:
                        return f"{where}.{key}", holder[key]
        return None

    def _named(self, value: Mapping[str, Any], keys: Sequence[str], path: str) -> str | None:
        for key in keys:
            if value.get(key) is not None:
                return self._text(value[key], f"{path}.{key}")
        self.wrong(path, f"has no name: none of {', '.join(keys[:5])}")
        return None

    def _optional(self, value: Mapping[str, Any], key: str, path: str) -> str | None:
        return None if value.get(key) is None else self._text(value[key], f"{path}.{key}")

    def _text(self, value: Any, path: str) -> str | None:
        if value is None:
            self.wrong(path, "is missing")
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # ids of some drawing tools are numbers
        if not isinstance(value, str) or not value:
            self.wrong(path, f"is {_kind(value)}, not a text")
            return None
        if len(value) > names.LONGEST or not value.isprintable():
            self.wrong(path, f"is longer than {names.LONGEST} characters or not printable")
            return None
        return value


def _by_module(uses: list[_Use]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, step, _ in uses:
        if module is not None:
            found.setdefault(module, set()).update([] if step is None else [step])
    return found


def _kind(value: Any) -> str:
    if value == "":
        return "an empty text"
    kinds = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null" if value is None else "a number")
