"""The tasks of a definition by name, those inside parallel tasks included."""

from flowkeep.definitions.plan_commands import TaskRef
from flowkeep.definitions.plan_items import Group
from flowkeep.definitions.spec import DefinitionSpec, Kind, Task
from flowkeep.errors import InvalidInput


class Roster:
    """Who is who in a definition.

    Args:
        spec: The definition.

    Attributes:
        tasks: Every task by name, inner ones after the parallel task they belong to.
        kinds: What each of them is.
        places: The place of each top-level task among them.
        parents: For each inner task the parallel task it belongs to, and its position there.

    Raises:
        InvalidInput: If the definition says what cannot be planned.
    """

    def __init__(self, spec: DefinitionSpec) -> None:
        self.tasks: dict[str, Task] = {}
        self.kinds: dict[str, Kind] = {}
        self.parents: dict[str, tuple[str, int]] = {}
        self.places = {task.name: place for place, task in enumerate(spec.tasks)}
        for task, path in spec.all_tasks():
            if task.name in self.tasks:
                raise InvalidInput(f"{path}.name {task.name!r} is taken", hint="names are unique")
            self.tasks[task.name] = task
            self.kinds[task.name] = task.kind
            if self.kinds[task.name] is Kind.PARALLEL:
                self._adopt(task, path)

    def _adopt(self, task: Task, path: str) -> None:
        if task.with_items is not None:
            raise InvalidInput(
                f"{path}.with_items cannot be used in a parallel task",
                hint="give it to the tasks inside, or run a child definition for each item",
            )
        if any(inner.kind is Kind.PARALLEL for inner in task.inner):
            raise InvalidInput(f"{path}.tasks cannot hold parallel tasks")
        for position, inner in enumerate(task.inner):
            self.parents[inner.name] = task.name, position

    def group_of(self, ref: TaskRef) -> tuple[TaskRef, int] | None:
        """Return the task whose group something is a member of.

        Args:
            ref: An item, or a task.

        Returns:
            The task, and the index of the item or the position among the inner tasks; None for a
            top-level task.
        """
        if ref.index >= 0:
            return ref.whole, ref.index
        parent = self.parents.get(ref.name)
        return None if parent is None else (TaskRef(parent[0], ref.iteration), parent[1])

    def member(self, ref: TaskRef, group: Group, position: int) -> TaskRef:
        """Return what names a member of the group of a task."""
        if group.items is None:
            return TaskRef(self.tasks[ref.name].inner[position].name, ref.iteration)
        return TaskRef(ref.name, ref.iteration, position * group.step)
