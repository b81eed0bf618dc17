"""What is drawn on a canvas: its nodes with their steps, and its edges.

A node has an `id`. On itself or in its `data` it names its module (`module`, `molecule`) and its
steps in their order (`steps`, `atoms`; or a single `step`, `atom`). A step is a name, or an object
with a name, and perhaps `input` (or `settings`) and an `action`. A node's own input and action go
to each of its steps; a node with an action and no steps is one step. Edges have `source` and
`target`, and perhaps a `condition`; a `label` is one if it is a template.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowkeep.contracts import Problem
from flowkeep.definitions.wording import kind_of

LONGEST_NAME = 200
"""Most characters of the name of a module or a step, as the ledger keeps them."""

_MODULE = ("module", "module_id", "moduleId", "molecule", "molecule_id", "moleculeId")
_STEP = ("step", "step_id", "stepId", "atom", "atom_id", "atomId")
_STEPS = ("steps", "atoms", "selected_atoms", "selectedAtoms")
_NAME = (*_STEP, "ref", "name", "id")
_INPUT = ("input", "inputs", "settings", "params", "parameters")
_CONDITION = ("condition", "when")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a node.

    Attributes:
        name: What it is called.
        path: Where it is drawn.
        input: What it is given.
        action: What it calls, where the canvas says so.
    """

    name: str
    path: str
    input: dict[str, Any] = field(default_factory=dict)
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        id: What edges call it.
        path: Where it is drawn.
        module: The module it stands for.
        label: Name for people.
        steps: In their order.
    """

    id: str
    path: str
    module: str | None
    label: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge.

    Attributes:
        source: Id of the node that it leaves.
        target: Id of the node that it leads to.
        path: Where it is drawn.
        condition: When it is followed; always when None.
    """

    source: str
    target: str
    path: str
    condition: str | bool | None


class Drawing:
    """The nodes and edges of a canvas, and what is wrong with them.

    Args:
        canvas: Plain JSON; it is not changed.

    Attributes:
        nodes: By id, in the order drawn.
        edges: Those whose nodes are there, in the order drawn.
        problems: What is wrong.
    """

    def __init__(self, canvas: Any) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.problems: list[Problem] = []
        if not isinstance(canvas, Mapping):
            self.wrong("canvas", f"is {kind_of(canvas)}, not an object", "it has nodes and edges")
            return
        for path, node in self._objects(canvas.get("nodes"), "canvas.nodes"):
            self._node(node, path)
        for path, edge in self._objects(canvas.get("edges"), "canvas.edges"):
            self._edge(edge, path)

    def wrong(self, path: str, message: str, hint: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(path=path, message=message, hint=hint))

    def _node(self, node: Mapping[str, Any], path: str) -> None:
        node_id = self._text(node.get("id"), f"{path}.id")
        if node_id is None:
            return
        if node_id in self.nodes:
            self.wrong(f"{path}.id", f"repeats {node_id!r}", "every node has an id of its own")
            return
        where = f"canvas.nodes[{node_id!r}]"
        module = self._name(_among(node, _MODULE, where), ("name", "id", *_MODULE))
        listed = _among(node, _STEPS, where)
        if module is None and (node.get("type") in ("module", "molecule") or listed is not None):
            module = node_id
        label = next((one for _, one in _holders(node, where, ("label", "title", "name"))), None)
        self.nodes[node_id] = Node(
            id=node_id,
            path=where,
            module=module,
            label=label if isinstance(label, str) and label else None,
            steps=tuple(self._steps(node, where, listed)),
        )

    def _steps(
        self, node: Mapping[str, Any], path: str, listed: tuple[str, Any] | None
    ) -> Iterator[Step]:
        single = _among(node, _STEP, path)
        drawn = [] if single is None else [single]
        if listed is not None:
            where, values = listed
            if not isinstance(values, list):
                self.wrong(where, f"is {kind_of(values)}, not a list")
                return
            drawn = [(f"{where}[{number}]", value) for number, value in enumerate(values)]
        shared = self._input(node, path)
        action = self._action(node, path)
        if not drawn and action is not None:
            yield Step(action, f"{path}.action", shared, action)
        for where, value in drawn:
            name = self._name((where, value), _NAME)
            if name is None:
                continue
            own = value if isinstance(value, Mapping) else {}
            given = {**shared, **self._input(own, where)}
            yield Step(name, where, given, self._action(own, where) or action)

    def _edge(self, edge: Mapping[str, Any], path: str) -> None:
        ends = []
        for end in ("source", "target"):
            node_id = self._text(edge.get(end), f"{path}.{end}")
            if node_id is not None and node_id not in self.nodes:
                self.wrong(f"{path}.{end}", f"names no node: {node_id!r}", "remove the edge")
                node_id = None
            ends.append(node_id)
        condition = next((one for _, one in _holders(edge, path, _CONDITION)), None)
        label = edge.get("label")
        if condition is None and isinstance(label, str) and "{{" in label:
            condition = label
        if condition is not None and not isinstance(condition, (str, bool)):
            self.wrong(f"{path}.condition", f"is {kind_of(condition)}, not a text")
            return
        if ends[0] is not None and ends[1] is not None:
            self.edges.append(Edge(ends[0], ends[1], path, None if condition == "" else condition))

    def _input(self, holder: Mapping[str, Any], path: str) -> dict[str, Any]:
        found = _among(holder, _INPUT, path)
        if found is None:
            return {}
        where, value = found
        if isinstance(value, Mapping):
            return dict(value)
        self.wrong(where, f"is {kind_of(value)}, not an object")
        return {}

    def _action(self, holder: Mapping[str, Any], path: str) -> str | None:
        found = _among(holder, ("action",), path)
        return None if found is None else self._text(found[1], found[0])

    def _name(self, found: tuple[str, Any] | None, keys: Sequence[str]) -> str | None:
        if found is None:
            return None
        where, value = found
        if not isinstance(value, Mapping):
            return self._text(value, where)
        named = next((key for key in keys if value.get(key) is not None), None)
        if named is None:
            self.wrong(where, "has no name", f"give it one of {', '.join(keys[-3:])}")
            return None
        return self._text(value[named], f"{where}.{named}")

    def _objects(self, values: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if values is not None and not isinstance(values, list):
            self.wrong(path, f"is {kind_of(values)}, not a list")
            return
        for number, value in enumerate(values or ()):
            if isinstance(value, Mapping):
                yield f"{path}[{number}]", value
            else:
                self.wrong(f"{path}[{number}]", f"is {kind_of(value)}, not an object")

    def _text(self, value: Any, path: str) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # ids of some drawing tools are numbers
        if not isinstance(value, str) or not value:
            what = "is missing" if value is None else "is empty" if value == "" else None
            self.wrong(path, what or f"is {kind_of(value)}, not a text")
            return None
        if len(value) > LONGEST_NAME or not value.isprintable():
            self.wrong(path, f"is longer than {LONGEST_NAME} characters or not printable")
            return None
        return value


def _holders(
    holder: Mapping[str, Any], path: str, keys: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """Yield paths and values of some keys, of an object or of its data."""
    for one, where in ((holder, path), (holder.get("data"), f"{path}.data")):
        if isinstance(one, Mapping):
            yield from ((f"{where}.{key}", one[key]) for key in keys if one.get(key) is not None)


def _among(holder: Mapping[str, Any], keys: Sequence[str], path: str) -> tuple[str, Any] | None:
    return next(_holders(holder, path, keys), None)
