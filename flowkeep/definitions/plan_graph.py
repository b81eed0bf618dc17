"""The top-level tasks of a definition as a graph: edges, roots and cycles."""

from collections.abc import Sequence
from dataclasses import dataclass

from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import InvalidInput

NO_CYCLE = -1


@dataclass(frozen=True, slots=True)
class Graph:
    """Which task leads to which. Tasks are numbers here: their places in the definition.

    Attributes:
        targets: Per task where its edges lead, each place once, in the order of the transitions.
        entries: Per task how many edges lead to it, those from its own cycle left out.
        roots: Tasks that no edge leads to.
        cycle: Per task the number of its cycle, or -1.
        cycles: The tasks of each cycle, in the order of the definition.
    """

    targets: tuple[tuple[int, ...], ...]
    entries: tuple[int, ...]
    roots: tuple[int, ...]
    cycle: tuple[int, ...]
    cycles: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, spec: DefinitionSpec) -> "Graph":
        """Read the graph of a definition, in time linear in tasks and edges.

        Raises:
            InvalidInput: If a transition leads to a task that is not there.
        """
        targets = _targets(spec)
        cycles = [
            tuple(sorted(part))
            for part in strongly_connected(targets)
            if len(part) > 1 or part[0] in targets[part[0]]
        ]
        cycles.sort()
        cycle = [NO_CYCLE] * len(targets)
        for number, members in enumerate(cycles):
            for member in members:
                cycle[member] = number
        edges = [0] * len(targets)
        entries = [0] * len(targets)
        for source, leads_to in enumerate(targets):
            for target in leads_to:
                edges[target] += 1
                entries[target] += cycle[source] == NO_CYCLE or cycle[source] != cycle[target]
        return cls(
            targets=tuple(targets),
            entries=tuple(entries),
            roots=tuple(place for place, count in enumerate(edges) if count == 0),
            cycle=tuple(cycle),
            cycles=tuple(cycles),
        )

    def same_cycle(self, one: int, other: int) -> bool:
        """Whether two tasks belong to the same cycle."""
        return self.cycle[one] != NO_CYCLE and self.cycle[one] == self.cycle[other]


def _targets(spec: DefinitionSpec) -> list[tuple[int, ...]]:
    if spec.is_sequence:
        following: list[tuple[int, ...]] = [(place,) for place in range(1, len(spec.tasks))]
        return [*following, ()]
    places = {task.name: place for place, task in enumerate(spec.tasks)}
    targets = []
    for task in spec.tasks:
        names = [name for transition in task.transitions or [] for name in transition.do]
        missing = next((name for name in names if name not in places), None)
        if missing is not None:
            raise InvalidInput(
                f"tasks.{task.name}.transitions leads to {missing!r}, which is no task",
                hint="name one of the tasks that stand directly under `tasks`",
            )
        targets.append(tuple(dict.fromkeys(places[name] for name in names)))
    return targets


def strongly_connected(targets: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components of a graph, each as a list of its nodes.

    Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972) with a stack of its
    own, so that long chains do not meet the limit of recursion.

    Args:
        targets: Per node the nodes its edges lead to.
    """
    count = len(targets)
    number = [-1] * count
    low = [0] * count
    waiting = [False] * count
    stack: list[int] = []
    components: list[list[int]] = []
    seen = 0
    for root in range(count):
        path = [(root, iter(targets[root]))] if number[root] < 0 else []
        while path:
            node, rest = path[-1]
            if number[node] < 0:
                number[node] = low[node] = seen
                seen += 1
                stack.append(node)
                waiting[node] = True
            target = next(rest, None)
            if target is None:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == number[node]:
                    components.append(_pop_until(node, stack, waiting))
            elif number[target] < 0:
                path.append((target, iter(targets[target])))
            elif waiting[target]:
                low[node] = min(low[node], number[target])
    return components


def _pop_until(node: int, stack: list[int], waiting: list[bool]) -> list[int]:
    component: list[int] = []
    while not component or component[-1] != node:
        component.append(stack.pop())
        waiting[component[-1]] = False
    return component
