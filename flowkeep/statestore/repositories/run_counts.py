"""How many runs of a tenant are in each status, exact to the moment."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from flowkeep.contracts.status import RunStatus
from flowkeep.statestore.repositories import folding, inputs, windows
from flowkeep.statestore.repositories.rollups import BUCKET_AT, CHANGED
from flowkeep.statestore.session import Scope

_FAR = datetime(9999, 12, 30, tzinfo=UTC)
_STATUSES = ", ".join(f"('{status.value}')" for status in RunStatus)

# Whole buckets come from the rollup, except where a run changed since they were counted; those,
# and what of the first bucket lies in the window, are counted in the indexes of runs.
_COUNT = f"""
WITH changed AS MATERIALIZED ({CHANGED}),
stale AS MATERIALIZED (
    SELECT DISTINCT {BUCKET_AT} AS bucket_at FROM changed AS r
    WHERE r.tenant_id = :tenant AND r.kind = 'run' AND r.created_at >= :first
),
ranges AS (
    SELECT CAST(:since AS timestamptz) AS since, CAST(:edge AS timestamptz) AS until
    UNION ALL
    SELECT bucket_at, bucket_at + interval '15 minutes' FROM stale
)
SELECT status, sum(n)::bigint AS runs FROM (
    SELECT c.status, c.runs AS n FROM {{schema}}.run_rollup AS c
    WHERE c.tenant_id = :tenant AND c.bucket_at >= :first AND c.grain = <grain> <c.app>
      AND (c.gone OR (:folded AND NOT EXISTS (
          SELECT FROM stale WHERE stale.bucket_at = c.bucket_at)))
    UNION ALL
    SELECT s.status, (
        SELECT count(*) FROM {{schema}}.run AS r
        WHERE r.tenant_id = :tenant <r.app> AND r.status = s.status AND r.kind = 'run'
          AND r.created_at >= ranges.since AND r.created_at < ranges.until
    ) + (
        SELECT count(*) FROM {{schema}}.run_archive AS a
        WHERE a.tenant_id = :tenant <a.app> AND a.status = s.status AND a.kind = 'run'
          AND a.created_at >= ranges.since AND a.created_at < ranges.until
    ) FROM ranges CROSS JOIN (VALUES {_STATUSES}) AS s (status)
) AS parts GROUP BY status
"""
_OF_TENANT, _OF_APP = _COUNT.replace("<grain>", "'all'"), _COUNT.replace("<grain>", "'app'")
for _table in "cra":
    _OF_TENANT = _OF_TENANT.replace(f"<{_table}.app>", "")
    _OF_APP = _OF_APP.replace(f"<{_table}.app>", f"AND {_table}.app_id = :app")


class RunCounts:
    """Counts of runs; see the Protocol of the same name.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def count_by_status(
        self, tenant_id: str, window: str | timedelta, *, app_id: str | None = None
    ) -> Mapping[RunStatus, int]:
        """Return how many runs of the last `window` are in each status; see the Protocol."""
        values = {"tenant": inputs.tenant(tenant_id)}
        if app_id is not None:
            values["app"] = inputs.name(app_id, "app_id")
        span = windows.window(window)
        await folding.refresh(self._scope)
        async with self._scope.read() as session:
            now = (await session.execute("SELECT now()")).scalar_one()
            mark = (await folding.read_mark(session)).folded_to
            since = now - span
            first = windows.bucket(since + windows.BUCKET - timedelta(microseconds=1))
            if first > now:  # no whole bucket: what changed does not matter
                mark = None
            found = await session.execute(
                _OF_TENANT if app_id is None else _OF_APP,
                {
                    **values,
                    "since": since,
                    "first": first,
                    "edge": _FAR if mark is None else first,
                    "mark": mark or _FAR,
                    "folded": mark is not None,
                },
            )
            counts = {row.status: int(row.runs) for row in found}
        return {status: counts.get(status.value, 0) for status in RunStatus}
