"""Questions of a run to people: who may answer, what fits, and until when."""

import hashlib
import json
from datetime import timedelta
from itertools import islice
from typing import Any

from temporalio import workflow

from flowkeep.contracts.definition_loading import Answer
from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.definitions import schemas
from flowkeep.definitions.action_references import reserved_path
from flowkeep.definitions.plan_commands import AskHuman
from flowkeep.errors import AlreadyTerminal, Forbidden, InvalidInput, NotFound
from flowkeep.workflows.definition_waits import CANCELLED, End, Open, Tell, Waits

OPENED, ANSWERED, EXPIRED, WITHDRAWN = (
    "question_opened",
    "question_answered",
    "question_expired",
    "question_withdrawn",
)
"""Events of a run that questions append."""

MOST_CLOSED = 1_000
"""Questions that a run remembers after they have closed, and takes along when it continues as new:
the newest, to which an answer may still come, or come again."""

_DIGITS = 16
"""Of the digest of an answer, which is compared with another one to the same question."""

_TOO_LATE = "nothing can be answered"


class Question(Open):
    """One open question."""

    assignee: list[str]
    title: str
    details: Any
    response: dict[str, Any]

    @property
    def opened(self) -> TaskNote:
        """What the ledger is told while nobody has answered."""
        return self.note(TaskStatus.WAITING, OPENED)

    @property
    def limit(self) -> float | None:
        """Seconds within which it is to be answered."""
        if self.deadline_at is None:
            return None
        return (self.deadline_at - self.begun_at).total_seconds()

    def note(self, status: TaskStatus, event: str, **more: Any) -> TaskNote:
        """Return what the ledger is told."""
        shown = {name: getattr(self, name) for name in ("assignee", "title", "details", "response")}
        return self.row(
            TaskType.HUMAN,
            status,
            input=shown,
            timeout_seconds=self.limit,
            event=event,
            **more,
        )


class Questions(Waits[Question]):
    """The open questions of a run.

    Args:
        tell: Hears every note for the ledger.
        end: Hears how each ended.

    Attributes:
        run_id: The run that asks; None until it is known, while nothing is asked yet.
    """

    kind = Question

    def __init__(self, tell: Tell, end: End) -> None:
        super().__init__(tell, end)
        self.run_id: str | None = None
        self._closed: dict[str, str] = {}
        self._taken: dict[str, str] = {}  # digests of answers

    def ask(self, command: AskHuman) -> None:
        """Open a question."""
        limit = command.deadline
        self._begin(
            Question.of(
                command,
                assignee=command.assignee,
                title=command.title,
                details=command.details,
                response=command.response,
                deadline_at=None if limit is None else workflow.now() + timedelta(seconds=limit),
            )
        )

    def expire(self) -> None:
        """End the questions whose time is over."""
        for text in self.overdue():
            question = self._open[text]
            error = {
                "code": "DEADLINE_PASSED",
                "type": "TimeoutError",
                "message": f"nobody answered within {question.limit:g} s",
            }
            note = question.note(TaskStatus.TIMED_OUT, EXPIRED, error=error)
            self._close(text, "ran out of time", note, error=error)

    def withdraw(self, text: str) -> bool:
        """End a question because the run no longer wants to know; returns whether there was one."""
        question = self._open.get(text)
        if question is None:
            return False
        note = question.note(TaskStatus.CANCELLED, WITHDRAWN, error=CANCELLED)
        self._close(text, "was withdrawn", note, error=CANCELLED)
        return True

    def check(self, answer: Answer) -> None:
        """Check an answer before it is taken; one that was taken may be given again.

        Raises:
            NotFound: If no task of this name asks.
            AlreadyTerminal: If the question was answered otherwise or by somebody else, withdrawn,
                or ran out of time, or is that of an earlier run with this workflow_id.
            Forbidden: If somebody else is asked.
            InvalidInput: If the answer does not fit the schema; names what.
        """
        if self.run_id not in (None, answer.run_id):
            raise AlreadyTerminal(f"run {answer.run_id} has ended", hint=_TOO_LATE)
        if self._taken.get(answer.task) == _digest(answer):
            return
        question = self._open.get(answer.task)
        why = self._closed.get(answer.task)
        if question is None and why is None:
            raise NotFound(
                f"task {answer.task!r} asks nobody anything",
                hint=f"open questions: {', '.join(self._open) or 'none'}",
            )
        if question is None or answer.task in self.overdue():
            why = why or "ran out of time"
            raise AlreadyTerminal(f"the question of task {answer.task!r} {why}", hint=_TOO_LATE)
        if not answer.trusted and answer.by not in question.assignee:
            raise Forbidden(
                f"{answer.by!r} is not asked by task {answer.task!r}",
                hint=f"it asks {', '.join(question.assignee)}",
            )
        reserved = reserved_path(answer.answer, "answer")
        if reserved is not None:
            raise InvalidInput(f"{reserved} is a reserved key", hint="leave it out")
        schemas.require(question.response, answer.answer, "answer")

    def answer(self, answer: Answer) -> None:
        """Take an answer that was checked; nothing happens when it was taken before."""
        question = self._open.get(answer.task)
        if question is None:
            return
        self._taken[answer.task] = _digest(answer)
        _keep_newest(self._taken)
        result = {"answer": answer.answer, "by": answer.by, "at": workflow.now().isoformat()}
        told = {"by": answer.by}
        note = question.note(TaskStatus.SUCCEEDED, ANSWERED, output=result, told=told)
        self._close(answer.task, f"was answered by {answer.by}", note, result)

    def dump(self) -> dict[str, Any]:
        """Return the questions as JSON."""
        return {
            "open": super().dump(),
            "closed": dict(self._closed),
            "taken": dict(self._taken),
            "run_id": self.run_id,
        }

    def restore(self, dump: dict[str, Any]) -> None:
        """Take over what `dump` returned."""
        super().restore(dump["open"])
        self._closed, self.run_id = dict(dump["closed"]), dump["run_id"]
        self._taken = {text: digest[:_DIGITS] for text, digest in dump.get("taken", {}).items()}
        _keep_newest(self._closed)
        _keep_newest(self._taken)

    def _close(
        self,
        text: str,
        why: str,
        note: TaskNote,
        result: Any = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        self._closed[text] = why
        _keep_newest(self._closed)
        self._finish(text, note, result, error)


def _digest(answer: Answer) -> str:
    """Return what tells one answer of one person from all others."""
    told = json.dumps([answer.by, answer.answer], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]


def _keep_newest(closed: dict[str, str]) -> None:
    for text in list(islice(closed, max(0, len(closed) - MOST_CLOSED))):
        del closed[text]
