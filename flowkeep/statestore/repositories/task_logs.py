"""What the code of tasks logged."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import Page
from flowkeep.contracts.task_logs import LogLevel, LogLine, NewLogLine
from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import driven, inputs
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import task_log

MOST_LINES = 1000
"""Largest page."""

_COLUMNS = [task_log.c[name] for name in LogLine.model_fields]
_RECORD = {
    "run_id": "uuid",
    "tenant_id": "text",
    "temporal_run_id": "text",
    "activity_id": "text",
    "attempt": "int",
    "at": "timestamptz",
    "level": "smallint",
    "logger": "text",
    "message": "text",
    "fields": "jsonb",
}
_NAMES = ", ".join(_RECORD)
# Runs are locked against removal only: a line that comes behind it would stay for ever.
_KEEP = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM ROWS FROM (jsonb_to_recordset(CAST(%s AS jsonb))
        AS ({", ".join(f"{name} {kind}" for name, kind in _RECORD.items())})
    ) WITH ORDINALITY AS r({_NAMES}, n)
),
known AS MATERIALIZED (
    SELECT id, tenant_id FROM {{schema}}.run WHERE id = ANY(ARRAY(SELECT run_id FROM rec))
    ORDER BY id FOR KEY SHARE
),
kept AS (
    INSERT INTO {{schema}}.task_log ({_NAMES})
    SELECT {", ".join(f"rec.{name}" for name in _RECORD)}
    FROM rec JOIN known ON known.id = rec.run_id AND known.tenant_id = rec.tenant_id
    ORDER BY rec.n
)
SELECT DISTINCT rec.run_id FROM rec
WHERE NOT EXISTS (SELECT FROM known WHERE id = rec.run_id AND tenant_id = rec.tenant_id)
"""  # noqa: S608 - only constants of ours are put in


class TaskLogs:
    """Log lines; see the Protocol `TaskLogRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def keep(self, lines: Sequence[NewLogLine]) -> Collection[UUID]:
        """Write lines; returns the runs that the ledger does not know."""
        if not lines:
            return ()
        rows = [encoding.lenient({name: getattr(one, name) for name in _RECORD}) for one in lines]
        document = encoding.without_nul(b"[" + b",".join(rows) + b"]").decode()
        async with self._scope.write() as session:
            return {run_id for (run_id,) in await driven.rows(session, _KEEP, document)}

    async def list(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        activity_id: str | None = None,
        attempt: int | None = None,
        level: LogLevel | None = None,
        limit: int = 100,
        after: int | None = None,
    ) -> Page[LogLine]:
        """Return a page of the lines of a run, in the order in which they were written."""
        if not 1 <= limit <= MOST_LINES:
            raise InvalidInput(f"limit is {limit!r}", hint=f"use 1 to {MOST_LINES}")
        columns = task_log.c
        where = [
            columns.run_id == inputs.run_id(run_id),
            columns.tenant_id == inputs.tenant(tenant_id),
        ]
        if activity_id is not None:
            where.append(columns.activity_id == inputs.text(activity_id, "activity_id"))
        if attempt is not None:
            where.append(columns.attempt == inputs.attempt(attempt))
        if level is not None:
            where.append(columns.level >= LogLevel(level).number)
        if after is not None:
            where.append(columns.seq > after)
        statement = select(*_COLUMNS).where(*where).order_by(columns.seq).limit(limit + 1)
        async with self._scope.ordered() as session:
            found = (await session.execute(statement)).mappings().all()
        return Page(
            data=[_line(dict(row)) for row in found[:limit]],
            limit=limit,
            has_more=len(found) > limit,
        )


def _line(row: dict[str, Any]) -> LogLine:
    return LogLine.model_validate({**row, "level": LogLevel.of(row["level"])})
