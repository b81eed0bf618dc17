"""Whether runs have moved, asked for those of all tenants at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from flowkeep.contracts.run_mark import RunMark
from flowkeep.statestore.session import Scope


class RunMarks:
    """Marks of runs; see the Protocol `RunMarkRepository`."""

    _scope: Scope

    async def read_marks(self, run_ids: Sequence[UUID]) -> Mapping[UUID, RunMark]:
        """Return what moves whenever a run does, of those that are not archived."""
        names = ", ".join(f"r.{name}" for name in RunMark._fields if name != "event")
        statement = f"""
            SELECT r.id, {names}, coalesce(newest.seq, 0) AS event FROM {{schema}}.run AS r
            LEFT JOIN LATERAL (
                SELECT e.seq FROM {{schema}}.run_event AS e
                WHERE e.run_id = r.id ORDER BY e.seq DESC LIMIT 1
            ) AS newest ON true
            WHERE r.id = ANY(CAST(:ids AS uuid[]))
        """  # noqa: S608 - only names of ours are put in
        async with self._scope.read() as session:
            rows = await session.rows(statement, {"ids": list(run_ids)})
        return {row.pop("id"): RunMark(**row) for row in rows}
