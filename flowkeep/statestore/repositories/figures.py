"""Questions to the rollups, of one tenant or of all."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from flowkeep.contracts.page import Page
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    TenantCounts,
    UsageCounts,
)
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import durations as histogram
from flowkeep.statestore.repositories import folding, inputs, windows
from flowkeep.statestore.repositories.rollups import COUNT_OF, NO_DEFINITION, STEP_OF
from flowkeep.statestore.session import Scope

_EXECUTED = {"definition": "definition_id", "workflow_type": "workflow_type"}
_USED = {
    "module": "module, NULL::text AS step FROM {schema}.definition_component"
    " WHERE module IS NOT NULL",
    "step": "module, step FROM {schema}.definition_component WHERE step IS NOT NULL",
}


@dataclass(frozen=True)
class Chosen:
    """Which rows of the rollups are asked for.

    Attributes:
        since: First bucket.
        until: The bucket behind the last one.
        values: Columns that have one value.
    """

    since: datetime
    until: datetime
    values: dict[str, Any]

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, **values: Any) -> Self:
        """Return what callers ask for; None means any.

        Raises:
            InvalidInput: If a time or a name cannot be used.
        """
        given = {name: value for name, value in values.items() if value is not None}
        for name, value in given.items():
            known = inputs.run_id if name == "definition_id" else inputs.name
            given[name] = known(value, name)
        return cls(*windows.period(since, until), given)

    def where(self, *keys: str) -> str:
        """Return the SQL condition on a row `c`, without the period.

        Args:
            *keys: Columns whose values are to be told apart.
        """
        told = {*self.values, *keys} - {"tenant_id"}
        grain = "all" if not told else "app" if told == {"app_id"} else "each"
        # A literal, so that every plan knows how few rows it means.
        return f" AND c.grain = '{grain}'" + "".join(
            f" AND c.{name} = :{name}" for name in self.values
        )

    def within(self, *keys: str) -> str:
        """Return the SQL condition on a row `c`; see `where`."""
        return f"c.bucket_at >= :since AND c.bucket_at < :until{self.where(*keys)}"

    @property
    def bound(self) -> dict[str, Any]:
        """The values of both conditions."""
        return {"since": self.since, "until": self.until, **self.values}


def _counts(cells: str, keys: str, order: str) -> str:
    """Return the SQL that gives runs and runs by status of each key.

    Args:
        cells: Query of the keys, `status` and `n`, each combination once.
        keys: Columns that tell the groups apart.
        order: Which come first.
    """
    return f"""
    SELECT {keys}, sum(n)::bigint AS runs, jsonb_object_agg(status, n) FILTER (WHERE n > 0)
        AS by_status
    FROM ({cells}) AS cells GROUP BY {keys} HAVING sum(n) > 0 ORDER BY {order} LIMIT :limit
    """


async def _ask(
    scope: Scope, statement: str, values: dict[str, Any]
) -> tuple[Sequence[Any], datetime | None]:
    await folding.refresh(scope)
    async with scope.read() as session:
        # Read first: the figures may be newer than the mark, never older.
        mark = await folding.read_mark(session)
        found = await session.execute(statement, values)
        return found.mappings().all(), mark.folded_to


async def per_day(scope: Scope, chosen: Chosen, time_zone: str) -> Figures[Sequence[DayCounts]]:
    """Return runs by day of a zone, days without runs included."""
    days = windows.days(chosen.since, chosen.until, windows.zone(time_zone))
    cells = f"""
    SELECT d.day, c.status, sum(c.runs)::bigint AS n
    FROM unnest(CAST(:days AS date[]), CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
        AS d (day, begin_at, end_at)
    JOIN {{schema}}.run_rollup AS c
        ON c.bucket_at >= d.begin_at AND c.bucket_at < d.end_at{chosen.where()}
    GROUP BY 1, 2
    """
    day, begins, ends = (list(part) for part in zip(*days, strict=True))
    values = {**chosen.values, "days": day, "begins": begins, "ends": ends, "limit": len(days)}
    rows, as_of = await _ask(scope, _counts(cells, "day", "day"), values)
    known = {row["day"]: DayCounts(**row) for row in rows}
    empty = [day for day, _, _ in days if day not in known]
    known |= {day: DayCounts(day=day, runs=0, by_status={}) for day in empty}
    return Figures([known[day] for day, _, _ in days], as_of)


async def durations(scope: Scope, chosen: Chosen) -> Figures[Durations]:
    """Return how long runs took."""
    statement = f"""
    SELECT {STEP_OF} AS step, sum({COUNT_OF})::bigint AS runs
    FROM {{schema}}.run_rollup AS c CROSS JOIN LATERAL unnest(c.durations) AS d
    WHERE {chosen.within()} GROUP BY 1 HAVING sum({COUNT_OF}) > 0 ORDER BY 1
    """
    rows, as_of = await _ask(scope, statement, chosen.bound)
    return Figures(histogram.summary([(row["step"], row["runs"]) for row in rows]), as_of)


async def most_executed(
    scope: Scope, chosen: Chosen, by: str, limit: int
) -> Figures[Sequence[ExecutedCounts]]:
    """Return what has most runs, most first."""
    key = _EXECUTED.get(by)
    if key is None:
        raise InvalidInput(f"by is {by!r}", hint="use definition or workflow_type")
    cells = f"""
    SELECT c.{key}, c.status, sum(c.runs)::bigint AS n FROM {{schema}}.run_rollup AS c
    WHERE {chosen.within(key)} AND c.definition_id <> :nobody GROUP BY 1, 2
    """
    values = {**chosen.bound, "limit": inputs.page_limit(limit), "nobody": NO_DEFINITION}
    if key != "definition_id":
        cells = cells.replace(" AND c.definition_id <> :nobody", "")
        del values["nobody"]
    rows, as_of = await _ask(scope, _counts(cells, key, f"runs DESC, {key}"), values)
    nothing = dict.fromkeys(_EXECUTED.values())
    return Figures([ExecutedCounts(**{**nothing, **row}) for row in rows], as_of)


async def usage(
    scope: Scope, chosen: Chosen, by: str, limit: int
) -> Figures[Sequence[UsageCounts]]:
    """Return what definitions with runs use, most runs first."""
    parts = _USED.get(by)
    if parts is None:
        raise InvalidInput(f"by is {by!r}", hint="use module or step")
    # A definition that uses a step twice has its runs counted once.
    cells = """
    SELECT module, step, status, sum(n)::bigint AS n FROM used JOIN parts USING (definition_id)
    GROUP BY 1, 2, 3
    """
    statement = f"""
    WITH used AS MATERIALIZED (
        SELECT c.definition_id, c.status, sum(c.runs)::bigint AS n
        FROM {{schema}}.run_rollup AS c
        WHERE {chosen.within("definition_id")} AND c.definition_id <> :nobody
        GROUP BY 1, 2 HAVING sum(c.runs) > 0
    ),
    parts AS MATERIALIZED (
        SELECT DISTINCT definition_id, {parts}
        AND definition_id IN (SELECT definition_id FROM used)
    )
    SELECT counts.*, (
        SELECT count(*) FROM parts WHERE parts.module IS NOT DISTINCT FROM counts.module
        AND parts.step IS NOT DISTINCT FROM counts.step
    ) AS definitions
    FROM ({_counts(cells, "module, step", "runs DESC, module, step")}) AS counts
    ORDER BY runs DESC, module, step
    """
    values = {**chosen.bound, "limit": inputs.page_limit(limit), "nobody": NO_DEFINITION}
    rows, as_of = await _ask(scope, statement, values)
    return Figures([UsageCounts(**row) for row in rows], as_of)


async def per_tenant(
    scope: Scope, chosen: Chosen, limit: int, after: str
) -> Figures[Page[TenantCounts]]:
    """Return a page of tenants with runs, by tenant."""
    cells = f"""
    SELECT c.tenant_id, c.status, sum(c.runs)::bigint AS n FROM {{schema}}.run_rollup AS c
    WHERE {chosen.within()} AND c.tenant_id > :after GROUP BY 1, 2
    """
    values = {**chosen.bound, "limit": limit + 1, "after": after}
    rows, as_of = await _ask(scope, _counts(cells, "tenant_id", "tenant_id"), values)
    tenants = [TenantCounts(**row) for row in rows]
    return Figures(Page(tenants[:limit], limit, len(tenants) > limit), as_of)
