"""Counts of runs that outlive the runs: how they are made, and kept right when runs leave.

A live row of `run_rollup` is what a count of the runs in the ledger and in its archive gives;
`folding` counts anew wherever a run changed. A gone row is the sum of what was deleted, which
nobody could count again. A run that moves between ledger and archive changes neither.

Counting and leaving must not cross: a count that began before a run left and was written after
it would hold the run for ever. So both pass a gate and hold it until they commit: the leaving side
by side, a count alone.
"""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Session

STEPS_PER_OCTAVE = 16
"""How fine durations are told apart: a step ends 4.4 % above its beginning."""

KEY = "tenant_id, grain, bucket_at, app_id, definition_id, workflow_type, status"
_FULL_KEY = (*KEY.split(", "), "gone")
NO_DEFINITION = UUID(int=0)
_LOOSE = 64
"""Elements of `durations` that may lie side by side: adding them up each time costs more."""

BUCKET_AT = "date_bin('15 minutes', r.created_at, timestamptz '2000-01-01 00:00+00')"

# Step 0 is all below a millisecond; null where a run has not ended, or never started.
_STEP = f"""
CASE WHEN r.status IN ('pending', 'running', 'waiting') THEN NULL
     WHEN r.finished_at - r.started_at < interval '1 millisecond' THEN 0
     ELSE 1 + floor({STEPS_PER_OCTAVE} / ln(2::double precision) * ln(
              1000 * extract(epoch FROM r.finished_at - r.started_at)::double precision))::bigint
END
"""

# An element of `durations` is step * 2^48 + count, so that only steps that occur take room. The
# half that is added before the shift lets a count be negative, as it is in what is taken away.
STEP_OF = "((d + (1::bigint << 47)) >> 48)"
"""SQL: the step of an element `d` of `durations`."""
COUNT_OF = f"(d - ({STEP_OF} << 48))"
"""SQL: the count of an element `d` of `durations`."""

# The kind is looked at later: with it, an index of another order would seem to fit.
CHANGED = """
SELECT tenant_id, kind, created_at FROM {schema}.run WHERE updated_at >= :mark
"""
"""SQL: runs that changed since the mark, of any kind; from `run_changed_ix`."""

_GRAINS = "(VALUES ('all'), ('app'), ('each')) AS g (grain)"

_COUNTED = """
SELECT <key>, sum(n)::bigint AS runs,
       coalesce(array_agg((step << 48) + n ORDER BY step) FILTER (WHERE step IS NOT NULL), '{}')
           AS durations
FROM (
    SELECT tenant_id, grain, bucket_at, CASE grain WHEN 'all' THEN '' ELSE app_id END AS app_id,
           CASE grain WHEN 'each' THEN definition_id ELSE <none> END AS definition_id,
           CASE grain WHEN 'each' THEN workflow_type ELSE '' END AS workflow_type,
           status, step, sum(n)::bigint AS n
    FROM (
        SELECT r.tenant_id, <bucket_at> AS bucket_at, coalesce(r.app_id, '') AS app_id,
               coalesce(r.definition_id, <none>) AS definition_id, r.workflow_type, r.status,
               <step> AS step, <sign> * count(*) AS n
        FROM <runs> GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) AS counted CROSS JOIN <grains>
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) AS stepped GROUP BY <key>
"""

_TABLES = ("run", "run_archive")
# Ranges are half open; `OFFSET 0` keeps each a range of an index, however many there are.
_RANGES = """
unnest(CAST(:tenants AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
    AS range (tenant_id, since, until)
"""
_IN_RANGE = """
(SELECT x.tenant_id, x.created_at, x.app_id, x.definition_id, x.workflow_type, x.status,
    x.started_at, x.finished_at
 FROM {schema}.<table> AS x
 WHERE x.tenant_id = range.tenant_id AND x.kind = 'run'
   AND x.created_at >= range.since AND x.created_at < range.until
   AND x.id <> ALL (CAST(:without AS uuid[])) OFFSET 0)
"""
_IN_RANGES = f"""
{_RANGES} CROSS JOIN LATERAL (
    {" UNION ALL ".join(_IN_RANGE.replace("<table>", name) for name in _TABLES)}
) AS r
"""


def counted(runs: str, sign: str = "1") -> str:
    """Return the SQL that counts runs by the key of `run_rollup`.

    Args:
        runs: A FROM item named `r`, and conditions.
        sign: SQL: -1 for what is taken away.
    """
    parts = {
        "<runs>": runs,
        "<sign>": sign,
        "<key>": KEY,
        "<step>": _STEP,
        "<bucket_at>": BUCKET_AT,
        "<none>": f"'{NO_DEFINITION}'::uuid",
        "<grains>": _GRAINS,
    }
    statement = _COUNTED
    for mark, text in parts.items():
        statement = statement.replace(mark, text)
    return statement


def merged(elements: str) -> str:
    """Return the SQL that adds up elements of `durations`, as one array."""
    return f"""coalesce((
        SELECT array_agg((step << 48) + n ORDER BY step) FROM (
            SELECT {STEP_OF} AS step, sum({COUNT_OF})::bigint AS n FROM unnest({elements}) AS d
            GROUP BY 1 HAVING sum({COUNT_OF}) <> 0
        ) AS added
    ), '{{}}')"""


_CLEAR = f"""
DELETE FROM {{schema}}.run_rollup WHERE ctid = ANY (ARRAY(
    SELECT found.ctid FROM {_RANGES} CROSS JOIN {_GRAINS} CROSS JOIN LATERAL (
        SELECT c.ctid FROM {{schema}}.run_rollup AS c
        WHERE c.tenant_id = range.tenant_id AND c.grain = g.grain AND NOT c.gone
          AND c.bucket_at >= range.since AND c.bucket_at < range.until OFFSET 0
    ) AS found
))
"""
_FILL = f"""
INSERT INTO {{schema}}.run_rollup ({KEY}, gone, runs, durations)
SELECT {KEY}, false, runs, durations FROM ({counted(_IN_RANGES)}) AS fresh
"""


def _leaving(table: str) -> str:
    """Return the SQL that moves runs from live to gone rows.

    Runs that changed after the mark are not in the live rows as they are now; their buckets are
    counted anew instead.

    Args:
        table: Where the runs lie.
    """
    left = f"{{schema}}.{table} AS r WHERE r.kind = 'run' AND r.id = ANY (CAST(:run_ids AS uuid[]))"
    settled = f"{left} AND r.updated_at < :mark"
    # Rows are met in the order of their key, so that two transactions never wait for each other.
    return f"""
    INSERT INTO {{schema}}.run_rollup AS c ({KEY}, gone, runs, durations)
    SELECT {KEY}, gone, runs, durations FROM (
        SELECT *, true AS gone FROM ({counted(left)}) AS whole
        UNION ALL
        SELECT *, false FROM ({counted(settled, "-1")}) AS settled
    ) AS moved
    WHERE runs > 0 OR EXISTS (SELECT FROM {{schema}}.run_rollup AS k
        WHERE {" AND ".join(f"k.{name} = moved.{name}" for name in _FULL_KEY)})
    ORDER BY {KEY}, gone
    ON CONFLICT ({KEY}, gone) DO UPDATE
    SET runs = c.runs + excluded.runs,
        durations = CASE WHEN cardinality(c.durations) < {_LOOSE}
            THEN c.durations || excluded.durations
            ELSE {merged("c.durations || excluded.durations")} END
    """


async def recount(
    session: Session,
    ranges: Sequence[tuple[str, datetime, datetime]],
    *,
    without: Sequence[UUID] = (),
) -> None:
    """Count the runs of whole buckets anew; the caller holds the gate alone.

    Args:
        session: A transaction.
        ranges: Tenant, first bucket, and the bucket behind the last one.
        without: Runs that are about to leave.
    """
    tenants, since, until = (list(part) for part in zip(*ranges, strict=True))
    within: dict[str, Any] = {"tenants": tenants, "since": since, "until": until}
    await session.execute(_CLEAR, within)
    await session.execute(_FILL, {**within, "without": list(without)})


_GATE = "hashtextextended('flowkeep.rollups.gate.' || :schema, 0)"
_MARK = "SELECT coalesce(max(folded_to), '0001-01-02') FROM {schema}.run_rollup_mark"
_LEAVE = {table: _leaving(table) for table in _TABLES}
_UNSETTLED = f"""
SELECT DISTINCT r.tenant_id, {BUCKET_AT}, {BUCKET_AT} + interval '15 minutes'
FROM {{schema}}.<table> AS r
WHERE r.kind = 'run' AND r.id = ANY (CAST(:run_ids AS uuid[])) AND r.updated_at >= :mark
"""


async def pass_gate(session: Session, *, alone: bool) -> None:
    """Wait until no count is under way, and for whom counts also until nothing is leaving."""
    kind = "" if alone else "_shared"
    await session.execute(
        f"SELECT pg_advisory_xact_lock{kind}({_GATE})", {"schema": session.schema_name}
    )


async def note_gone(session: Session, run_ids: Sequence[UUID], *, archived: bool = False) -> None:
    """Keep counting runs that are about to be deleted.

    Args:
        session: The transaction that removes them, right before it does; it holds their locks.
        run_ids: The runs; those of another kind than `run` are not counted anyway.
        archived: Whether they lie in the archive.
    """
    if not run_ids:
        return
    table = _TABLES[archived]
    # A run that lies behind this mark is in the live rows, and stays there until it left: counts
    # only repeat it. A mark read behind the gate may be none, where a rebuild has begun meanwhile.
    mark = (await session.execute(_MARK)).scalar_one()
    ranges = await _unsettled(session, table, run_ids, mark)
    await pass_gate(session, alone=bool(ranges))
    await session.execute(_LEAVE[table], {"run_ids": inputs.array(run_ids), "mark": mark})
    if ranges:
        await recount(session, ranges, without=run_ids)


async def note_archived(session: Session, run_ids: Sequence[UUID]) -> None:
    """Count runs that moved to the archive, where they changed too lately to be counted.

    `folding` sees changes of runs in the ledger only.

    Args:
        session: The transaction that moves them, after it did.
        run_ids: The runs.
    """
    mark = (await session.execute(_MARK)).scalar_one()
    ranges = await _unsettled(session, "run_archive", run_ids, mark)
    if ranges:
        await pass_gate(session, alone=True)
        await recount(session, ranges)


async def _unsettled(
    session: Session, table: str, run_ids: Sequence[UUID], mark: datetime
) -> list[tuple[str, datetime, datetime]]:
    """Return the buckets of runs that changed after the mark."""
    bound = {"run_ids": inputs.array(run_ids), "mark": mark}
    found = await session.execute(_UNSETTLED.replace("<table>", table), bound)
    return [tuple(row) for row in found.all()]
