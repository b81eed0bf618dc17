"""Graphs: where they begin, which transitions fire, how skips spread, strong components."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_graph import Graph, strongly_connected
from tests.definitions.plan.support import Driven, definition, last, step

LONG = 5_000


def test_tasks_that_nothing_leads_to_begin_side_by_side() -> None:
    """All roots begin with the run, in their order, wherever they stand."""
    driven = Driven(definition(last("z"), step("b", "z"), last("a"), step("c", "a")))
    assert driven.begin() == ["b", "c"]


def test_nothing_follows_where_nothing_is_said() -> None:
    """In a graph, no transitions or an empty list mean that nothing follows."""
    driven = Driven(definition(step("a", "b"), step("b"), last("c")))
    assert driven.begin() == ["a", "c"]
    assert driven.ok("a") == ["b"]
    assert driven.ok_all("b", "c") == []
    assert driven.result == {}


def test_several_transitions_fire() -> None:
    """Each transition whose condition holds fires, in their order; all their tasks begin."""
    transitions = [
        {"when": "{{ result() > 1 }}", "do": ["c", "b"]},
        {"when": "result() > 100", "do": "d"},
        {"when": "{{ succeeded() }}", "do": ["e"]},
        {"do": "f"},
    ]
    spec = definition(step("a", transitions=transitions), *map(last, "bcdef"))
    driven = Driven(spec)
    driven.begin()
    assert driven.ok("a", 2) == ["c", "b", "e"]
    assert driven.skipped == ["d", "f"]
    assert {note.reason for note in driven.notes} == {"unreached"}


def test_the_default_branch_is_for_when_no_other_fired() -> None:
    """The transition without a condition fires when all others did not, wherever it stands."""
    transitions = [{"do": "b"}, {"when": "{{ result() == 1 }}", "do": "c"}]
    for result, begun, skipped in ((1, ["c"], ["b"]), (2, ["b"], ["c"])):
        driven = Driven(definition(step("a", transitions=transitions), last("b"), last("c")))
        driven.begin()
        assert driven.ok("a", result) == begun
        assert driven.skipped == skipped


def test_a_task_that_two_transitions_lead_to_begins_once() -> None:
    """Two transitions from one task to another are one edge."""
    transitions = [{"when": True, "do": ["b"]}, {"when": True, "do": ["b", "b"]}]
    driven = Driven(definition(step("a", transitions=transitions), last("b", join="all"))).run()
    assert driven.begun == ["a", "b"]


def test_a_fired_transition_publishes() -> None:
    """Variables of fired transitions are set in order, for the next condition as well."""
    transitions = [
        {"when": "{{ succeeded() }}", "publish": {"n": "{{ result() }}"}, "do": "b"},
        {"when": "{{ vars.n == 7 }}", "publish": {"seen": "{{ vars.n }}"}, "do": "c"},
        {"when": False, "publish": {"n": 0}, "do": "c"},
    ]
    spec = definition(
        step("a", transitions=transitions),
        last("b", input={"n": "{{ vars.n }}"}),
        last("c", input={"n": "{{ vars.seen }}"}),
        vars={"n": 0},
    )
    assert Driven(spec).run({"a": 7}).inputs[1:] == [{"n": 7}, {"n": 7}]


def test_the_task_publishes_before_its_transitions_are_decided() -> None:
    """Conditions of transitions see what the task has published."""
    spec = definition(
        step(
            "a",
            publish={"n": "{{ result() * 2 }}"},
            transitions=[{"when": "{{ vars.n == 8 }}", "do": "b"}],
        ),
        last("b"),
    )
    assert Driven(spec).run({"a": 4}).begun == ["a", "b"]


def test_of_a_skipped_task_the_default_branch_fires() -> None:
    """A task whose own condition does not hold leads on by its default branch alone."""
    transitions = [
        {"when": True, "do": "b"},
        {"publish": {"n": "{{ succeeded() }}"}, "do": "c"},
    ]
    spec = definition(
        step("a", when=False, transitions=transitions),
        last("b"),
        last("c", input={"n": "{{ vars.n }}"}),
    )
    driven = Driven(spec)
    assert driven.begin() == ["c"]
    assert driven.inputs == [{"n": False}]
    assert driven.skipped == ["a", "b"]


def test_a_task_skipped_for_want_of_an_edge_leads_nowhere() -> None:
    """What nothing led to fires nothing, not even its default branch."""
    driven = Driven(
        definition(step("a", transitions=[{"when": False, "do": "b"}]), step("b", "c"), last("c"))
    ).run()
    assert driven.begun == ["a"]
    assert driven.skipped == ["b", "c"]
    assert driven.result == {}


def test_a_handled_failure_leads_on() -> None:
    """Transitions of a failed task see that it failed and why; no default branch fires."""
    transitions = [
        {"do": "b"},
        {
            "when": "{{ failed() and not timed_out() and not succeeded() }}",
            "publish": {"why": "{{ error() }}", "result": "{{ result() }}"},
            "do": "c",
        },
    ]
    spec = definition(
        step("a", transitions=transitions),
        last("b"),
        last("c", input={"why": "{{ vars.why }}", "result": "{{ vars.result }}"}),
        output_map={"a": "{{ tasks.a }}"},
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.fail("a") == ["c"]
    why = {"code": "BROKEN", "type": "Broken", "message": "broken"}
    assert driven.inputs[1] == {"why": why, "result": None}
    assert driven.skipped == ["b"]
    driven.ok("c")
    assert driven.result == {"a": {"status": "failed", "result": None, "error": why}}


def test_a_timeout_is_a_failure_too() -> None:
    """After a timeout both timed_out() and failed() are true; a reason is made up."""
    spec = definition(
        step("a", transitions=[{"when": "timed_out() and failed()", "do": "b"}]),
        last("b", input={"code": "{{ tasks.a.error.code }}", "status": "{{ tasks.a.status }}"}),
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.end("a", TaskStatus.TIMED_OUT) == ["b"]
    assert driven.inputs[1] == {"code": "TASK_TIMED_OUT", "status": "timed_out"}


def test_a_task_that_was_cancelled_by_somebody_failed() -> None:
    """When nobody cancelled the run, a cancelled task counts as failed for its transitions."""
    spec = definition(
        step("a", transitions=[{"when": "failed() and not timed_out()", "do": "b"}]),
        last("b", input={"status": "{{ tasks.a.status }}"}),
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.end("a", TaskStatus.CANCELLED) == ["b"]
    assert driven.inputs[1] == {"status": "cancelled"}


def test_a_failure_may_be_handled_by_doing_nothing() -> None:
    """A transition that leads nowhere handles a failure as well."""
    driven = Driven(definition(step("a", transitions=[{"when": "{{ failed() }}"}])))
    driven.begin()
    driven.fail("a")
    assert driven.result == {}


def test_skips_spread_over_long_chains() -> None:
    """A skip reaches the end of a chain of 5,000 tasks, in order."""
    tasks = [step(f"t{n}", f"t{n + 1}") for n in range(1, LONG - 1)]
    first = step("t0", transitions=[{"when": False, "do": "t1"}])
    driven = Driven(definition(first, *tasks, last(f"t{LONG - 1}"))).run()
    assert driven.begun == ["t0"]
    assert driven.skipped == [f"t{n}" for n in range(1, LONG)]
    assert driven.result == {}


def test_conditions_may_skip_long_chains() -> None:
    """A sequence of 5,000 tasks of which none is to run ends at once."""
    driven = Driven(definition(*(step(f"t{n}", when=False) for n in range(LONG))))
    assert driven.begin() == []
    assert len(driven.skipped) == LONG
    assert driven.result == {}


def test_components_of_long_chains_and_rings() -> None:
    """Neither a chain nor a ring of 5,000 tasks meets the limit of recursion."""
    chain = Graph.of(definition(*(step(f"t{n}") for n in range(LONG))))
    assert chain.cycles == ()
    assert chain.roots == (0,)
    ring = Graph.of(definition(*(step(f"t{n}", f"t{(n + 1) % LONG}") for n in range(LONG))))
    assert ring.cycles == (tuple(range(LONG)),)
    assert ring.roots == ()


def random_targets(count: int) -> st.SearchStrategy[list[list[int]]]:
    """Where the edges of so many nodes may lead."""
    leads_to = st.lists(st.integers(0, count - 1), unique=True, max_size=3)
    return st.lists(leads_to, min_size=count, max_size=count)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(1, 8).flatmap(random_targets))
def test_components_are_those_that_reach_each_other(targets: list[list[int]]) -> None:
    """Two nodes share a component exactly if each can be reached from the other."""
    reached = [{node} for node in range(len(targets))]
    for _ in targets:
        for node, leads_to in enumerate(targets):
            reached[node] |= set().union(*(reached[target] for target in leads_to))
    expected = {
        frozenset(other for other in reached[node] if node in reached[other])
        for node in range(len(targets))
    }
    found = [frozenset(part) for part in strongly_connected(targets)]
    assert len(found) == len(set(found))
    assert set(found) == expected
