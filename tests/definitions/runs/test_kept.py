"""What a run takes along when it continues as new has a bound."""

from typing import Any

from temporalio.converter import DataConverter

from flowkeep.contracts.definition_loading import Answer
from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.workflows.definition_notes import bytes_of
from flowkeep.workflows.definition_questions import MOST_CLOSED, Questions, _digest
from tests.statestore.records import at


def _nothing(*_: Any) -> None:
    """Hear of nothing."""


def test_only_the_newest_answers() -> None:
    """The newest thousand closed questions go along; an answer to one of them may come again."""
    answers = [
        Answer(task=f"ask#{n}", answer={"n": n}, by="ada", run_id="r")
        for n in range(MOST_CLOSED + 9)
    ]
    questions = Questions(_nothing, _nothing)
    questions.restore(
        {
            "open": [],
            "closed": {one.task: "was answered by ada" for one in answers},
            "taken": {one.task: _digest(one) + 48 * "0" for one in answers},  # as once written
            "run_id": "r",
        }
    )
    kept = questions.dump()
    assert list(kept["closed"]) == list(kept["taken"]) == [one.task for one in answers[9:]]
    assert {len(digest) for digest in kept["taken"].values()} == {16}
    questions.check(answers[9])
    questions.check(answers[-1])


def test_bytes_are_those_that_travel() -> None:
    """A note is never counted as smaller than what Temporal is sent, whatever the script."""
    for text in ("plain", "größer" * 99, "漢字" * 99, "🙂" * 99, '"\n\x01' * 99):
        note = TaskNote(
            activity_id="ask",
            task_name="ask",
            type=TaskType.HUMAN,
            status=TaskStatus.WAITING,
            at=at(1),
            input={"title": text},
        )
        sent = DataConverter.default.payload_converter.to_payloads([note.model_dump(mode="json")])
        assert bytes_of(note) >= len(sent[0].data)
