"""Open questions to people, among the tasks of all runs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)

from flowkeep.contracts import Page, Task
from flowkeep.contracts.sight import Sight
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.rows import TASK, tasks
from flowkeep.statestore.repositories.sights import owns_or_runs
from flowkeep.statestore.repositories.task_finders import behind
from flowkeep.statestore.repositories.task_lists import NamesByState
from flowkeep.statestore.tables import run, task


class OpenQuestions(NamesByState):
    """Open questions; see the Protocol `TaskFinders`."""

    async def open_questions(
        self,
        tenant_id: str,
        *,
        run_id: UUID | None = None,
        name: str | None = None,
        visible_to: Sight | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Task]:
        """Return the open questions to people, the last asked first; see the Protocol."""
        limit = inputs.page_limit(limit)
        statement = _open(inputs.tenant(tenant_id), visible_to)
        if run_id is not None:
            statement = statement.where(task.c.run_id == inputs.run_id(run_id))
        if name is not None:
            statement = statement.where(task.c.activity_id == inputs.text(name, "name"))
        found: list[Task] = []
        async with self._scope.read() as session:
            while len(found) <= limit:
                ranged = behind(statement, cursor, by=task.c.updated_at).limit(limit + 1)
                rows = [dict(row) for row in (await session.execute(ranged)).mappings()]
                theirs = [row.pop("theirs") for row in rows]
                read = await tasks(session, tenant_id, rows)
                found += [
                    one
                    for one, own in zip(read, theirs, strict=True)
                    if own or visible_to is None or _asks(one.input, visible_to)
                ]
                if len(read) <= limit:
                    break
                cursor = read[-1].cursor
        return Page(data=found[:limit], limit=limit, has_more=len(found) > limit)


def _open(tenant_id: str, visible_to: Sight | None) -> Select[Any]:
    """Return the rows of open questions, and whether somebody sees each because of its run.

    A question too big for its row does not show here whom it asks: it is read and looked at.
    """
    theirs: ColumnElement[bool] = true()
    where: list[ColumnElement[bool]] = []
    source: FromClause = task
    if visible_to is not None:
        # OFFSET 0 keeps the look-up by key what it is, whatever the planner guesses of the tables.
        asking = (
            select(run.c.owner, run.c.app_id)
            .where(run.c.id == task.c.run_id)
            .offset(literal_column("0"))
            .lateral("asking")
        )
        source = task.join(asking, true())
        seen = owns_or_runs(visible_to, asking.c.owner, asking.c.app_id)
        theirs = func.coalesce(seen, false())
        asked: ColumnElement[bool] = false()
        if visible_to.subject is not None:
            asked = func.jsonb_exists(task.c.input["assignee"], visible_to.subject)
        where = [or_(task.c.input_hash.is_not(None), asked, theirs)]
    return (
        select(*TASK, theirs.label("theirs"))
        .select_from(source)
        .where(
            task.c.tenant_id == tenant_id,
            # As literals, so that a generic plan still matches the partial indexes.
            task.c.status == literal_column("'waiting'"),
            task.c.type == literal_column("'human'"),
            ~task.c.superseded,
            *where,
        )
    )


def _asks(question: Any, sight: Sight) -> bool:
    named = question.get("assignee") if isinstance(question, Mapping) else None
    return isinstance(named, list) and sight.subject in named
