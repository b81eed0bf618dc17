"""Counting anew where runs changed: what keeps the live rows of the rollups.

A run carries the time at which the transaction that changed it began. So a change is certain to be
seen only when no transaction is left that began earlier: up to there the mark moves. Transactions
of other database users hide their begin; they are taken to be younger than `_HIDDEN`. One that is
open for longer than `_LONGEST` no longer holds the mark back; what it then writes to a run that
does not change again is counted by a rebuild.
"""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from flowkeep.statestore.repositories.rollups import BUCKET_AT, CHANGED, pass_gate, recount
from flowkeep.statestore.session import EngineScope, Scope, Session

T = TypeVar("T")
Range = tuple[str, datetime, datetime]
"""Tenant, first bucket, and the bucket behind the last one."""

FRESH = timedelta(seconds=15)
"""A mark that is younger is left alone by reads."""

_MARGIN = "5 seconds"
_HIDDEN = "5 minutes"
_LONGEST = "1 hour"
_WEIGHT = 20_000
"""Runs that one statement counts, but for a single bucket that holds more."""
_PAIRS = 500
_PATIENCE = "5s"
"""How long a step waits for runs that are leaving; who would remove more waits behind it."""
_NOT_GRANTED = "55P03"

_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)

_HORIZON = f"""
greatest(
    clock_timestamp() - interval '{_LONGEST}',
    least(clock_timestamp(), (
        SELECT min(CASE WHEN a.xact_start IS NOT NULL THEN a.xact_start
                        WHEN a.state IS NULL THEN clock_timestamp() - interval '{_HIDDEN}' END)
        FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.backend_type = 'client backend'
          AND a.pid <> pg_backend_pid()
    )) - interval '{_MARGIN}'
)
"""
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('flowkeep.rollups.' || :schema, 0))"
_MAKE = "INSERT INTO {schema}.run_rollup_mark (id) VALUES (1) ON CONFLICT DO NOTHING"
_READ = "SELECT folded_to, rebuild_from, rebuild_tenant, rebuild_at FROM {schema}.run_rollup_mark"
_RESTART = f"""
UPDATE {{schema}}.run_rollup_mark SET folded_to = NULL, rebuild_from = {_HORIZON},
    rebuild_tenant = '', rebuild_at = :first
"""
_STEP = "UPDATE {schema}.run_rollup_mark SET rebuild_tenant = :tenant, rebuild_at = :at"
_FINISH = """
UPDATE {schema}.run_rollup_mark SET folded_to = coalesce(:horizon, rebuild_from),
    rebuild_from = NULL, rebuild_tenant = NULL, rebuild_at = NULL
"""
# The weight of a bucket is what it held when it was last counted, or what changed since.
_CHANGED = f"""
WITH recent AS MATERIALIZED ({CHANGED})
SELECT changed.tenant_id, bucket_at, greatest(changed.runs, (
    SELECT sum(c.runs) FROM {{schema}}.run_rollup AS c
    WHERE c.tenant_id = changed.tenant_id AND c.bucket_at = changed.bucket_at AND c.grain = 'all'
      AND NOT c.gone
)) AS weight
FROM (
    SELECT r.tenant_id, {BUCKET_AT} AS bucket_at, count(*) AS runs
    FROM recent AS r WHERE r.kind = 'run' GROUP BY 1, 2
) AS changed ORDER BY 1, 2
"""
_NEXT_TENANT = """
SELECT min(tenant_id) FROM (
    (SELECT tenant_id FROM {schema}.run WHERE kind = 'run' AND tenant_id > :tenant
     ORDER BY tenant_id LIMIT 1)
    UNION ALL
    (SELECT tenant_id FROM {schema}.run_archive WHERE kind = 'run' AND tenant_id > :tenant
     ORDER BY tenant_id LIMIT 1)
    UNION ALL
    (SELECT tenant_id FROM {schema}.run_rollup WHERE tenant_id > :tenant
     ORDER BY tenant_id LIMIT 1)
) AS following
"""
# The bucket behind so many runs; null when fewer are left.
_BEHIND = f"""
(SELECT {BUCKET_AT} + interval '15 minutes' FROM {{schema}}.<runs> AS r
 WHERE r.tenant_id = :tenant AND r.kind = 'run' AND r.created_at >= :at
 ORDER BY r.created_at, r.id OFFSET {_WEIGHT} LIMIT 1)
"""
_NEXT_BUCKET = (
    f"SELECT least({_BEHIND.replace('<runs>', 'run')}, {_BEHIND.replace('<runs>', 'run_archive')})"
)


@dataclass(frozen=True)
class Mark:
    """How far the rollups are.

    Attributes:
        folded_to: Changes before this time are counted; None while not everything was counted.
        rebuild_from: What the mark becomes when everything was counted.
        rebuild_tenant: The tenant that is being counted.
        rebuild_at: The bucket at which it goes on.
    """

    folded_to: datetime | None = None
    rebuild_from: datetime | None = None
    rebuild_tenant: str | None = None
    rebuild_at: datetime | None = None


class _Busy(Exception):
    """Another process counts just now."""


async def read_mark(session: Session) -> Mark:
    """Return how far the rollups are."""
    row = (await session.execute(_READ)).mappings().one_or_none()
    return Mark() if row is None else Mark(**row)


async def refresh(scope: Scope, *, within: float = 2.0) -> None:
    """Count what changed unless that was done a moment ago; for reads.

    Args:
        scope: Where sessions come from. In a transaction of the caller's nothing is counted: the
            gate would stay shut until it ends.
        within: Seconds after which no further step is begun.
    """
    if not isinstance(scope, EngineScope):
        return
    async with scope.read() as session:
        mark = (await read_mark(session)).folded_to
    if mark is None or datetime.now(UTC) - mark > FRESH:
        await fold(scope, within=within)


async def fold(scope: Scope, *, within: float | None = None) -> bool:
    """Count what changed since the last time; the first time, everything.

    Each step is a short transaction, so what was done stays done when this is stopped.

    Args:
        scope: Where sessions come from.
        within: Seconds after which no further step is begun; None for no limit.

    Returns:
        Whether everything is counted: false when time ran out or another process counts.
    """
    until = None if within is None else monotonic() + within
    try:
        mark = await _alone(scope, _begin)
        if mark.folded_to is None:
            return await _rebuild(scope, until)
        return await _fold(scope, mark.folded_to, until)
    except _Busy:
        return False


async def rebuild(scope: Scope) -> bool:
    """Count everything anew, step by step; a stopped one is continued by the next `fold`.

    Returns:
        Whether everything is counted: false when another process counts.
    """

    async def restart(session: Session) -> None:
        await session.execute(_MAKE)
        await session.execute(_RESTART, {"first": _FIRST})

    try:
        await _alone(scope, restart)
    except _Busy:
        return False
    return await fold(scope)


async def _alone(scope: Scope, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do one step in a transaction, unless another process is at it."""
    async with scope.write() as session:
        free = await session.execute(_ALONE, {"schema": session.schema_name})
        if not free.scalar_one():
            raise _Busy
        return await work(session)


async def _begin(session: Session) -> Mark:
    mark = await read_mark(session)
    if mark.folded_to is None and mark.rebuild_from is None:
        await session.execute(_MAKE)
        await session.execute(_RESTART, {"first": _FIRST})
        mark = await read_mark(session)
    return mark


def _late(until: float | None) -> bool:
    return until is not None and monotonic() >= until


async def _fold(scope: Scope, mark: datetime, until: float | None) -> bool:
    """Count the buckets anew in which a run changed after the mark, then move the mark."""
    async with scope.read() as session:
        horizon = (await session.execute(f"SELECT {_HORIZON}")).scalar_one()
        changed = (await session.execute(_CHANGED, {"mark": mark})).all()
    for ranges in _portions([(row.tenant_id, row.bucket_at, int(row.weight)) for row in changed]):
        if _late(until):
            return False
        await _alone(scope, partial(_count, ranges=ranges))

    async def finish(session: Session) -> None:
        # Another process may have been faster, or have begun a rebuild.
        if (await read_mark(session)).folded_to == mark:
            await session.execute(_FINISH, {"horizon": max(horizon, mark)})

    await _alone(scope, finish)
    return True


async def _rebuild(scope: Scope, until: float | None) -> bool:
    while not await _alone(scope, _rebuild_step):
        if _late(until):
            return False
    return True


async def _rebuild_step(session: Session) -> bool:
    """Count the next range of a tenant; returns whether that was all."""
    mark = await read_mark(session)
    if mark.folded_to is not None:
        return True
    tenant, at = mark.rebuild_tenant or "", mark.rebuild_at or _FIRST
    if at == _FIRST:
        tenant = (await session.execute(_NEXT_TENANT, {"tenant": tenant})).scalar_one()
        if tenant is None:
            await session.execute(_FINISH, {"horizon": None})
            return True
    place = {"tenant": tenant, "at": at}
    until = (await session.execute(_NEXT_BUCKET, place)).scalar_one_or_none()
    await _count(session, [(tenant, at, until or _LAST)])
    await session.execute(_STEP, {"tenant": tenant, "at": until or _FIRST})
    return False


async def _count(session: Session, ranges: Sequence[Range]) -> None:
    await session.execute(f"SELECT set_config('lock_timeout', '{_PATIENCE}', true)")
    try:
        await pass_gate(session, alone=True)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _NOT_GRANTED:
            raise _Busy from None
        raise
    await recount(session, ranges)


def _portions(
    changed: Sequence[tuple[str, datetime, int]],
) -> list[list[Range]]:
    """Return the changed buckets as ranges, in portions of bounded weight."""
    portions: list[list[Range]] = []
    weight = 0
    for tenant, bucket, runs in changed:
        if not portions or weight + runs > _WEIGHT or len(portions[-1]) >= _PAIRS:
            portions.append([])
            weight = 0
        portions[-1].append((tenant, bucket, bucket + timedelta(minutes=15)))
        weight += runs
    return portions
