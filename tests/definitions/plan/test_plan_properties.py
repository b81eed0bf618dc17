"""What holds for every definition, whatever happens and in whatever order.

PLAN_EXAMPLES sets how many definitions each property is tried with; the short form is the same
every time.
"""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import CancelTask, Finish, Note, Plan, TaskRef
from flowkeep.definitions.plan_graph import Graph
from flowkeep.definitions.spec import DefinitionSpec, Kind
from tests.definitions.plan.generate import SETTINGS, Ride, definitions, graphs
from tests.definitions.plan.support import Call

seeds = st.integers(0, 2**32)


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_every_run_ends_once(spec: DefinitionSpec, seed: int, order: int) -> None:
    """Each run finishes once, with its last command, and then knows of nothing that is active."""
    ride = Ride(spec, seed, order).go()
    commands = ride.all_commands
    assert [n for n, command in enumerate(commands) if isinstance(command, Finish)] == [
        len(commands) - 1
    ]
    assert ride.plan.outcome == commands[-1]
    assert ride.plan.active == []
    assert ride.plan.counts()["active"] == 0
    assert sum(ride.plan.counts().values()) == len(list(spec.all_tasks()))
    if ride.plan.outcome.status == "cancelled":
        assert ride.cancelled


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_nothing_is_done_twice(spec: DefinitionSpec, seed: int, order: int) -> None:
    """No reference begins twice, or is both begun and noted; only what was begun is cancelled."""
    ride = Ride(spec, seed, order).go()
    noted = [command.ref for command in ride.all_commands if isinstance(command, Note)]
    assert max(Counter([*ride.begun, *noted]).values(), default=1) == 1
    begun = set()
    cancelled = []
    for command in ride.all_commands:
        if isinstance(command, Call):
            begun.add(command.ref)
        elif isinstance(command, CancelTask):
            assert command.ref in begun
            cancelled.append(command.ref)
    assert len(cancelled) == len(set(cancelled))


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_nothing_begins_once_a_run_is_to_end(spec: DefinitionSpec, seed: int, order: int) -> None:
    """Nothing begins after a cancel of anything, nor after a failure that nothing can handle."""
    ride = Ride(spec, seed, order).go()
    unhandled = {
        task.name for task in spec.tasks if not task.transitions and task.with_items is None
    }
    ending = False
    for told, commands in zip(ride.told, ride.commands, strict=True):
        if told is not None and told[1] is not TaskStatus.SUCCEEDED:
            ending = ending or told[0].name in unhandled
        for command in commands:
            ending = ending or isinstance(command, CancelTask)
            assert not (ending and isinstance(command, Call))
    if ending:
        assert ride.plan.outcome is not None
        assert ride.plan.outcome.status != "succeeded"


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_every_task_is_accounted_for(spec: DefinitionSpec, seed: int, order: int) -> None:
    """In a run that succeeded each top-level task has ended or was skipped, one of the two.

    Outside of cycles it has done so once; what a parallel task or one with items did, its
    members show.
    """
    ride = Ride(spec, seed, order).go()
    assert ride.plan.outcome is not None
    if ride.plan.outcome.status != "succeeded":
        return
    notes = [command for command in ride.all_commands if isinstance(command, Note)]
    cycle = Graph.of(spec).cycle
    for place, task in enumerate(spec.tasks):
        members = {task.name, *(inner.name for inner in task.inner)}
        ran = [ref for ref in ride.begun if ref.name in members]
        noted = [note for note in notes if note.ref.name == task.name]
        inner = [note for note in notes if note.ref.name in members]
        assert ran or noted or inner
        if cycle[place] < 0:
            assert {ref.iteration for ref in ran} <= {0}
            skips = [note for note in noted if note.status is TaskStatus.SKIPPED]
            assert len(skips) <= 1
            assert not (skips and ran)


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_the_same_events_give_the_same_commands(
    spec: DefinitionSpec, seed: int, order: int
) -> None:
    """A second plan that is told the same asks for the same, event by event."""
    first, second = Ride(spec, seed, order).go(), Ride(spec, seed, order).go()
    assert first.commands == second.commands


@settings(**SETTINGS)
@given(definitions(), seeds, seeds, st.integers(0, 12))
def test_a_plan_can_be_written_down_at_any_moment(
    spec: DefinitionSpec, seed: int, order: int, event: int
) -> None:
    """A plan that went through JSON goes on exactly like the one it was made from."""
    straight = Ride(spec, seed, order).go()
    interrupted = Ride(spec, seed, order, reload_at=event).go()
    assert straight.commands == interrupted.commands
    assert straight.plan.dump() == interrupted.plan.dump()
    assert straight.plan.counts() == interrupted.plan.counts()


@settings(**SETTINGS)
@given(graphs(), seeds, seeds, seeds)
def test_the_order_of_successes_does_not_matter(
    spec: DefinitionSpec, seed: int, order: int, other: int
) -> None:
    """Whichever task ends first, the same tasks run and the same are skipped."""
    rides = [Ride(spec, seed, one, failing=0, interrupts=False).go() for one in (order, other)]
    first, second = (
        (
            sorted(ride.begun),
            sorted(command.ref for command in ride.all_commands if isinstance(command, Note)),
            ride.plan.counts(),
        )
        for ride in rides
    )
    assert first == second


def expected_states(spec: DefinitionSpec, ride: Ride) -> dict[str, bool]:
    """Which top-level tasks of an acyclic graph run, read off the rules task by task.

    Edges lead from earlier to later tasks, so each task's fate is known when its turn comes.
    """
    runs: dict[str, bool] = {}
    edges: dict[str, dict[str, bool]] = {task.name: {} for task in spec.tasks}
    for task in spec.tasks:
        fired = list(edges[task.name].values())
        needed = len(fired) if task.join == "all" else task.join or 1
        runs[task.name] = not fired or sum(fired) >= needed
        given = result_of(spec, task.name, ride)
        chosen = [
            transition
            for transition in task.transitions or []
            if transition.when == ("{{ result() }}" if given else "{{ not result() }}")
        ]
        chosen = chosen or [one for one in task.transitions or [] if one.when is None]
        leads_to = {name for transition in chosen for name in transition.do}
        for transition in task.transitions or []:
            for name in transition.do:
                edges[name][task.name] = runs[task.name] and name in leads_to
    return runs


def result_of(spec: DefinitionSpec, name: str, ride: Ride) -> object:
    """What a task gives, if it runs: a list for one with items, an object for a parallel one."""
    task = next(task for task in spec.tasks if task.name == name)
    if task.kind is Kind.PARALLEL:
        return task.inner
    if isinstance(task.with_items, list):
        return task.with_items
    return ride.outcome(TaskRef(name))[1]


@settings(**SETTINGS)
@given(graphs(), seeds, seeds)
def test_a_graph_runs_what_its_rules_say(spec: DefinitionSpec, seed: int, order: int) -> None:
    """In graphs without cycles exactly those tasks run whose joins are fulfilled."""
    ride = Ride(spec, seed, order, failing=0, interrupts=False).go()
    expected = expected_states(spec, ride)
    skipped = {
        command.ref.name
        for command in ride.all_commands
        if isinstance(command, Note) and command.status is TaskStatus.SKIPPED
    }
    assert {name: name not in skipped for name in expected} == expected
    ran = {ref.name for ref in ride.begun}
    for task in spec.tasks:
        if not task.inner and task.kind is not Kind.PARALLEL and task.with_items != []:
            assert (task.name in ran) == expected[task.name]


@settings(**SETTINGS)
@given(definitions(), seeds, seeds)
def test_limits_are_kept(spec: DefinitionSpec, seed: int, order: int) -> None:
    """Never more run than may: actions and children in all, and items of one task."""
    limits = {task.name: task.concurrency or 50 for task, _ in spec.all_tasks()}
    people = {task.name for task, _ in spec.all_tasks() if task.kind is Kind.HUMAN}
    most = Ride(spec, seed).most_active

    def watch(plan: Plan) -> None:
        assert sum(ref.name not in people for ref in plan.active) <= most
        items = Counter(ref.whole for ref in plan.active if ref.index >= 0)
        assert all(count <= limits[ref.name] for ref, count in items.items())
        for task in spec.tasks:
            inner = {one.name for one in task.inner}
            running = {ref.whole for ref in plan.active if ref.name in inner}
            per_turn = Counter(ref.iteration for ref in running)
            assert all(count <= limits[task.name] for count in per_turn.values())

    Ride(spec, seed, order, watch=watch).go()
