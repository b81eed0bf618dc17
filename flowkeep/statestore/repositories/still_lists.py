"""Lists of the runs that stand still: paused ones, and open ones that do not move."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flowkeep.contracts import Page, RunSummary
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs, merged
from flowkeep.statestore.repositories.merged import NEWEST, Filters, Position
from flowkeep.statestore.session import Scope, Session

_PAUSED = f"""
SELECT {merged.SUMMARY}, r.stuck FROM {{schema}}.run_pause AS p
JOIN {{schema}}.run AS r ON r.id = p.run_id
WHERE p.tenant_id = :tenant_id AND p.resumed_at IS NULL {{where}}
ORDER BY p.paused_at DESC, p.run_id DESC LIMIT :limit
"""  # noqa: S608 - only names of ours are put in
_STUCK = f"""
SELECT {merged.SUMMARY}, r.stuck FROM {{schema}}.run AS r
WHERE r.tenant_id = :tenant_id AND r.stuck IS NOT NULL {{where}}
ORDER BY r.created_at DESC, r.id DESC LIMIT :limit
"""  # noqa: S608 - only names of ours are put in
_OWNER = "AND r.owner = :owner"
_APPS = "AND r.app_id = ANY(CAST(:apps AS text[]))"


class StillLists:
    """Part of `store.runs`; see the Protocol `RunLists`."""

    _scope: Scope

    async def find_paused(
        self,
        tenant_id: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the runs with an open pause, latest pause first; see the Protocol."""
        values, where = _filtered(tenant_id, limit, owner, apps)
        async with self._scope.ordered() as session:
            if last_id is not None:
                place = await _paused(session, tenant_id, inputs.run_id(last_id, "last_id"))
                values |= {"paused_at": place[0], "run_id": place[1]}
                where.append("AND (p.paused_at, p.run_id) < (:paused_at, :run_id)")
            return await _page(session, _PAUSED, where, values, limit)

    async def find_stuck(
        self,
        tenant_id: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the open runs that do not move, newest first; see the Protocol."""
        values, where = _filtered(tenant_id, limit, owner, apps)
        async with self._scope.ordered() as session:
            if last_id is not None:
                known = inputs.run_id(last_id, "last_id")
                filters = Filters(fixed={"tenant_id": tenant_id})
                place = await merged.position(session, filters, NEWEST, known)
                values |= {"behind_time": place[0], "behind_id": place[1]}
                where.append(f"AND {NEWEST.behind('r.created_at', 'r.id')}")
            return await _page(session, _STUCK, where, values, limit)


def as_page(found: Sequence[RunSummary], limit: int) -> Page[RunSummary]:
    """Return a page of runs of which one more than the limit was asked for."""
    return Page(data=found[:limit], limit=limit, has_more=len(found) > limit)


async def _page(
    session: Session, statement: str, where: list[str], values: dict[str, Any], limit: int
) -> Page[RunSummary]:
    filled = statement.format(where=" ".join(where), schema="{schema}")
    found = await session.execute(filled, values)
    return as_page([RunSummary.model_validate(dict(row)) for row in found.mappings()], limit)


def _filtered(
    tenant_id: str, limit: int, owner: str | None, apps: Sequence[str] | None
) -> tuple[dict[str, Any], list[str]]:
    """Return the values and the conditions of a page."""
    values: dict[str, Any] = {
        "tenant_id": inputs.tenant(tenant_id),
        "limit": inputs.page_limit(limit) + 1,
    }
    where = []
    if owner is not None:
        values["owner"] = inputs.text(owner, "owner")
        where.append(_OWNER)
    if apps is not None:
        values["apps"] = [inputs.text(app, "apps") for app in apps]
        where.append(_APPS)
    return values, where


async def _paused(session: Session, tenant_id: str, run_id: UUID) -> Position:
    """Return where a run stands among the paused ones; a pause that is over keeps its place."""
    statement = """
        SELECT paused_at, run_id FROM {schema}.run_pause
        WHERE run_id = :run_id AND tenant_id = :tenant_id ORDER BY paused_at DESC LIMIT 1
    """
    found = await session.execute(statement, {"run_id": run_id, "tenant_id": tenant_id})
    row = found.first()
    if row is None:
        raise InvalidInput(
            f"last_id {run_id} names no run that was paused",
            hint="pass the id of the last run of the page before",
        )
    return row.paused_at, row.run_id
