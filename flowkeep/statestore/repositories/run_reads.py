"""Questions about runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, select, tuple_, union_all

from flowkeep.contracts import (
    Event,
    Page,
    Pause,
    Run,
    RunKind,
    RunStatus,
    RunSummary,
    Segment,
    run_status,
)
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import inputs, segments
from flowkeep.statestore.repositories.rows import EVENT, FULL, PAUSE, SUMMARY, full_run
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import run, run_event, run_pause

_MOST_BRANCHES = 32
_MOST_EVENTS = 1000


class RunReads:
    """Reads of runs; see the Protocol of the same name.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def get(self, tenant_id: str, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs, or raise NotFound."""
        found = await self.get_run_by_id(tenant_id, None, run_id)
        if found is None:
            raise NotFound(f"run {run_id} does not exist", hint="look it up with `run list`")
        return found

    async def get_run_by_id(self, tenant_id: str, app_id: str | None, run_id: UUID) -> Run | None:
        """Return a run of an app (None: of any app), or None."""
        where = [run.c.id == inputs.run_id(run_id), run.c.tenant_id == inputs.tenant(tenant_id)]
        if app_id is not None:
            where.append(run.c.app_id == app_id)
        async with self._scope.read() as session:
            found = await session.execute(select(*FULL).where(*where))
            row = found.mappings().one_or_none()
            return None if row is None else await full_run(session, dict(row))

    async def get_paginated_runs(
        self,
        tenant_id: str,
        app_id: str | None = None,
        triggered_from: str | Sequence[str] | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
        definition_id: UUID | None = None,
        owner: str | None = None,
        workflow_type: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Sequence[RunKind] = (RunKind.RUN,),
    ) -> Page[RunSummary]:
        """Return a page of runs, newest first; see the Protocol."""
        fixed = _equal(
            tenant_id=inputs.tenant(tenant_id),
            app_id=app_id,
            definition_id=definition_id,
            workflow_type=workflow_type,
        )
        since, until = inputs.instant(since, "since"), inputs.instant(until, "until")
        if since is not None:
            fixed.append(run.c.created_at >= since)
        if until is not None:
            fixed.append(run.c.created_at < until)
        changing = _equal(owner=owner, status=None if status is None else run_status(status).value)
        if labels:
            changing.append(run.c.labels.contains(encoding.strict(dict(labels), "labels")))
        branches = _branches(kinds, _triggers(triggered_from))
        return await self._page(fixed, changing, branches, inputs.page_limit(limit), last_id)

    async def find_by_workflow_id(
        self,
        tenant_id: str,
        workflow_id: str,
        *,
        namespace: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[RunSummary]:
        """Return the runs that used a workflow_id, newest first."""
        fixed = _equal(
            tenant_id=inputs.tenant(tenant_id), workflow_id=workflow_id, namespace=namespace
        )
        return await self._page(fixed, [], [[]], inputs.page_limit(limit), last_id)

    async def _page(
        self,
        fixed: list[ColumnElement[bool]],
        changing: list[ColumnElement[bool]],
        branches: list[list[ColumnElement[bool]]],
        limit: int,
        last_id: UUID | None,
    ) -> Page[RunSummary]:
        """Read a page as merged branches, each an ordered range of one index."""
        async with self._scope.read() as session:
            if last_id is not None:
                fixed = [*fixed, await _behind(session, last_id, fixed, branches)]
            statement = _merged(
                [select(*SUMMARY).where(*fixed, *changing, *b) for b in branches], limit + 1
            )
            found = (await session.execute(statement)).mappings().all()
        data = [RunSummary.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)

    async def list_events(
        self, tenant_id: str, run_id: UUID, limit: int = 50, before: int | None = None
    ) -> Sequence[Event]:
        """Return the newest events of a run, newest first; see the Protocol."""
        if limit <= 0:
            return []
        where = [
            run_event.c.run_id == inputs.run_id(run_id),
            run_event.c.tenant_id == inputs.tenant(tenant_id),
        ]
        if before is not None:
            where.append(run_event.c.seq < before)
        statement = select(*EVENT).where(*where).order_by(run_event.c.seq.desc())
        async with self._scope.read() as session:
            found = await session.execute(statement.limit(min(limit, _MOST_EVENTS)))
            return [Event.model_validate(dict(row)) for row in found.mappings()]

    async def list_segments(self, tenant_id: str, run_id: UUID) -> Sequence[Segment]:
        """Return the newest 1000 Temporal executions of a run, oldest first."""
        async with self._scope.read() as session:
            return await segments.list_segments(
                session, inputs.tenant(tenant_id), inputs.run_id(run_id)
            )

    async def list_pauses(self, tenant_id: str, run_id: UUID) -> Sequence[Pause]:
        """Return the newest 1000 pauses of a run, newest first."""
        statement = (
            select(*PAUSE)
            .where(
                run_pause.c.run_id == inputs.run_id(run_id),
                run_pause.c.tenant_id == inputs.tenant(tenant_id),
            )
            .order_by(run_pause.c.paused_at.desc())
            .limit(1000)
        )
        async with self._scope.read() as session:
            found = await session.execute(statement)
            return [Pause.model_validate(dict(row)) for row in found.mappings()]


def _equal(**wanted: Any) -> list[ColumnElement[bool]]:
    return [run.c[name] == value for name, value in wanted.items() if value is not None]


def _triggers(triggered_from: str | Sequence[str] | None) -> list[str] | None:
    if triggered_from is None:
        return None
    if isinstance(triggered_from, str):
        return [triggered_from]
    triggers = list(dict.fromkeys(triggered_from))
    if not triggers:
        raise InvalidInput("triggered_from is an empty list", hint="name triggers, or pass None")
    return triggers


def _branches(
    kinds: Sequence[RunKind], triggers: list[str] | None
) -> list[list[ColumnElement[bool]]]:
    if not kinds:
        raise InvalidInput("kinds is an empty list", hint="name run, chunk or both")
    # Literal, so that a prepared statement's generic plan still matches the partial indexes.
    by_kind = [
        run.c.kind == literal_column(f"'{kind.value}'")
        for kind in dict.fromkeys(RunKind(kind) for kind in kinds)
    ]
    if triggers is None:
        return [[kind] for kind in by_kind]
    if len(triggers) * len(by_kind) > _MOST_BRANCHES:
        raise InvalidInput(
            f"triggered_from names {len(triggers)} triggers", hint=f"name at most {_MOST_BRANCHES}"
        )
    return [[kind, run.c.triggered_from == trigger] for kind in by_kind for trigger in triggers]


def _merged(branches: list[Select[Any]], limit: int) -> Any:
    newest = (run.c.created_at.desc(), run.c.id.desc())
    ordered = [branch.order_by(*newest).limit(limit) for branch in branches]
    if len(ordered) == 1:
        return ordered[0]
    merged = union_all(*(branch.subquery().select() for branch in ordered)).subquery()
    return select(merged).order_by(merged.c.created_at.desc(), merged.c.id.desc()).limit(limit)


async def _behind(
    session: Session,
    last_id: UUID,
    fixed: list[ColumnElement[bool]],
    branches: list[list[ColumnElement[bool]]],
) -> ColumnElement[bool]:
    """Return the condition "behind this row"; the row must lie within the unchanging filters."""
    found = await session.execute(
        _merged(
            [
                select(run.c.created_at, run.c.id).where(
                    run.c.id == inputs.run_id(last_id, "last_id"), *fixed, *branch
                )
                for branch in branches
            ],
            1,
        )
    )
    row = found.one_or_none()
    if row is None:
        raise InvalidInput(
            f"last_id {last_id} names no run of this list",
            hint="pass the id of the last run of the page before, with the same filters",
        )
    return tuple_(run.c.created_at, run.c.id) < (row.created_at, row.id)
