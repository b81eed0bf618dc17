"""Which tasks begin and which are skipped, given which edges fired.

Edges are decided once. A task outside of cycles that several edges lead to begins, or is skipped,
as its `join` says. A cycle is entered the same way; inside, each firing begins a task anew, and
the edges that leave it are decided once nothing of it runs and nothing can enter it any more.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from flowkeep.definitions.plan_commands import TaskRef
from flowkeep.definitions.plan_graph import NO_CYCLE, Graph
from flowkeep.definitions.spec import Task
from flowkeep.errors import FlowkeepError


class TooManyIterations(FlowkeepError):
    """A task of a cycle would run more often than it may.

    Args:
        task: The task.
    """

    code = "TOO_MANY_ITERATIONS"
    hint = "check what ends the cycle, or raise its `max_iterations`"

    def __init__(self, task: Task) -> None:
        super().__init__(f"task {task.name!r} would run more than {task.max_iterations} times")
        self.task = task.name


class Move(NamedTuple):
    """What becomes of a task.

    Attributes:
        ref: The task and which iteration of it.
        begins: Whether it is to begin; otherwise nothing led to it, and it is skipped.
    """

    ref: TaskRef
    begins: bool


class Flow:
    """The edges of a run: which have fired, which are dead, what follows.

    Args:
        tasks: The top-level tasks.
        graph: Their graph.
    """

    def __init__(self, tasks: Sequence[Task], graph: Graph) -> None:
        self._tasks = tasks
        self._graph = graph
        self._fired = [0] * len(tasks)
        self._dead = [0] * len(tasks)
        self._entered = [entries == 0 for entries in graph.entries]
        self._begun = [0] * len(tasks)
        self._runs = [0] * len(graph.cycles)
        self._entries = [
            sum(not self._entered[place] for place in members) for members in graph.cycles
        ]
        self._left: list[dict[tuple[int, int], None]] = [{} for _ in graph.cycles]
        self._edges: deque[tuple[int, bool]] = deque()
        self._moves: list[Move] = []

    def start(self) -> list[Move]:
        """Return what begins with the run."""
        for place in self._graph.roots:
            self._begin(place)
        for number in range(len(self._graph.cycles)):
            self._settle(number)
        return self._all_moves()

    def ended(self, place: int, fired: Sequence[int] | None) -> list[Move]:
        """Return what follows the end of one iteration of a task.

        Args:
            place: The task.
            fired: The tasks that its fired transitions lead to, in their order; None for a task
                without transitions, whose edge, that of a sequence, has fired.

        Raises:
            TooManyIterations: If one of them has run as often as it may.
        """
        number = self._graph.cycle[place]
        if fired is None:
            fired = self._graph.targets[place]
        if number == NO_CYCLE:
            reached = set(fired)
            self._edges.extend((it, it in reached) for it in self._graph.targets[place])
            return self._all_moves()
        for target in dict.fromkeys(fired):
            if self._graph.same_cycle(place, target):
                self._begin(target)
            else:
                self._left[number][place, target] = None
        self._runs[number] -= 1
        self._settle(number)
        return self._all_moves()

    def _all_moves(self) -> list[Move]:
        while self._edges:
            self._decide(*self._edges.popleft())
        moves, self._moves = self._moves, []
        return moves

    def _decide(self, target: int, fired: bool) -> None:
        (self._fired if fired else self._dead)[target] += 1
        begins = None if self._entered[target] else self._verdict(target)
        if begins is None:
            return
        self._entered[target] = True
        number = self._graph.cycle[target]
        if begins:
            self._begin(target)
        elif number == NO_CYCLE:
            self._skip(target)
        if number != NO_CYCLE:
            self._entries[number] -= 1
            self._settle(number)

    def _verdict(self, place: int) -> bool | None:
        """Whether a task begins (true) or nothing led to it (false); None when still open."""
        join, total = self._tasks[place].join, self._graph.entries[place]
        fired, dead = self._fired[place], self._dead[place]
        if join is None:
            return None if fired + dead < total else fired > 0
        needed = total if join == "all" else join
        if fired >= needed:
            return True
        return False if total - dead < needed else None

    def _begin(self, place: int) -> None:
        task, iteration = self._tasks[place], self._begun[place]
        if iteration >= task.max_iterations:
            raise TooManyIterations(task)
        self._begun[place] += 1
        if self._graph.cycle[place] != NO_CYCLE:
            self._runs[self._graph.cycle[place]] += 1
        self._moves.append(Move(TaskRef(task.name, iteration), begins=True))

    def _skip(self, place: int) -> None:
        self._moves.append(Move(TaskRef(self._tasks[place].name), begins=False))
        if self._graph.cycle[place] == NO_CYCLE:
            self._edges.extend((target, False) for target in self._graph.targets[place])

    def _settle(self, number: int) -> None:
        """Decide the edges that leave a cycle, if it is over."""
        if self._runs[number] or self._entries[number]:
            return
        members = self._graph.cycles[number]
        for place in members:
            if self._begun[place] == 0:
                self._skip(place)
        left = self._left[number]
        self._edges.extend(
            (target, (place, target) in left)
            for place in members
            for target in self._graph.targets[place]
            if not self._graph.same_cycle(place, target)
        )

    def dump(self) -> dict[str, Any]:
        """Return where it stands, as JSON."""
        return {
            "fired": list(self._fired),
            "dead": list(self._dead),
            "entered": [int(entered) for entered in self._entered],
            "begun": list(self._begun),
            "runs": list(self._runs),
            "entries": list(self._entries),
            "left": [[list(edge) for edge in left] for left in self._left],
        }

    def restore(self, dump: dict[str, Any]) -> None:
        """Go on where `dump` stood."""
        self._fired = list(dump["fired"])
        self._dead = list(dump["dead"])
        self._entered = [bool(entered) for entered in dump["entered"]]
        self._begun = list(dump["begun"])
        self._runs = list(dump["runs"])
        self._entries = list(dump["entries"])
        self._left = [dict.fromkeys((place, to) for place, to in left) for left in dump["left"]]
