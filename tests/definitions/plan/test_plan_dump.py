"""A plan that is written down and read again."""

import json

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import Plan, Reused
from tests.definitions.plan.support import Driven, definition, last, step

RICH = definition(
    step("s", "x", "c", "h", publish={"n": "{{ result() }}"}),
    step("x", "end", with_items="{{ [1, 2, 3, 4, 5] }}", batch_size=2, concurrency=1),
    step("c", transitions=[{"when": "{{ result() == 'again' }}", "do": "c"}, {"do": "p"}]),
    step("p", "end", tasks=[step("i", with_items=[1, 2]), step("j", when="{{ vars.n > 1 }}")]),
    step("h", "end", human={"assignee": "eva", "title": "{{ config.t }}"}),
    last("end", join=2, input={"all": "{{ vars }}", "p": "{{ tasks.p }}"}),
    vars={"n": 0},
    output_map={"x": "{{ tasks.x.result }}", "run": "{{ run.id }}", "p": "{{ parameters.q }}"},
)
RESULTS = {"s": 2, "c": "again", "x[0]": "zero", "x[4]": {"deep": [1]}}


def driven(*, reload: bool) -> Driven:
    """A run of everything there is, read anew before and after each event if asked for."""
    run = Driven(
        RICH,
        parameters={"q": [1]},
        config={"t": "title"},
        run={"id": "r"},
        reuse={"x[2]": Reused(TaskStatus.SUCCEEDED, "old", {})},
        most_active=2,
    )
    if reload:
        run.reload()
    run.begin()
    while run.plan.active:
        if reload:
            run.reload()
        text = run.plan.active[0].text
        run.ok(text, RESULTS.get(text))
    return run


def test_reading_it_anew_changes_nothing() -> None:
    """A run that is read anew at every event asks for exactly the same."""
    assert driven(reload=True).commands == driven(reload=False).commands
    assert driven(reload=False).result == {
        "x": ["zero", "old", {"deep": [1]}],
        "run": "r",
        "p": [1],
    }


def test_what_is_active_stays_active() -> None:
    """The copy knows what was begun, how tasks stand, and that it is held or has ended."""
    first = Driven(RICH, config={"t": ""}, run={"id": 1}, parameters={"q": 1})
    first.begin()
    first.plan.hold()
    first.ok("s", 2)
    dump = json.loads(json.dumps(first.plan.dump()))
    copy = Plan.load(RICH, dump)
    assert copy.active == first.plan.active
    assert copy.counts() == first.plan.counts()
    assert copy.quiet
    assert copy.release() == first.plan.release()
    ended = driven(reload=False)
    ended.reload()
    assert ended.plan.outcome == ended.finish
    assert ended.plan.begin() == []


def test_a_run_that_is_ending_goes_on_ending() -> None:
    """A failed run that waits for its tasks still knows why it failed, and begins nothing."""
    run = Driven(
        definition(last("a"), step("b", "c"), last("c"), cancellation_policy="allow_finish")
    )
    run.begin()
    run.fail("a", "why")
    run.reload()
    assert run.ok("b") == []
    assert run.error["message"] == "task 'a' failed: why"


def test_a_dump_is_a_copy() -> None:
    """What happens to the plan or to one read from it changes neither the dump nor the other."""
    run = Driven(definition(step("a", with_items=[1, 2]), step("b")))
    run.begin()
    dump = run.plan.dump()
    before = json.dumps(dump)
    copies = [Plan.load(run.spec, dump) for _ in range(2)]
    run.ok("a[0]", "result")
    assert json.dumps(dump) == before
    run.ok_all("a[1]", "b")
    for copy in copies:
        copy.ended(copy.active[0], TaskStatus.SUCCEEDED, "first")
        assert len(copy.active) == 1
    assert json.dumps(dump) == before
    assert Plan.load(run.spec, dump).counts()["active"] == 1


def test_a_held_run_stays_held() -> None:
    """A copy of a held plan begins nothing before it is released."""
    run = Driven(definition(step("a"), step("b")))
    run.begin()
    run.plan.hold()
    run.reload()
    assert run.ok("a") == []
    assert run.take(run.plan.release()) == ["b"]


def test_cycles_go_on() -> None:
    """A copy knows which edges have left a cycle, and which iteration is the newest."""
    leave = [{"when": "{{ result() == 'b' }}", "do": ["b", "z"]}]
    spec = definition(
        step("s", "a", "b"),
        step("a", transitions=leave),
        step("b", transitions=[{"when": "{{ result() == 'a' }}", "do": "a"}]),
        last("z", input={"a": "{{ tasks.a.result }}"}),
    )
    run = Driven(spec)
    run.begin()
    run.ok("s")
    assert run.ok("b", "a") == ["a#1"]
    assert run.ok("a#1", "b") == ["b#1"]
    run.reload()
    assert run.ok_all("a", "b#1") == ["z"]
    assert run.inputs[-1] == {"a": "b"}


def test_outcomes_that_were_reused_are_let_go() -> None:
    """Each is needed once, so a dump holds only those that are still to be used."""
    reuse = {name: Reused(TaskStatus.SUCCEEDED, f"old {name}") for name in ("a", "c")}
    run = Driven(definition(step("a", publish={"x": 1}), step("b"), step("c")), reuse=reuse)
    run.begin()
    assert list(run.plan.dump()["state"]["reuse"]) == ["c"]


def test_a_dump_does_not_hold_the_definition() -> None:
    """Only what the run has made of it is written down."""
    spec = definition(step("a", description="very long"), step("b", input={"x": "constant"}))
    text = json.dumps(Driven(spec).plan.dump())
    assert "very long" not in text
    assert "constant" not in text
