"""Lists of definitions, newest first.

Each page is a range of an index, but for tags, modules and steps: what has one is looked up and put
in order, as often as a page is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from flowkeep.contracts.sight import Sight
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import executions, inputs
from flowkeep.statestore.repositories.definition_rows import SUMMARY, stored
from flowkeep.statestore.repositories.sights import of_definitions
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import (
    app,
    definition,
    definition_component,
    definition_execution,
)

_Conditions = list[ColumnElement[bool]]
_SWITCHES = ("enabled", "draft", "include_shared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which definitions a list holds; see the Protocol."""

    app_id: str | None = None
    app_name: str | None = None
    parent: str | None = None
    owner: str | None = None
    tag: str | None = None
    enabled: bool | None = None
    draft: bool | None = None
    module: str | None = None
    step: str | None = None
    text: str | None = None
    include_shared: bool = False
    visible_to: Sight | None = None

    def checked(self) -> "Filters":
        """Return these filters.

        Raises:
            InvalidInput: If one is not of its type, or holds what PostgreSQL cannot compare with.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _SWITCHES:
                if value is not None and not isinstance(value, bool):
                    raise InvalidInput(f"{field.name} is {value!r}", hint="use True or False")
            elif value is not None and field.name != "visible_to":
                inputs.text(value, field.name)
        return self

    @property
    def within_app(self) -> bool:
        """Whether only definitions of certain apps, so of one tenant, are wanted."""
        return any(value is not None for value in (self.app_id, self.app_name, self.parent))


async def page(
    session: Session, tenant_id: str, filters: Filters, limit: int, last_id: UUID | None
) -> Sequence[dict[str, Any]]:
    """Return the rows of a page, and one more when more follow."""
    where = _conditions(tenant_id, filters)
    if last_id is not None:
        where.append(await _behind(session, tenant_id, filters, last_id))
    branches = [_own(tenant_id, filters, where)]
    if filters.include_shared and not filters.within_app:
        branches.append(_shared(tenant_id, filters, where))
    ordered = [_newest(branch, definition).limit(limit + 1) for branch in branches]
    merged = union_all(*(branch.subquery().select() for branch in ordered)).subquery()
    rows = _newest(select(merged), merged).limit(limit + 1).subquery("d")
    pending = executions.unfolded(rows)
    statement = select(*executions.counted(rows, pending)).select_from(rows).join(pending, true())
    found = await session.execute(_newest(statement, rows))
    return [dict(row) for row in found.mappings()]


async def most_executed(
    session: Session, tenant_id: str, limit: int, app_id: str | None, visible_to: Sight | None
) -> Sequence[dict[str, Any]]:
    """Return the rows of the definitions that were executed most.

    Whatever is among them has either executions that are not folded yet, or is among the first by
    the folded counts alone.
    """
    where = stored(tenant_id)
    if app_id is not None:
        where.append(definition.c.app_id == app_id)
    if visible_to is not None:
        where.append(of_definitions(visible_to))
    most = (definition.c.execution_count.desc(), definition.c.id.desc())
    deltas = definition_execution.c
    leading = select(definition.c.id).where(*where).order_by(*most).limit(limit).subquery()
    counting = select(deltas.definition_id).where(deltas.tenant_id == tenant_id).distinct()
    ids = union(leading.select(), counting).subquery("candidates")
    looked_up = (
        select(*SUMMARY).where(definition.c.id == ids.c.id, *where).offset(literal_column("0"))
    ).lateral("d")
    pending = executions.unfolded(looked_up)
    exact = executions.counted(looked_up, pending)
    statement = (
        select(*exact).select_from(ids).join(looked_up, true()).join(pending, true())
    ).subquery()
    found = await session.execute(
        select(statement)
        .order_by(statement.c.execution_count.desc(), statement.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def _conditions(tenant_id: str, filters: Filters) -> _Conditions:
    columns = definition.c
    equal = {name: getattr(filters, name) for name in ("app_id", "owner", "enabled", "draft")}
    where = [columns[name] == value for name, value in equal.items() if value is not None]
    for name, value in (("name", filters.app_name), ("parent", filters.parent)):
        if value is not None:
            apps = select(app.c.id).where(app.c.tenant_id == tenant_id, app.c[name] == value)
            where.append(columns.app_id.in_(apps))
    if filters.tag is not None:
        where.append(columns.tags.contains(cast([filters.tag], ARRAY(Text))))
    if filters.text is not None:
        sought = func.lower(filters.text)
        texts = (columns.name, columns.ref, func.coalesce(columns.description, ""))
        where.append(or_(*(func.strpos(func.lower(text), sought) > 0 for text in texts)))
    if filters.visible_to is not None:
        where.append(of_definitions(filters.visible_to))
    return where


def _own(tenant_id: str, filters: Filters, where: _Conditions) -> Select[Any]:
    """Return the tenant's own ones; by module or step, driven by what uses these."""
    if filters.module is None and filters.step is None:
        return select(*SUMMARY).where(*stored(tenant_id), *where)
    used: FromClause = (
        select(definition_component.c.definition_id)
        .where(definition_component.c.tenant_id == tenant_id, *_using(filters))
        .distinct()
        .subquery("used")
    )
    # OFFSET 0 keeps the look-up by key what it is, whatever the planner guesses of the tables.
    found = (
        select(*SUMMARY)
        .where(definition.c.id == used.c.definition_id, *stored(tenant_id), *where)
        .offset(literal_column("0"))
        .lateral("found")
    )
    return select(found).select_from(used).join(found, true())


def _shared(tenant_id: str, filters: Filters, where: _Conditions) -> Select[Any]:
    """Return what other tenants share."""
    shared = [
        definition.c.deleted_at.is_(None),
        # Literal, so that a generic plan still matches the partial index.
        definition.c.visibility == literal_column("'shared'"),
        definition.c.tenant_id != tenant_id,
    ]
    if filters.module is not None or filters.step is not None:
        used: Select[Any] = select(literal_column("1")).where(
            definition_component.c.definition_id == definition.c.id, *_using(filters)
        )
        shared.append(used.exists())
    return select(*SUMMARY).where(*shared, *where)


def _using(filters: Filters) -> _Conditions:
    columns = definition_component.c
    equal = {columns.module: filters.module, columns.step: filters.step}
    return [column == value for column, value in equal.items() if value is not None]


async def _behind(
    session: Session, tenant_id: str, filters: Filters, last_id: UUID
) -> ColumnElement[bool]:
    """Return the condition "behind this row"; a row that was hidden meanwhile still pages."""
    seen = definition.c.tenant_id == tenant_id
    if filters.visible_to is not None:
        seen = and_(seen, of_definitions(filters.visible_to))
    if filters.include_shared:
        seen = or_(seen, definition.c.visibility == "shared")
    found = await session.execute(
        select(definition.c.created_at).where(definition.c.id == last_id, seen)
    )
    at: datetime | None = found.scalar_one_or_none()
    if at is None:
        raise InvalidInput(
            f"last_id {last_id} names no definition of this list",
            hint="pass the id of the last definition of the page before, with the same filters",
        )
    return tuple_(definition.c.created_at, definition.c.id) < (at, last_id)


def _newest(statement: Select[Any], rows: FromClause) -> Select[Any]:
    selected = statement.selected_columns if rows is definition else rows.c
    return statement.order_by(selected["created_at"].desc(), selected["id"].desc())
