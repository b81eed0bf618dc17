"""Several calls of one task, or the tasks of a parallel one: a group that ends as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.spec import Task
from flowkeep.definitions.template_values import STORED, described
from flowkeep.errors import InvalidInput

DEFAULT_CONCURRENCY = 50
"""How many items, or tasks of a parallel task, are worked on at a time."""


class ItemsNotAList(InvalidInput):
    """`with_items` gave something else than a list.

    Args:
        task: The task.
        value: What it gave.
    """

    code = "ITEMS_NOT_A_LIST"
    hint = "let it give a list; one item is a list of one"

    def __init__(self, task: str, value: Any) -> None:
        stored = isinstance(value, dict) and STORED in value
        given = "a value kept by reference, too big to go through" if stored else described(value)
        super().__init__(f"tasks.{task}.with_items gives {given} where a list is needed")


@dataclass(slots=True)
class Group:
    """What belongs to one iteration of a task and ends before it does.

    Its members are known by position from 0: batches of items, or inner tasks in their order.

    Attributes:
        size: How many members there are.
        window: Most that are asked for or begun at a time.
        items: What is iterated over; None for a parallel task.
        step: How many items a member gets.
        results: Per position what it gave; null where it gave nothing.
        asked: How many members have been asked for.
        running: How many of those have begun and not ended.
        ended: How many have ended.
        failed: The lowest position that failed; -1 while none has.
        error: Why it did.
    """

    size: int
    window: int
    items: list[Any] | None = None
    step: int = 1
    results: list[Any] = field(default_factory=list)
    asked: int = 0
    running: int = 0
    ended: int = 0
    failed: int = -1
    error: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.results = self.results or [None] * self.size

    @classmethod
    def of_items(cls, task: Task, items: Any) -> "Group":
        """Make the group of a task with items.

        Raises:
            ItemsNotAList: If `items` is no list.
        """
        if not isinstance(items, list):
            raise ItemsNotAList(task.name, items)
        step = task.batch_size or 1
        size = -(-len(items) // step)
        return cls(size, task.concurrency or DEFAULT_CONCURRENCY, items, step)

    @classmethod
    def of_tasks(cls, task: Task) -> "Group":
        """Make the group of a parallel task."""
        return cls(len(task.inner), task.concurrency or DEFAULT_CONCURRENCY)

    def next_positions(self) -> Sequence[int]:
        """Return the members to ask for now: as many as there is room for."""
        if self.failed >= 0:
            return ()
        first, room = self.asked, self.window - (self.asked - self.ended)
        self.asked = min(self.size, first + max(room, 0))
        return range(first, self.asked)

    def begin(self) -> bool:
        """Take note that a member is to begin; returns false if it may not any more."""
        if self.failed >= 0:
            return False
        self.running += 1
        return True

    def end(
        self, index: int, status: TaskStatus, result: Any, error: dict[str, Any] | None
    ) -> None:
        """Take note of how a member ended.

        Args:
            index: Index of its first item, or position of the inner task.
            status: How it ended.
            result: What it gave.
            error: Why it failed.
        """
        position = index // self.step
        self.running -= 1
        self.ended += 1
        if status is TaskStatus.SUCCEEDED:
            self.results[position] = result
        elif status is not TaskStatus.SKIPPED and (self.failed < 0 or position < self.failed):
            self.failed, self.error = position, error

    @property
    def over(self) -> bool:
        """Whether nothing more of it runs or will be asked for."""
        return self.running == 0 if self.failed >= 0 else self.ended == self.size

    def variables(self, task: Task, index: int) -> dict[str, Any]:
        """Return what the templates of one call of a task with items can name besides the rest.

        Args:
            task: The task.
            index: Index of the (first) item of the call.
        """
        assert self.items is not None
        if task.batch_size is None:
            return {"item": self.items[index], "index": index}
        batch = self.items[index : index + self.step]
        return {"item": batch, "index": index, "batch": index // self.step}

    def result(self, task: Task) -> Any:
        """Return what the whole gave: a list in the order of items, or `{name: result}`."""
        if self.items is not None:
            return list(self.results)
        return {inner.name: self.results[place] for place, inner in enumerate(task.inner)}

    def failure(self, task: Task) -> dict[str, Any]:
        """Return why the whole failed; names the first member that did."""
        assert self.error is not None
        if self.items is None:
            name = task.inner[self.failed].name
            return {**self.error, "message": f"task {name!r}: {self.error['message']}"}
        index = self.failed * self.step
        return {**self.error, "message": f"item {index}: {self.error['message']}", "index": index}

    def dump(self) -> dict[str, Any]:
        """Return where it stands, as JSON."""
        state = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**state, "results": list(self.results)}

    @classmethod
    def load(cls, dump: dict[str, Any]) -> "Group":
        """Return the group that `dump` was made from."""
        return cls(**{**dump, "results": list(dump["results"])})
