"""Cycles: iterations, their bound, how they are entered and left."""

from tests.definitions.plan.support import Driven, definition, last, step

AGAIN = [{"when": "{{ result() == 'again' }}", "do": "a"}, {"do": "z"}]


def test_a_task_that_leads_to_itself() -> None:
    """Each firing begins it anew with the next iteration; what it leaves to begins once."""
    driven = Driven(definition(step("start", "a"), step("a", transitions=AGAIN), last("z"))).run(
        {"a": "again", "a#1": "again"}
    )
    assert driven.begun == ["start", "a", "a#1", "a#2", "z"]
    assert driven.result == {}


def test_edges_that_leave_are_decided_when_the_cycle_is_over() -> None:
    """An edge that fired in an early iteration leads out only after the last one."""
    both = [{"when": "{{ result() != 'stop' }}", "do": ["a", "z"]}]
    driven = Driven(definition(step("s", "a"), step("a", transitions=both), last("z")))
    driven.begin()
    assert driven.ok("s") == ["a"]
    assert driven.ok("a") == ["a#1"]
    assert driven.ok("a#1") == ["a#2"]
    assert driven.ok("a#2", "stop") == ["z"]


def test_an_edge_that_leaves_and_fired_once_has_fired() -> None:
    """It does not matter that the last iteration did not fire it."""
    transitions = [
        {"when": "{{ result() == 1 }}", "do": ["a", "y"]},
        {"when": "{{ result() == 2 }}", "do": ["z"]},
    ]
    driven = Driven(
        definition(step("s", "a"), step("a", transitions=transitions), last("y"), last("z"))
    )
    driven.begin()
    driven.ok("s")
    assert driven.ok("a", 1) == ["a#1"]
    assert driven.ok("a#1", 3) == ["y"]
    assert driven.skipped == ["z"]


def test_a_cycle_of_two() -> None:
    """Both tasks of a cycle count their own iterations; templates see the newest one ended."""
    spec = definition(
        step("s", "a"),
        step("a", "b", input={"b": "{{ tasks.b.result }}", "b_is": "{{ tasks.b.status }}"}),
        step("b", transitions=[{"when": "{{ result() < 2 }}", "do": "a"}, {"do": "z"}]),
        last("z", input={"b": "{{ tasks.b.result }}"}),
    )
    driven = Driven(spec).run({"b": 0, "b#1": 1, "b#2": 2})
    assert driven.begun == ["s", "a", "b", "a#1", "b#1", "a#2", "b#2", "z"]
    seen = [(it.get("b"), it.get("b_is")) for it in driven.inputs if it]
    assert seen == [(None, "pending"), (0, "succeeded"), (1, "succeeded"), (2, None)]


def test_a_running_iteration_shows_the_one_before() -> None:
    """While iteration 1 runs, templates still see how iteration 0 ended."""
    spec = definition(
        step("s", "a"),
        step("a", transitions=[{"when": "{{ result() == 1 }}", "do": ["a", "b"]}]),
        step("b", "a", max_iterations=1, input={"a": "{{ tasks.a.result }}"}),
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("s")
    assert driven.ok("a", 1) == ["a#1", "b"]
    assert driven.inputs[-1] == {"a": 1}
    assert driven.ok("b") == ["a#2"]


def test_iterations_run_side_by_side() -> None:
    """An older iteration that ends after a newer one does not hide it."""
    spec = definition(
        step("s", "a", "b"),
        step("a", transitions=[{"when": "{{ result() == 'b' }}", "do": "b"}]),
        step("b", transitions=[{"when": "{{ result() == 'a' }}", "do": "a"}]),
        output_map={"a": "{{ tasks.a.result }}"},
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("s")
    assert driven.ok("b", "a") == ["a#1"]
    assert driven.plan.counts()["active"] == 1
    driven.ok("a#1", "new")
    driven.ok("a", "old")
    assert driven.result == {"a": "new"}


def test_too_many_iterations_fail_the_run() -> None:
    """A task of a cycle runs max_iterations times, not once more."""
    spec = definition(step("s", "a"), step("a", "a", max_iterations=3), last("z"))
    driven = Driven(spec).run()
    assert driven.begun == ["s", "z", "a", "a#1", "a#2"]
    assert driven.error["code"] == "TOO_MANY_ITERATIONS"
    assert driven.error["task"] == "a"
    assert "3 times" in driven.error["message"]


def test_a_cycle_of_skipped_tasks_ends() -> None:
    """Conditions that never hold do not make a cycle go round for ever."""
    spec = definition(step("s", "a"), step("a", "a", when=False, max_iterations=2_000))
    driven = Driven(spec).run()
    assert driven.begun == ["s"]
    assert len(driven.skipped) == 2_000
    assert driven.error["code"] == "TOO_MANY_ITERATIONS"


def test_a_skipped_iteration_ends_the_cycle() -> None:
    """A condition is decided anew in each iteration."""
    spec = definition(
        step("s", "a"),
        step(
            "a",
            when="{{ vars.n < 2 }}",
            publish={"n": "{{ vars.n + 1 }}"},
            transitions=[{"when": "{{ succeeded() }}", "do": "a"}, {"do": "z"}],
        ),
        last("z"),
        vars={"n": 0},
    )
    driven = Driven(spec).run()
    assert driven.begun == ["s", "a", "a#1", "z"]
    assert driven.skipped == ["a#2"]


def test_a_cycle_that_nothing_leads_to_is_skipped() -> None:
    """All of a cycle is skipped when its entry is dead, and what follows it too."""
    spec = definition(
        step("s", transitions=[{"when": False, "do": "a"}]),
        step("a", "b"),
        step("b", "a", "z"),
        last("z"),
    )
    driven = Driven(spec).run()
    assert driven.begun == ["s"]
    assert driven.skipped == ["a", "b", "z"]
    assert driven.result == {}


def test_a_cycle_without_an_entry_never_runs() -> None:
    """Tasks that only each other lead to are skipped at the beginning."""
    spec = definition(step("a", "b"), step("b", "a", "z"), step("s", "z"), last("z"))
    driven = Driven(spec)
    assert driven.begin() == ["s"]
    assert driven.skipped == ["a", "b"]
    assert driven.ok("s") == ["z"]


def test_tasks_of_a_cycle_that_were_not_reached_are_skipped_at_its_end() -> None:
    """While the cycle runs they may still be reached; afterwards they are skipped."""
    spec = definition(
        step("s", "a"),
        step("a", transitions=[{"when": "{{ result() == 1 }}", "do": "b"}, {"do": "z"}]),
        step("b", "a"),
        last("z"),
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("s")
    assert driven.skipped == []
    assert driven.ok("a") == ["z"]
    assert driven.skipped == ["b"]


def test_entries_are_waited_for() -> None:
    """Two edges from outside into one task of a cycle are joined as anywhere else."""
    spec = definition(
        step("s", "a"),
        step("t", "a"),
        step("a", transitions=AGAIN),
        last("z"),
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.ok("s") == []
    assert driven.ok("t") == ["a"]
    assert driven.ok("a", "again") == ["a#1"]
    assert driven.ok("a#1") == ["z"]


def test_a_cycle_is_not_over_while_it_can_still_be_entered() -> None:
    """A cycle with two entries that was quiet in between leads on after the second."""
    spec = definition(
        step("s", "a"),
        step("t", "b"),
        step("a", transitions=[{"when": "{{ result() }}", "do": "b"}, {"do": "z"}]),
        step("b", transitions=[{"when": "{{ result() }}", "do": "a"}]),
        last("z"),
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.ok("s") == ["a"]
    assert driven.ok("a") == []
    assert driven.ok("t") == ["b"]
    assert driven.ok("b") == ["z"]


def test_an_entry_begins_a_task_that_has_run_before() -> None:
    """An entry that comes after the cycle has reached its task is an iteration of its own."""
    spec = definition(
        step("s", "a"),
        step("t", "b"),
        step("a", "b"),
        step("b", transitions=[{"when": "{{ result() }}", "do": "a"}]),
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("s")
    assert driven.ok("a") == ["b"]
    assert driven.ok("t") == ["b#1"]
    assert driven.ok_all("b", "b#1") == []
    assert driven.result == {}


def test_two_cycles_in_a_row() -> None:
    """The second cycle is entered when the first is over."""
    spec = definition(
        step("s", "a"),
        step("a", transitions=[{"when": "{{ result() }}", "do": "a"}, {"do": "b"}]),
        step("b", transitions=[{"when": "{{ result() }}", "do": "b"}, {"do": "z"}]),
        last("z"),
    )
    driven = Driven(spec).run({"a": True, "b": True})
    assert driven.begun == ["s", "a", "a#1", "b", "b#1", "z"]


def test_a_failure_in_a_cycle() -> None:
    """A failed iteration may lead back; one that leads nowhere fails the run."""
    spec = definition(
        step("s", "a"),
        step("a", transitions=[{"when": "{{ tasks.a.error.code == 'BUSY' }}", "do": "a"}]),
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("s")
    assert driven.fail("a", code="BUSY") == ["a#1"]
    assert driven.fail("a#1", code="GONE") == []
    assert driven.error["code"] == "GONE"


def test_items_and_parallel_tasks_in_a_cycle() -> None:
    """Items and inner tasks carry the iteration of the task they belong to."""
    again = [{"when": "{{ vars.n < 2 }}", "do": "a"}]
    spec = definition(
        step("s", "a"),
        step("a", "p", with_items=["x", "y"]),
        step(
            "p",
            tasks=[step("i"), step("j", with_items=[1])],
            publish={"n": "{{ vars.n + 1 }}"},
            transitions=again,
        ),
        vars={"n": 0},
    )
    driven = Driven(spec).run()
    assert driven.begun == [
        "s",
        "a[0]",
        "a[1]",
        "i",
        "j[0]",
        "a[0]#1",
        "a[1]#1",
        "i#1",
        "j[0]#1",
    ]
    assert driven.plan.counts()["succeeded"] == 5
    assert driven.result == {}
