"""Lists over the runs in the ledger and those in the archive, as one.

Both tables have the same summary columns and indexes. A list is a union of branches, each an
ordered range of one index, and the union merges them: whatever the tables' size, a page reads
about as many rows as it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    literal_column,
    select,
    tuple_,
    union_all,
)

from flowkeep.contracts import RunKind, RunSummary
from flowkeep.errors import InvalidInput
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run, run_archive, run_label

_Conditions = list[ColumnElement[bool]]
Position = tuple[datetime, UUID]
"""Where a page ended: the time the list is ordered by, and the id."""

_ARCHIVED: dict[Table, ColumnElement[bool]] = {
    run: literal_column("false"),
    run_archive: literal_column("true"),
}
_SUMMARY = {
    table: select(
        *(table.c[name] for name in RunSummary.model_fields if name != "archived"),
        archived.label("archived"),
    )
    for table, archived in _ARCHIVED.items()
}
"""What lists select: no payload among it."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is ordered: by one time, then by id.

    Attributes:
        by: The column of the time.
        newest_first: Whether it descends.
    """

    by: str
    newest_first: bool


NEWEST = Order("created_at", newest_first=True)
RESTED = Order("updated_at", newest_first=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which runs a list holds.

    Attributes:
        fixed: Columns that never change once a run is in the list, and their values.
        changing: Columns that may change while somebody pages, and their values.
        labels: Labels the runs carry, all of them.
        kinds: Only these; None for all.
        triggers: Only these; None for all.
        since: Created then or later.
        until: Created before.
    """

    fixed: Mapping[str, Any]
    changing: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: Sequence[RunKind] | None = None
    triggers: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(filters: Filters, order: Order, limit: int, behind: Position | None) -> Select[Any]:
    """Return the statement that reads the summaries of one page.

    Args:
        filters: Which runs.
        order: In which order.
        limit: Most rows to return.
        behind: Where the page before ended.
    """
    branches = [
        _ordered(statement, table, order).limit(limit)
        for table in _ARCHIVED
        for statement in _branches(table, filters, order, behind)
    ]
    merged = union_all(*(branch.subquery().select() for branch in branches)).subquery()
    return _ordered(select(merged), merged, order).limit(limit)


async def position(session: Session, filters: Filters, order: Order, last_id: UUID) -> Position:
    """Return where a page ended, from the id of its last run.

    Raises:
        InvalidInput: If the id names no run within the filters that never change.
    """
    looked_up = []
    for table in _ARCHIVED:
        where = [table.c.id == last_id, *_unchanging(table, filters)]
        if filters.kinds is not None:
            where.append(table.c.kind.in_([kind.value for kind in filters.kinds]))
        if filters.triggers is not None:
            where.append(table.c.triggered_from.in_(filters.triggers))
        looked_up.append(select(table.c[order.by].label("time"), table.c.id).where(*where))
    row = (await session.execute(union_all(*looked_up))).first()
    if row is None:
        raise InvalidInput(
            f"last_id {last_id} names no run of this list",
            hint="pass the id of the last run of the page before, with the same filters",
        )
    return row.time, row.id


def _unchanging(table: Table, filters: Filters) -> _Conditions:
    times = _between(table, filters)
    return [*(table.c[name] == value for name, value in filters.fixed.items()), *times]


def _between(rows: FromClause, filters: Filters) -> _Conditions:
    found: _Conditions = []
    if filters.since is not None:
        found.append(rows.c.created_at >= filters.since)
    if filters.until is not None:
        found.append(rows.c.created_at < filters.until)
    return found


def _branches(
    table: Table, filters: Filters, order: Order, behind: Position | None
) -> list[Select[Any]]:
    """Return one statement for each range of an index that the list needs of a table."""
    where = _unchanging(table, filters)
    where += [table.c[name] == value for name, value in filters.changing.items()]
    if behind is not None:
        where.append(_behind(table.c[order.by], table.c.id, order, behind))
    base = _labelled(_SUMMARY[table].where(*where), table, filters, behind)
    if filters.triggers is not None:
        base_of = [base.where(table.c.triggered_from == trigger) for trigger in filters.triggers]
    else:
        base_of = [base]
    if filters.kinds is None:
        return base_of
    # Literal, so that a prepared statement's generic plan still matches the partial indexes.
    kinds = [table.c.kind == literal_column(f"'{kind.value}'") for kind in filters.kinds]
    return [statement.where(kind) for statement in base_of for kind in kinds]


def _labelled(
    statement: Select[Any], table: Table, filters: Filters, behind: Position | None
) -> Select[Any]:
    """Join one row per label. Each has the order of the list, so any of them may lead."""
    for key, value in filters.labels.items():
        label = run_label.alias()
        on = [
            label.c.run_id == table.c.id,
            label.c.created_at == table.c.created_at,
            label.c.tenant_id == filters.fixed["tenant_id"],
            label.c.key == key,
            label.c.value == value,
            label.c.archived == _ARCHIVED[table],
            *_between(label, filters),
        ]
        if behind is not None:
            on.append(_behind(label.c.created_at, label.c.run_id, NEWEST, behind))
        statement = statement.join(label, and_(*on))
    return statement


def _behind(
    time: ColumnElement[Any], row_id: ColumnElement[Any], order: Order, behind: Position
) -> ColumnElement[bool]:
    place = tuple_(time, row_id)
    return place < behind if order.newest_first else place > behind


def _ordered(statement: Select[Any], rows: FromClause, order: Order) -> Select[Any]:
    columns = (rows.c[order.by], rows.c.id)
    return statement.order_by(*((c.desc() if order.newest_first else c) for c in columns))
