"""Outcomes of an earlier run that are reused."""

from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import Note, Reused, TaskRef
from flowkeep.definitions.spec import DefinitionSpec
from tests.definitions.plan.support import Driven, definition, last, step


def reusing(spec: DefinitionSpec, **results: Any) -> Driven:
    """A run that reuses successes; `a__0` stands for `a[0]`."""
    reuse = {
        (text.replace("__", "[") + "]" if "__" in text else text): Reused(
            TaskStatus.SUCCEEDED, result, {}
        )
        for text, result in results.items()
    }
    return Driven(spec, reuse=reuse)


def test_a_reused_task_is_not_begun() -> None:
    """It ends at once with the recorded result, which a note carries; later tasks see it."""
    spec = definition(
        step("a", publish={"n": "{{ result() }}"}),
        step("b", input={"n": "{{ vars.n }}", "a": "{{ tasks.a.result }}"}),
    )
    driven = reusing(spec, a=5)
    assert driven.begin() == ["b"]
    assert driven.inputs == [{"n": 5, "a": 5}]
    expected = Note(TaskRef("a"), spec.tasks[0], TaskStatus.SUCCEEDED, {}, 5, reason="reused")
    assert driven.notes == [expected]


def test_conditions_are_decided_all_the_same() -> None:
    """What would not begin is skipped, not reused."""
    driven = reusing(definition(step("a", when=False), step("b")), a=5)
    driven.begin()
    assert driven.skipped == ["a"]


def test_items_are_reused_one_by_one() -> None:
    """Only the items that have no recorded outcome begin; results stay in order."""
    spec = definition(
        step("a", with_items=[1, 2, 3], concurrency=1), output_map={"a": "{{ tasks.a.result }}"}
    )
    driven = reusing(spec, a__0="old 0", a__2="old 2").run({"a[1]": "new 1"})
    assert driven.begun == ["a[1]"]
    assert [note.ref.text for note in driven.notes] == ["a[0]", "a[2]"]
    assert driven.result == {"a": ["old 0", "new 1", "old 2"]}


def test_an_item_with_another_input_is_not_reused() -> None:
    """Another item may have its place by now: only the same input takes an outcome over."""
    spec = definition(step("a", with_items=["b", "c"], input={"table": "{{ item }}"}))
    known = Reused(TaskStatus.SUCCEEDED, "of c", {"table": "c"})
    driven = Driven(spec, reuse={"a[0]": known, "a[1]": known})
    assert driven.begin() == ["a[0]"]
    assert [note.ref.text for note in driven.notes] == ["a[1]"]


def test_batches_are_reused_by_their_first_item() -> None:
    """A batch is known by the index of its first item, and the note says which batch it is."""
    spec = definition(step("a", with_items=[1, 2, 3], batch_size=2))
    driven = reusing(spec, a__2="old")
    assert driven.begin() == ["a[0]"]
    assert [(note.ref.text, note.batch) for note in driven.notes] == [("a[2]", 1)]


def test_iterations_and_inner_tasks() -> None:
    """Iterations of a cycle and tasks inside parallel ones are reused by their own names."""
    spec = definition(
        step("s", "a"),
        step("a", transitions=[{"when": "{{ result() == 1 }}", "do": "a"}, {"do": "p"}]),
        step("p", tasks=[step("i"), step("j")]),
    )
    driven = Driven(
        spec,
        reuse={
            "s": Reused(TaskStatus.SUCCEEDED),
            "a": Reused(TaskStatus.SUCCEEDED, 1),
            "a#1": Reused(TaskStatus.SUCCEEDED, 2),
            "i": Reused(TaskStatus.SUCCEEDED, 3),
        },
    )
    assert driven.begin() == ["j"]
    assert [note.ref.text for note in driven.notes] == ["s", "a", "a#1", "i"]


def test_a_reused_failure() -> None:
    """A recorded failure is a failure again."""
    spec = definition(step("a", transitions=[{"when": "{{ failed() }}", "do": "b"}]), last("b"))
    driven = Driven(spec, reuse={"a": Reused(TaskStatus.FAILED)})
    assert driven.begin() == ["b"]


def test_everything_reused() -> None:
    """A long run of which everything is reused ends at once, without a stack."""
    spec = definition(*(step(f"t{n}") for n in range(3_000)))
    driven = reusing(spec, **{f"t{n}": n for n in range(3_000)})
    assert driven.begin() == []
    assert len(driven.notes) == 3_000
    assert driven.result == {}


def test_the_given_outcomes_stay_as_they_are() -> None:
    """A plan does not change what it was given, so that a second one begins the same way."""
    reuse = {"a": Reused(TaskStatus.SUCCEEDED, 1)}
    for _ in range(2):
        assert Driven(definition(step("a"), step("b")), reuse=reuse).begin() == ["b"]
