"""Random definitions, and random ways in which their runs go."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import Command, Plan, TaskRef
from flowkeep.definitions.spec import DefinitionSpec
from tests.definitions.plan.support import Call, definition

LONG = "PLAN_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("PLAN_EXAMPLES", "60"))
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": not LONG,
    "max_examples": EXAMPLES,
    "database": None,
}
BROKEN = "{{ parameters.missing }}"
MOST_EVENTS = 5_000

conditions = st.sampled_from(
    [None, None, None, True, False, "{{ vars.v == 1 }}", "{{ tasks.t0.result == 1 }}", BROKEN]
)
branches = st.sampled_from(
    [
        None,
        "{{ succeeded() }}",
        "{{ failed() }}",
        "{{ timed_out() }}",
        "{{ result() == 1 }}",
        "{{ result() != 1 }}",
        "{{ vars.v == 1 }}",
        True,
        False,
    ]
)
joins = st.sampled_from([None, None, None, "all", 1, 2, 3])
publishes = st.sampled_from([{}, {}, {"v": "{{ result() }}"}, {"v": 1}, {"w": BROKEN}])
item_lists = st.sampled_from([[], ["x"], [0, 1, 2, 3, 4], "{{ range(3) }}", "no list"])
inputs = st.sampled_from([{}, {}, {"v": "{{ vars.v }}"}, {"v": "{{ vars }}", "x": BROKEN}])


@st.composite
def works(draw: st.DrawFn, name: str, *, plain: bool) -> dict[str, Any]:
    """What a task that holds no others is and does; a plain one is never skipped or refused."""
    task: dict[str, Any] = {"name": name}
    kind = draw(st.sampled_from(["action", "action", "workflow", "human"]))
    human = {"assignee": "eva", "title": "{{ vars.v }}?"}
    task[kind] = human if kind == "human" else "some.thing"
    if draw(st.integers(0, 2)) == 0:
        task["with_items"] = draw(st.sampled_from([[], [1, 2, 3, 4]]) if plain else item_lists)
        task["batch_size"] = draw(st.sampled_from([None, 2]))
        task["concurrency"] = draw(st.sampled_from([None, 1, 2]))
    if not plain:
        task |= {"when": draw(conditions), "publish": draw(publishes), "input": draw(inputs)}
    return task


@st.composite
def tasks(draw: st.DrawFn, name: str, *, plain: bool = False) -> dict[str, Any]:
    """One top-level task without transitions."""
    if draw(st.integers(0, 5)):
        return draw(works(name, plain=plain))
    inner = [draw(works(f"{name}_{n}", plain=plain)) for n in range(draw(st.integers(0, 3)))]
    task: dict[str, Any] = {"name": name, "tasks": inner}
    if not plain:
        task |= {"when": draw(conditions), "publish": draw(publishes)}
    return task | {"concurrency": draw(st.sampled_from([None, 1]))}


@st.composite
def transitions(draw: st.DrawFn, targets: list[str], whens: Any) -> list[dict[str, Any]]:
    """Transitions to some of these tasks, at most one of them a default branch."""
    made: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        when = draw(whens)
        if when is None and any(one["when"] is None for one in made):
            continue
        do = draw(st.lists(st.sampled_from(targets), max_size=2)) if targets else []
        made.append({"when": when, "do": do})
    return made


@st.composite
def definitions(draw: st.DrawFn) -> DefinitionSpec:
    """Anything: a sequence, a graph, a graph with cycles."""
    shape = draw(st.sampled_from(["sequence", "graph", "cycles", "cycles"]))
    names = [f"t{n}" for n in range(draw(st.integers(1, 7)))]
    made = [draw(tasks(name)) for name in names]
    for place, task in enumerate(made if shape != "sequence" else []):
        targets = names[place + 1 :] if shape == "graph" else names
        task["transitions"] = draw(transitions(targets, branches))
        for transition in task["transitions"]:
            transition["publish"] = draw(st.sampled_from([{}, {}, {"v": 1}]))
        task |= {"join": draw(joins), "max_iterations": draw(st.sampled_from([2, 3, 1_000]))}
    return definition(
        *made,
        vars={"v": 0},
        output_map=draw(st.sampled_from([{}, {"v": "{{ vars.v }}"}, {"v": BROKEN}])),
        cancellation_policy=draw(st.sampled_from(["cancel_running", "allow_finish"])),
    )


@st.composite
def graphs(draw: st.DrawFn) -> DefinitionSpec:
    """Graphs without cycles, conditions and variables, in which nothing fails by itself."""
    names = [f"t{n}" for n in range(draw(st.integers(1, 8)))]
    made = [draw(tasks(name, plain=True)) for name in names]
    whens = st.sampled_from([None, None, "{{ result() }}", "{{ not result() }}"])
    for place, task in enumerate(made):
        task["transitions"] = draw(transitions(names[place + 1 :], whens))
        task["join"] = draw(joins)
    return definition(*made, vars={"v": 0})


@dataclass
class Ride:
    """One run that goes as its seed says.

    Attributes:
        spec: The definition.
        seed: Decides outcomes, by name alone, and together with `order` everything else.
        order: Decides which of the active ones ends next.
        failing: How often, of 10, something fails.
        interrupts: Whether the run may be held and released, or cancelled.
        reload_at: Event before which the plan is dumped and loaded.
        watch: Called with the plan after each event.
        commands: What was asked for, per event.
        told: How something ended, per event; None for other events.
        cancelled: Whether the run was cancelled.
    """

    spec: DefinitionSpec
    seed: int
    order: int = 0
    failing: int = 2
    interrupts: bool = True
    reload_at: int = -1
    watch: Callable[[Plan], None] = lambda plan: None
    commands: list[list[Command]] = field(default_factory=list)
    told: list[tuple[TaskRef, TaskStatus] | None] = field(default_factory=list)
    cancelled: bool = False

    def go(self) -> "Ride":
        """Drive the run to its end."""
        chance = Random(self.order)
        self.plan = Plan(self.spec, parameters={}, most_active=self.most_active)
        self._take(self.plan.begin())
        held = False
        for event in range(MOST_EVENTS):
            if event == self.reload_at:
                self.plan = Plan.load(self.spec, json.loads(json.dumps(self.plan.dump())))
            if self.plan.outcome is not None:
                break
            active = self.plan.active
            what = chance.randrange(40) if self.interrupts else 39
            if held and (not active or what < 8):
                held = False
                self._take(self.plan.release())
            elif what == 0 and not self.cancelled:
                self.cancelled = True
                self._take(self.plan.cancel())
            elif what < 3:
                held = True
                self.plan.hold()
            else:
                ref = active[chance.randrange(len(active))]
                status, result = self.outcome(ref)
                self._take(self.plan.ended(ref, status, result), (ref, status))
        return self

    def _take(
        self, commands: list[Command], told: tuple[TaskRef, TaskStatus] | None = None
    ) -> None:
        self.commands.append(commands)
        self.told.append(told)
        self.watch(self.plan)

    @property
    def most_active(self) -> int:
        """How many actions and children run at a time."""
        return Random(self.seed).choice([1, 2, 5, 200])

    def outcome(self, ref: TaskRef) -> tuple[TaskStatus, Any]:
        """How something ends, and what it gives; the same for each order of events."""
        chance = Random(f"{self.seed} {ref.text}")
        if chance.randrange(10) >= self.failing:
            return TaskStatus.SUCCEEDED, chance.choice([0, 1])
        status = [TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED]
        return chance.choice(status), None

    @property
    def all_commands(self) -> list[Command]:
        """What was asked for, whenever it was."""
        return [command for commands in self.commands for command in commands]

    @property
    def begun(self) -> list[TaskRef]:
        """What was begun, in order."""
        return [command.ref for command in self.all_commands if isinstance(command, Call)]
