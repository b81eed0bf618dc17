"""What a run of a plan has to remember about what runs and what waits."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import Finish, Reused, TaskRef
from flowkeep.definitions.plan_items import Group


@dataclass(slots=True)
class State:
    """What runs, what waits for its turn, and whether the run is to end.

    Attributes:
        most_active: Most actions and children that run at a time.
        reuse: Outcomes not used yet, by the text of a `TaskRef`.
        queue: What is to begin, in order. May hold members of a group that has failed.
        active: What was begun and has not ended, in order.
        calls: How many of those are actions or children.
        groups: Tasks with items and parallel tasks that have begun and not ended, in order.
        turns: How many iterations of top-level tasks are queued or have begun and not ended.
        started: Whether the run has begun.
        held: Whether nothing may begin for now.
        stopped: How the run ends as soon as nothing is active; nothing begins any more.
        outcome: How it ended.
    """

    most_active: int
    reuse: dict[str, Reused] = field(default_factory=dict)
    queue: deque[TaskRef] = field(default_factory=deque)
    active: dict[TaskRef, None] = field(default_factory=dict)
    calls: int = 0
    groups: dict[TaskRef, Group] = field(default_factory=dict)
    turns: int = 0
    started: bool = False
    held: bool = False
    stopped: Finish | None = None
    outcome: Finish | None = None

    def dump(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "most_active": self.most_active,
            "reuse": {
                text: [it.status.value, it.result, it.input] for text, it in self.reuse.items()
            },
            "queue": [list(ref) for ref in self.queue],
            "active": [list(ref) for ref in self.active],
            "calls": self.calls,
            "groups": [[*ref, group.dump()] for ref, group in self.groups.items()],
            "turns": self.turns,
            "started": self.started,
            "held": self.held,
            "stopped": None if self.stopped is None else asdict(self.stopped),
            "outcome": None if self.outcome is None else asdict(self.outcome),
        }

    def restore(self, dump: Mapping[str, Any]) -> None:
        """Go on where `dump` stood."""
        self.most_active = dump["most_active"]
        self.reuse = {
            text: Reused(TaskStatus(status), *outcome)
            for text, (status, *outcome) in dump["reuse"].items()
        }
        self.queue = deque(TaskRef(*ref) for ref in dump["queue"])
        self.active = dict.fromkeys(TaskRef(*ref) for ref in dump["active"])
        self.calls = dump["calls"]
        self.groups = {
            TaskRef(name, iteration, index): Group.load(group)
            for name, iteration, index, group in dump["groups"]
        }
        self.turns = dump["turns"]
        self.started = dump["started"]
        self.held = dump["held"]
        self.stopped = None if dump["stopped"] is None else Finish(**dump["stopped"])
        self.outcome = None if dump["outcome"] is None else Finish(**dump["outcome"])
