"""Temporal's executions of a run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import EventKind, Segment, SegmentKind, Source
from flowkeep.statestore.repositories.changes import append
from flowkeep.statestore.repositories.rows import SEGMENT
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run_segment

_FIRST_PLAUSIBLE = datetime(2020, 1, 1, tzinfo=UTC)


def time_of(value: UUID | str) -> datetime | None:
    """Return the time inside a UUIDv7 (RFC 9562, section 5.7), None for any other id.

    Servers since 1.29 name executions by UUIDv7, so this is when an execution began.
    """
    try:
        parsed = value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        return None
    if parsed.version != 7:
        return None
    try:
        time = datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return time if _FIRST_PLAUSIBLE <= time <= datetime.now(UTC) + timedelta(days=1) else None


# The run's row is held first, so that a run that is being deleted gets no segment; the caller
# finds out when it locks the run.
_OPEN = """
INSERT INTO {schema}.run_segment
    (namespace, temporal_run_id, run_id, tenant_id, kind, status, started_at, source)
SELECT :namespace, :temporal_run_id, id, :tenant_id, :kind, 'running',
       COALESCE(CAST(:began AS timestamptz), now()), CAST(:source AS smallint)
FROM {schema}.run WHERE id = :run_id FOR KEY SHARE
ON CONFLICT DO NOTHING RETURNING seq
"""

# By both orders: a reset is placed by when it was first heard of, which may be after what follows.
_BEGUN_ANEW = f"""
SELECT EXISTS (
    SELECT FROM {{schema}}.run_segment AS own
    JOIN {{schema}}.run_segment AS other ON other.run_id = own.run_id
    WHERE own.namespace = :namespace AND own.temporal_run_id = :temporal_run_id
      AND other.kind IN ('{SegmentKind.RETRY}', '{SegmentKind.CRON}', '{SegmentKind.RESET}')
      AND other.started_at > own.started_at AND other.seq > own.seq
)
"""  # noqa: S608 - only constants of ours are put in


async def open_segment(
    session: Session,
    row: Mapping[str, Any],
    temporal_run_id: str,
    *,
    later: bool,
    kind: SegmentKind | None = None,
    began_at: datetime | None = None,
    source: Source = Source.WORKER,
) -> bool:
    """Record an execution of a run unless it is known; returns whether it was new.

    Args:
        session: A transaction.
        row: id, tenant_id, namespace and revision of the run.
        temporal_run_id: Temporal's id of the execution.
        later: Whether another execution came before.
        kind: Why it began, when known.
        began_at: When it began, where its id does not say.
        source: Who says so.
    """
    chosen = kind or (SegmentKind.CONTINUE if later else SegmentKind.START)
    began = time_of(temporal_run_id) or began_at
    inserted = await session.execute(
        _OPEN,
        {
            "namespace": row["namespace"],
            "temporal_run_id": temporal_run_id,
            "run_id": row["id"],
            "tenant_id": row["tenant_id"],
            "kind": chosen.value,
            "began": began,
            "source": int(source),
        },
    )
    new = inserted.first() is not None
    if new and later:
        told = {"temporal_run_id": temporal_run_id, "kind": chosen.value}
        await append(session, row, EventKind.SEGMENT_STARTED, told)
    return new


async def has_begun_anew(session: Session, namespace: str, temporal_run_id: str) -> bool:
    """Return whether Temporal has retried or reset a run since an execution of it began."""
    values = {"namespace": namespace, "temporal_run_id": temporal_run_id}
    return bool((await session.execute(_BEGUN_ANEW, values)).scalar_one())


async def list_segments(session: Session, tenant_id: str, run_id: UUID) -> Sequence[Segment]:
    """Return the 1000 segments of a run that were told last, in the order in which they began."""
    # The newest by an index; only those are sorted.
    newest = (
        select(*SEGMENT)
        .where(run_segment.c.run_id == run_id, run_segment.c.tenant_id == tenant_id)
        .order_by(run_segment.c.seq.desc())
        .limit(1000)
        .subquery()
    )
    found = await session.execute(select(newest).order_by(newest.c.started_at, newest.c.seq))
    return [Segment.model_validate(dict(row)) for row in found.mappings()]
