# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Questions of runs to people, and their answers."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.questions import Answered, Question, QuestionAnswer, QuestionToken

_QUESTION = TypeAdapter(Question)
_QUESTIONS = TypeAdapter(Listing[Question])
_TOKEN = TypeAdapter(QuestionToken)
_ANSWERED = TypeAdapter(Answered)


class Questions:
    """Questions to people; it is `client.questions`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, run: UUID | str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[Question]:
        """Return a page of open questions, the last asked first."""
        query = {"run": None if run is None else str(run), "limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/human-tasks", _QUESTIONS, query=query)

    def get(self, run: UUID | str, task: str) -> Question:
        """Return the open question of a task."""
        return self._transport.call("GET", _path(run, task), _QUESTION)

    def answer(
        self,
        run: UUID | str,
        task: str,
        answer: Any,
        *,
        by: str | None = None,
        token: str | None = None,
    ) -> UUID:
        """Answer the question of a task."""
        body = QuestionAnswer(answer=answer, token=token, by=by)
        path = f"{_path(run, task)}/answer"
        return (self._transport.call("POST", path, _ANSWERED, body=body)).run_id

    def token(self, run: UUID | str, task: str) -> str:
        """Return the token that lets its bearer answer a question, once; for staff."""
        made = self._transport.call("POST", f"{_path(run, task)}/token", _TOKEN)
        return made.token


def _path(run: UUID | str, task: str) -> str:
    return f"/human-tasks/{quote(str(run), safe='')}/{quote(task, safe='')}"
