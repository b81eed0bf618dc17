"""Whether transitions lead somewhere, every task is reached, and joins can be met."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flowkeep.contracts import Problem
from flowkeep.definitions.plan_graph import strongly_connected
from flowkeep.definitions.spec import DefinitionSpec, Task
from flowkeep.definitions.wording import suggestion


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges between top-level tasks by their places.

    Attributes:
        targets: Per task where it leads, each place once.
        sources: Per task what leads to it.
        entries: Per task how many edges lead to it from outside of its own cycle.
    """

    targets: list[list[int]]
    sources: list[list[int]]
    entries: list[int]

    @classmethod
    def of(cls, spec: DefinitionSpec) -> "_Edges":
        places = {task.name: place for place, task in reversed(list(enumerate(spec.tasks)))}
        targets = []
        for task in spec.tasks:
            names = (name for one in task.transitions or () for name in one.do)
            targets.append([places[one] for one in dict.fromkeys(names) if one in places])
        sources: list[list[int]] = [[] for _ in targets]
        for source, leads_to in enumerate(targets):
            for target in leads_to:
                sources[target].append(source)
        cycle = [0] * len(targets)
        for number, members in enumerate(strongly_connected(targets)):
            for member in members:
                cycle[member] = number
        entries = [
            sum(cycle[source] != cycle[target] for source in leading)
            for target, leading in enumerate(sources)
        ]
        return cls(targets, sources, entries)


def graph_problems(
    spec: DefinitionSpec, written: Collection[str], *, whole: bool
) -> Iterator[Problem]:
    """Yield what is wrong with how tasks follow one another.

    Args:
        spec: The definition.
        written: Names that the document gives to tasks, those with errors too.
        whole: Whether all transitions could be read; otherwise only those that could are looked at.
    """
    if spec.is_sequence:
        for place, task in enumerate(spec.tasks):
            if task.join is not None:
                yield Problem(
                    path=f"tasks[{place}].join",
                    message="has nothing to join: no task has transitions",
                    hint="leave it out, or write transitions",
                )
        return
    edges = _Edges.of(spec)
    inner = {one.name: task.name for task in spec.tasks for one in task.inner}
    known = {task.name for task in spec.tasks}
    for place, task in enumerate(spec.tasks):
        yield from _transition_problems(task, f"tasks[{place}]", known, inner, written)
    if whole:
        for place, task in enumerate(spec.tasks):
            yield from _join_problems(task, f"tasks[{place}].join", edges.entries[place])
        yield from _reach_problems(spec, edges)


def _transition_problems(
    task: Task, path: str, known: set[str], inner: dict[str, str], written: Collection[str]
) -> Iterator[Problem]:
    defaults = 0
    for number, transition in enumerate(task.transitions or ()):
        where = f"{path}.transitions[{number}]"
        if transition.when is None:
            defaults += 1
            if defaults == 2:
                yield Problem(
                    path=where,
                    message="is a second transition without `when`",
                    hint="one may list several tasks: do: [a, b]",
                )
        for place, name in enumerate(transition.do):
            if name in known or (name in written and name not in inner):
                continue
            message, hint = (
                f"leads to {name!r}, which is no task",
                suggestion(name, known & set(written)),
            )
            if name in inner:
                message = f"leads to {name!r}, which is inside a parallel task"
                hint = f"lead to {inner[name]}, which runs all tasks inside it"
            yield Problem(path=f"{where}.do[{place}]", message=message, hint=hint)


def _join_problems(task: Task, path: str, entries: int) -> Iterator[Problem]:
    if task.join is None:
        return
    if entries < 2:
        few = "no transition leads" if entries == 0 else "one transition leads"
        yield Problem(
            path=path,
            message=f"has nothing to join: {few} here",
            hint="leave it out; transitions inside a cycle do not count",
        )
    elif isinstance(task.join, int) and task.join > entries:
        yield Problem(
            path=path,
            message=f"waits for {task.join} transitions, and {entries} lead here",
            hint="use `all`, or a smaller number",
        )


def _reach_problems(spec: DefinitionSpec, edges: _Edges) -> Iterator[Problem]:
    roots = [place for place, sources in enumerate(edges.sources) if not sources]
    if not roots:
        yield Problem(
            path="tasks",
            message="have no beginning: a transition leads to each of them",
            hint="add a task that nothing leads to",
        )
        return
    reached = set(roots)
    ahead = list(roots)
    while ahead:
        for target in edges.targets[ahead.pop()]:
            if target not in reached:
                reached.add(target)
                ahead.append(target)
    for place, task in enumerate(spec.tasks):
        if place not in reached:
            yield Problem(
                path=f"tasks[{place}]",
                message=f"is never reached: only a cycle leads to {task.name!r}",
                hint="let a transition of a task that is reached lead there",
            )
        elif place and task.transitions is None and not edges.sources[place]:
            yield Problem(
                path=f"tasks[{place}]",
                message="begins at once, beside the others: nothing leads to it",
                hint="let a transition lead there, or write transitions: [] if that is meant",
                level="warning",
            )
