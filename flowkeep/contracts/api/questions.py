"""Questions of runs to people, and their answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from flowkeep.contracts.record import Record
from flowkeep.contracts.tasks import Task


class Question(Record):
    """What a run asks people and nobody has answered yet.

    Attributes:
        run_id: The run that asks.
        task: The task that asks: `name`, or with items and in loops `name[index]#iteration`.
        title: The question.
        details: What helps to answer it.
        assignee: Who may answer.
        response: JSON Schema of the answer.
        asked_at: Since when.
        deadline_at: Until when; null without a limit.
    """

    run_id: UUID
    task: str
    title: str | None
    details: Any
    assignee: tuple[str, ...] | None
    response: Any
    asked_at: datetime | None
    deadline_at: datetime | None

    @classmethod
    def of(cls, task: Task) -> "Question":
        """Return what an open task asks."""
        asked = task.input if isinstance(task.input, dict) else {}
        return cls(
            run_id=task.run_id,
            task=task.activity_id,
            title=asked.get("title"),
            details=asked.get("details"),
            assignee=asked.get("assignee"),
            response=asked.get("response"),
            asked_at=task.started_at,
            deadline_at=task.deadline_at,
        )


class QuestionAnswer(Record):
    """An answer.

    Attributes:
        answer: What fits the schema of the question.
        token: Lets its bearer answer without being asked.
        by: Who answers: the caller. Only a service that is open on this machine takes others.
    """

    answer: Any
    token: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00]*$")
    by: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[^\x00]*$")


class Answered(Record):
    """An answer was taken.

    Attributes:
        run_id: The run that asked.
        task: The task that asked.
    """

    run_id: UUID
    task: str


class QuestionToken(Record):
    """What lets its bearer answer a question, once.

    Attributes:
        token: Keep it secret: whoever has it may answer.
    """

    token: str
