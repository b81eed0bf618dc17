"""How runs end: closing, correcting, and what closing takes with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from flowkeep.contracts import ErrorInfo, Event, EventKind, RunStatus, Source, TaskType
from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import payloads
from flowkeep.statestore.repositories.changes import EVENT_OF, change
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run, run_pause
from flowkeep.statestore.tables.base import OPEN
from flowkeep.statestore.tables.task import PENDING_WORK

RUN_CLOSED = ErrorInfo(
    code="RUN_CLOSED",
    type="RunClosed",
    message="the run ended before this attempt was reported",
    retryable=False,
)
"""Error of attempts that were open when their run ended."""


_CONTENT = {"outputs", "error", "failure_reason"}


class Outcome:
    """How a run ended, ready to be written.

    Args:
        status: A terminal status.
        source: Who says so.
        closed_at: When; None for now.
        outputs: What the run returned.
        error: Why it failed.
        failure_reason: The kind of failure.

    Raises:
        InvalidInput: If the status is not terminal.
    """

    __slots__ = ("closed_at", "error", "failure_reason", "outputs", "source", "status")

    def __init__(
        self,
        status: RunStatus,
        *,
        source: Source,
        closed_at: datetime | None = None,
        outputs: Any = None,
        error: ErrorInfo | None = None,
        failure_reason: str | None = None,
    ) -> None:
        if not status.terminal:
            raise InvalidInput(f"status {status} is no outcome", hint="name a terminal status")
        self.status = status
        self.source = source
        self.closed_at = closed_at
        self.outputs = payloads.pack(outputs)
        self.error = encoding.storable(error.model_dump(mode="json")) if error else None
        self.failure_reason = failure_reason

    def columns(self) -> dict[str, Any]:
        """Return every column that says how the run ended."""
        return {
            "status": self.status.value,
            "source": int(self.source),
            "finished_at": self.closed_at or func.now(),
            "error": self.error,
            "failure_reason": self.failure_reason,
            **payloads.columns("outputs", self.outputs),
        }

    def missing_from(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns that are empty in a row and known here."""
        filled: dict[str, Any] = {}
        if self.outputs is not None and row["outputs"] is None and row["outputs_hash"] is None:
            filled |= payloads.columns("outputs", self.outputs)
        for name in ("error", "failure_reason"):
            value = getattr(self, name)
            if value is not None and row[name] is None:
                filled[name] = value
        return filled

    def known_beside(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns that are known here and differ from a row of the same status."""
        values = self.columns()
        if self.closed_at is None:
            del values["finished_at"]
        unknown = {name for name in ("error", "failure_reason") if values[name] is None}
        if self.outputs is None:
            unknown |= {"outputs", "outputs_hash"}
        return {n: v for n, v in values.items() if n not in unknown and row[n] != v}


async def settle(
    session: Session,
    row: dict[str, Any],
    outcome: Outcome,
    *,
    actor: str | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Write what Temporal says of a locked run's end.

    Open runs are closed. A terminal status reported by a weaker source is corrected, but never by
    `unknown`. Else the first one stays, and only what is empty is filled.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        outcome: How it ended.
        actor: Who says so.
        again: Whether the source takes back what it said before of the same execution.

    Returns:
        The run as it stands now.
    """
    current = RunStatus(row["status"])
    if not current.terminal:
        return await close(session, row, outcome, actor=actor)
    same = outcome.status is current
    if outcome.source < row["source"] or (outcome.source == row["source"] and not again):
        return await fill(session, row, outcome, actor=actor) if same else row
    if same and outcome.source > row["source"]:
        return await fill(session, row, outcome, actor=actor, confirmed=True)
    columns = outcome.columns()
    if outcome.status is RunStatus.UNKNOWN or all(row[n] == value for n, value in columns.items()):
        return row
    await payloads.keep(session, [(row["tenant_id"], row["id"], outcome.outputs)])
    told = {"source": outcome.source.name.lower(), "failure_reason": outcome.failure_reason}
    stored, _ = await change(session, row, columns, EventKind.OUTCOME_CORRECTED, told, actor=actor)
    return stored


async def close(
    session: Session, row: dict[str, Any], outcome: Outcome, *, actor: str | None = None
) -> dict[str, Any]:
    """End a locked open run as an outcome says."""
    await payloads.keep(session, [(row["tenant_id"], row["id"], outcome.outputs)])
    told = {"source": outcome.source.name.lower(), "failure_reason": outcome.failure_reason}
    kind = EVENT_OF[outcome.status]
    stored, _ = await end(
        session, row, outcome.columns(), kind, told, at=outcome.closed_at, actor=actor
    )
    return stored


async def end(
    session: Session,
    row: dict[str, Any],
    values: Mapping[str, Any],
    kind: str,
    payload: Mapping[str, Any],
    *,
    at: datetime | None,
    actor: str | None,
) -> tuple[dict[str, Any], Event]:
    """End a locked open run, and with it its open attempts and its pause.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        values: Columns to set, the terminal status among them.
        kind: Kind of the event.
        payload: What the event says.
        at: When the run ended; None for now.
        actor: Who ended it.
    """
    finished = await _close_tasks(session, row["id"], at)
    if row["status"] == RunStatus.WAITING:
        await close_pause(session, row["id"], at=at, actor=actor)
    ended = {
        **values,
        "wait": None,
        "pause_reason": None,
        "stuck": None,
        "tasks_finished": run.c.tasks_finished + finished,
    }
    return await change(session, row, ended, kind, payload, actor=actor)


async def fill(
    session: Session,
    row: dict[str, Any],
    outcome: Outcome,
    *,
    actor: str | None = None,
    confirmed: bool = False,
) -> dict[str, Any]:
    """Add to a run that ended what the first report of its end left out.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        outcome: How it ended; of the same status.
        actor: Who says so.
        confirmed: Whether a stronger source says so: then all counts that it knows.
    """
    values = outcome.known_beside(row) if confirmed else outcome.missing_from(row)
    if not values:
        return row
    told: dict[str, Any] = {"filled": sorted(name for name in values if name in _CONTENT)}
    if confirmed:
        told["source"] = outcome.source.name.lower()
    await payloads.keep(session, [(row["tenant_id"], row["id"], outcome.outputs)])
    stored, _ = await change(session, row, values, EventKind.RECONCILED, told, actor=actor)
    return stored


async def open_pause(
    session: Session, row: Mapping[str, Any], *, reason: str | None, actor: str | None
) -> bool:
    """Open a pause of a locked run; returns whether there was none yet."""
    opened = await session.execute(
        """
        INSERT INTO {schema}.run_pause (id, run_id, tenant_id, reason, paused_at, paused_by)
        VALUES (:id, :run_id, :tenant_id, :reason, now(), :actor)
        ON CONFLICT (run_id) WHERE resumed_at IS NULL DO NOTHING
        RETURNING id
        """,
        {
            "id": uuid4(),
            "run_id": row["id"],
            "tenant_id": row["tenant_id"],
            "reason": reason,
            "actor": actor,
        },
    )
    return opened.first() is not None


async def close_pause(
    session: Session,
    run_id: UUID,
    *,
    at: datetime | None = None,
    actor: str | None = None,
    patch: Mapping[str, Any] | None = None,
) -> bool:
    """Close the open pause of a locked run; returns whether there was one."""
    closed = await session.execute(
        update(run_pause)
        .where(run_pause.c.run_id == run_id, run_pause.c.resumed_at.is_(None))
        .values(resumed_at=at or func.now(), resumed_by=actor, payload=patch or None)
        .returning(run_pause.c.id)
    )
    return closed.first() is not None


async def is_paused(
    session: Session, run_id: UUID, *, begun_before: datetime | None = None
) -> bool:
    """Return whether a run has an open pause, one that began before some moment if given."""
    wanted = select(run_pause.c.id).where(
        run_pause.c.run_id == run_id, run_pause.c.resumed_at.is_(None)
    )
    if begun_before is not None:
        wanted = wanted.where(run_pause.c.paused_at < begun_before)
    return (await session.execute(wanted)).first() is not None


# Attempts that are open, and last attempts whose retry will not come any more. Written with the
# weakest source, so that any real record that arrives later replaces it.
_CLOSE_TASKS = f"""
WITH closed AS (
    UPDATE {{schema}}.task AS t
    SET status = CASE WHEN {OPEN} THEN 'cancelled' ELSE status END,
        error = CASE WHEN {OPEN} THEN CAST(:error AS jsonb) ELSE error END,
        source = CASE WHEN {OPEN} THEN 1 ELSE source END,
        finished_at = CASE WHEN {OPEN} THEN COALESCE(CAST(:at AS timestamptz), now())
                           ELSE finished_at END,
        updated_at = CASE WHEN {OPEN} THEN now() ELSE updated_at END,
        next_retry_at = NULL
    WHERE run_id = :run_id AND ({PENDING_WORK})
    RETURNING type, temporal_run_id, activity_id, attempt, superseded
)
SELECT count(*) FROM closed AS c
WHERE c.type <> '{TaskType.STEP}' AND NOT c.superseded AND c.attempt >= (
    SELECT max(o.attempt) FROM {{schema}}.task AS o
    WHERE o.run_id = :run_id AND o.temporal_run_id = c.temporal_run_id
      AND o.activity_id = c.activity_id AND NOT o.superseded
)
"""  # noqa: S608 - only constants of ours are put in


async def _close_tasks(session: Session, run_id: UUID, at: datetime | None) -> int:
    """Cancel the open attempts of a locked run; returns how many tasks ended by it."""
    found = await session.execute(
        _CLOSE_TASKS, {"run_id": run_id, "at": at, "error": RUN_CLOSED.model_dump_json()}
    )
    return int(found.scalar_one())
