"""What a rerun takes over from an earlier run, and what it does again. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import TaskRef
from flowkeep.definitions.plan_graph import Graph
from flowkeep.definitions.spec import DefinitionSpec, Task
from flowkeep.errors import InvalidInput
from flowkeep.redaction import MASK

_TEXT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d+)\])?(?:#(\d+))?")


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a rerun would do.

    Attributes:
        reused: Texts of tasks and items whose outcomes are taken over, in the order of the run.
        again: Names of tasks of which something is done again, in the order of the definition.
    """

    reused: tuple[str, ...]
    again: tuple[str, ...]


def read_ref(text: str) -> TaskRef | None:
    """Read what `TaskRef.text` gave; None for what it cannot have given."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    name, index, iteration = found.groups()
    return TaskRef(name, int(iteration or 0), -1 if index is None else int(index))


def is_whole(output: Any) -> bool:
    """Return whether a recorded output is what the task gave, nothing masked or left out.

    The ledger masks what looks like a secret, and keeps only size and digest of what is too big, or
    of everything when it is set up like that.
    """
    if isinstance(output, Mapping) and "sha256" in output and "size" in output:
        return not output.keys() <= {"size", "sha256", "type", "not_recorded"}
    return not _masked(output)


def _masked(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_masked(item) for item in value.values())
    if isinstance(value, list):
        return any(_masked(item) for item in value)
    return isinstance(value, str) and MASK in value


def plan_rerun(
    spec: DefinitionSpec,
    outcomes: Mapping[str, TaskStatus],
    *,
    before: DefinitionSpec | None = None,
    tasks: Collection[str] | None = None,
) -> Rerun:
    """Tell what a rerun takes over.

    What follows a task that is done again is done again, and so is a task that the version of the
    rerun describes differently: all of them, where variables, parameters or what transitions
    publish differ. Of a failed task with items those that succeeded are kept, if their input is
    the same.

    Args:
        spec: The version that is run now.
        outcomes: How the tasks and items of the earlier run ended, by text; open ones too.
        before: The version that it ran; the same when left out.
        tasks: Tasks to begin with; those that did not succeed when left out.

    Raises:
        InvalidInput: If a task to begin with does not exist.
    """
    known = {task.name: task for task, _ in spec.all_tasks()}
    unknown = sorted(set(tasks or ()) - known.keys())
    if unknown:
        raise InvalidInput(
            f"{', '.join(unknown)} is no task of {spec.ref!r}", hint=f"it has {', '.join(known)}"
        )
    changed = _changed(spec, known, before)
    parsed = {text: ref for text in outcomes if (ref := read_ref(text)) is not None}
    failed = {
        ref.name
        for text, ref in parsed.items()
        if ref.name in known and outcomes[text] not in (TaskStatus.SUCCEEDED, TaskStatus.SKIPPED)
    }
    seeds = (set(tasks) if tasks is not None else failed) | changed
    again = _followers(spec, seeds)
    whole = again | changed | (set(tasks) if tasks is not None else set())
    reused = [
        text
        for text, ref in parsed.items()
        if ref.name in known
        and ref.name not in whole
        and outcomes[text] is TaskStatus.SUCCEEDED
        and (ref.name not in seeds or ref.index >= 0)
    ]
    return Rerun(tuple(reused), tuple(name for name in known if name in seeds | whole))


def _changed(
    spec: DefinitionSpec, known: Mapping[str, Task], before: DefinitionSpec | None
) -> set[str]:
    """Return the tasks that another version describes differently, what follows them left out."""
    if before is None:
        return set()
    if _values(spec) != _values(before):  # what any template may read
        return set(known)
    old = {task.name: _work(task) for task, _ in before.all_tasks()}
    return {name for name, task in known.items() if old.get(name) != _work(task)}


def _values(spec: DefinitionSpec) -> Any:
    published = {
        task.name: [one.publish for one in task.transitions or [] if one.publish]
        for task in spec.tasks
        if any(one.publish for one in task.transitions or [])
    }
    return spec.vars, spec.parameters, published


def _work(task: Task) -> Task:
    return task.model_copy(update={"transitions": None, "label": None, "description": None})


def _followers(spec: DefinitionSpec, seeds: Collection[str]) -> set[str]:
    """Return the tasks behind these, and those inside of parallel tasks behind these."""
    graph = Graph.of(spec)
    places = {task.name: place for place, task in enumerate(spec.tasks)}
    outer = {inner.name: task.name for task in spec.tasks for inner in task.inner}
    todo = [places[outer.get(name, name)] for name in seeds]
    seen: set[int] = set()
    while todo:
        for target in graph.targets[todo.pop()]:
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return set(_names(spec.tasks[place] for place in sorted(seen)))


def _names(tasks: Iterable[Task]) -> Iterable[str]:
    for task in tasks:
        yield task.name
        yield from (inner.name for inner in task.inner)
