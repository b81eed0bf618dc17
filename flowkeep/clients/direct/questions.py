"""Questions of runs to people, and their answers."""

import hmac
from typing import Any
from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.clients.lookup import find_run
from flowkeep.contracts import Run, Task
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.questions import Question
from flowkeep.contracts.sight import sight_of
from flowkeep.errors import Forbidden, NotFound


class Questions(Noun):
    """Questions to people; it is `client.questions`.

    Staff sees all of its tenant or app, others what they are asked, and what their own runs ask.
    """

    async def list(
        self, *, run: UUID | str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[Question]:
        """Return a page of open questions, the last asked first.

        Args:
            run: Only those of this run: its id, or a workflow_id for its newest run.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            NotFound: If a run is named that asks the caller nothing, and is not theirs.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = None if run is None else await self._run(run)
        page = await self._store.tasks.open_questions(
            self._tenant,
            run_id=None if found is None else found.id,
            visible_to=sight_of(self._access.principal),
            limit=limit,
            cursor=cursor,
        )
        if found is not None and not page.data and not self._sees(found):
            raise self._hidden(str(run))
        following = page.data[-1].cursor if page.has_more else None
        return Listing(
            data=tuple(Question.of(one) for one in page.data),
            limit=limit,
            has_more=page.has_more,
            next=following,
        )

    async def get(self, run: UUID | str, task: str) -> Question:
        """Return the open question of a task.

        Args:
            run: The run's id, or a workflow_id for its newest run.
            task: The task that asks: `name`, with items and in loops `name[index]#iteration`.

        Raises:
            NotFound: If the task asks nothing now, or nothing that the caller may see.
        """
        self._access.require_anywhere(Role.VIEWER)
        return Question.of(await self._open(await self._run(run), str(run), task))

    async def answer(
        self,
        run: UUID | str,
        task: str,
        answer: Any,
        *,
        by: str | None = None,
        token: str | None = None,
    ) -> UUID:
        """Answer the question of a task.

        Args:
            run: As in `get`.
            task: As in `get`.
            answer: What fits the schema of the question.
            by: Who answers: the caller. Others can be named only by who owns the ledger.
            token: Lets its bearer answer without being asked.

        Returns:
            The run's id.

        Raises:
            NotFound: If there is no such run or question that the caller may see.
            Forbidden: If somebody else is asked, the token is wrong, or the caller is no operator.
            AlreadyTerminal: If it was answered before, or it is too late.
            InvalidInput: If the answer does not fit.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = await self._run(run)
        who = self._who(by)
        client = await self._client.temporal()
        trusted = token is not None and hmac.compare_digest(
            token.encode(), client.questions.token(self._tenant, found.id, task).encode()
        )
        if not trusted:
            await self._require_asked(found, str(run), task)
        what = f"{found.id}/{task}"
        async with self._journal.writing("question.answer", "question", what) as entry:
            await client.questions.answer(self._tenant, found.id, task, answer, by=who, token=token)
            entry.became({"by": who})
        return found.id

    async def token(self, run: UUID | str, task: str) -> str:
        """Return the token that lets its bearer answer a question, once; for staff.

        Args:
            run: As in `get`.
            task: As in `get`.

        Raises:
            NotFound: If the task asks nothing now, or nothing that the caller may see.
            Forbidden: If the caller is no admin of the tenant, or of the run's app.
            ConfigurationError: If no secret key is configured.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = await self._run(run)
        await self._open(found, str(run), task)
        self._access.require(Role.ADMIN, found.app_id)
        client = await self._client.temporal()
        async with self._journal.writing("question.token", "question", f"{found.id}/{task}"):
            return client.questions.token(self._tenant, found.id, task)

    def _who(self, by: str | None) -> str:
        principal = self._access.principal
        if by is None or by == principal.subject or principal.via == "local":
            return by or principal.subject
        error = Forbidden(f"{principal.subject!r} cannot answer as {by!r}", hint="leave by out")
        raise self._access.denied(error, "question")

    async def _run(self, run: UUID | str) -> Run:
        try:
            return await find_run(self._store, self._tenant, run)
        except NotFound:
            raise _no_run(str(run)) from None

    async def _open(self, run: Run, name: str, task: str) -> Task:
        """Return the open question of a task that the caller may see."""
        page = await self._store.tasks.open_questions(
            self._tenant,
            run_id=run.id,
            name=task,
            visible_to=sight_of(self._access.principal),
            limit=1,
        )
        if page.data:
            return page.data[0]
        if not self._sees(run):
            raise self._hidden(name)
        others = await self._store.tasks.open_questions(self._tenant, run_id=run.id, limit=10)
        asking = ", ".join(one.activity_id for one in others.data)
        raise NotFound(
            f"task {task!r} of run {name} has no open question",
            hint=f"those that ask: {asking or 'none'}",
        )

    async def _require_asked(self, run: Run, name: str, task: str) -> None:
        """Refuse who does not see the question, or is no operator.

        Whether it is open, and whom it asks, is for the run to say: it knows it first.
        """
        if not self._sees(run):
            page = await self._store.tasks.open_questions(
                self._tenant,
                run_id=run.id,
                name=task,
                visible_to=sight_of(self._access.principal),
                limit=1,
            )
            if not page.data:
                raise self._hidden(name)
        self._access.require(Role.OPERATOR, run.app_id)

    def _sees(self, run: Run) -> bool:
        sight = sight_of(self._access.principal)
        return sight is None or sight.owns_or_runs(run.owner, run.app_id)

    def _hidden(self, name: str) -> NotFound:
        return self._access.denied(_no_run(name), "run", name)


def _no_run(name: str) -> NotFound:
    return NotFound(
        f"no run has the run id or workflow id {name!r}",
        hint="`flowkeep run list` shows what there is",
    )
