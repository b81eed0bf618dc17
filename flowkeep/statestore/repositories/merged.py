"""Lists over the runs in the ledger and those in the archive, as one.

Both tables have the same summary columns and indexes. A list is a union of branches, each an
ordered range of one index, and the union merges them: whatever the tables' size, a page reads
about as many rows as it shows.

Statements are put together as text: building them of Core's objects took longer than running them.
Only names of ours stand in them, values are parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.contracts import RunKind, RunSummary
from flowkeep.contracts.unread import Unread
from flowkeep.errors import InvalidInput
from flowkeep.statestore.pages import Rows

Position = tuple[datetime, UUID]
"""Where a page ended: the time the list is ordered by, and the id."""

_ARCHIVED = {"run": "false", "run_archive": "true"}
"""The tables of runs, and whether their runs are archived."""
_STUCK = {"run": "r.stuck", "run_archive": "CAST(NULL AS jsonb)"}
SUMMARY = ", ".join(
    f"r.{name}" for name in RunSummary.model_fields if name not in ("archived", "stuck")
)
"""What lists select of a run `r` of either table: no payload among it."""
_SUMMARY = TypeAdapter(RunSummary)


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is ordered: by one time, then by id.

    Attributes:
        by: The column of the time.
        newest_first: Whether it descends.
    """

    by: str
    newest_first: bool

    def clause(self, row: str = "") -> str:
        """Return the ORDER BY of rows that go by a name, if any."""
        down = " DESC" if self.newest_first else ""
        return f"ORDER BY {row}{self.by}{down}, {row}id{down}"

    def behind(self, time: str, row_id: str) -> str:
        """Return the condition that a row stands behind the page before."""
        sign = "<" if self.newest_first else ">"
        return f"({time}, {row_id}) {sign} (:behind_time, :behind_id)"


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
        apps: Only these; None for all.
        since: Created then or later.
        until: Created before.
    """

    fixed: Mapping[str, Any]
    changing: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: Sequence[RunKind] | None = None
    triggers: Sequence[str] | None = None
    apps: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the values that the conditions name."""
        found: dict[str, Any] = {**self.fixed, **self.changing}
        for n, (key, value) in enumerate(self.labels.items()):
            found |= {f"key_{n}": key, f"value_{n}": value}
        for n, trigger in enumerate(self.triggers or ()):
            found[f"trigger_{n}"] = trigger
        for n, app in enumerate(self.apps or ()):
            found[f"app_{n}"] = app
        times = {"since": self.since, "until": self.until}
        return found | {name: time for name, time in times.items() if time is not None}

    def unchanging(self) -> list[str]:
        """Return the conditions on a run `r` that it meets for ever, or never."""
        return [*(f"r.{name} = :{name}" for name in self.fixed), *self.between("r")]

    def between(self, row: str) -> list[str]:
        """Return the conditions on the time when a row was created."""
        since = [] if self.since is None else [f"{row}.created_at >= :since"]
        return since if self.until is None else [*since, f"{row}.created_at < :until"]


async def page(
    session: Rows, filters: Filters, order: Order, limit: int, behind: Position | None
) -> Unread[RunSummary]:
    """Return the runs of one page.

    Args:
        session: An ordered session.
        filters: Which runs.
        order: In which order.
        limit: Most runs to return.
        behind: Where the page before ended.
    """
    values = {**filters.parameters(), "limit": limit}
    if behind is not None:
        values |= {"behind_time": behind[0], "behind_id": behind[1]}
    branches = [
        branch for table in _ARCHIVED for branch in _branches(table, filters, order, behind)
    ]
    statement = f"{' UNION ALL '.join(branches)} {order.clause()} LIMIT :limit"
    return Unread(await session.rows(statement, values), _SUMMARY, nested=("stuck",))


async def position(session: Rows, filters: Filters, order: Order, last_id: UUID) -> Position:
    """Return where a page ended, from the id of its last run.

    Raises:
        InvalidInput: If the id names no run within the filters that never change.
    """
    where = ["r.id = :last_id", *filters.unchanging()]
    values = {**filters.parameters(), "last_id": last_id}
    if filters.kinds is not None:
        where.append("r.kind = ANY(CAST(:kinds AS text[]))")
        values["kinds"] = [kind.value for kind in filters.kinds]
    if filters.triggers is not None:
        where.append("r.triggered_from = ANY(CAST(:triggers AS text[]))")
        values["triggers"] = list(filters.triggers)
    if filters.apps is not None:
        where.append("r.app_id = ANY(CAST(:apps AS text[]))")
        values["apps"] = list(filters.apps)
    met = " AND ".join(where)
    statement = " UNION ALL ".join(
        f"SELECT r.{order.by} AS time, r.id FROM {{schema}}.{table} AS r WHERE {met}"  # noqa: S608
        for table in _ARCHIVED
    )
    found = await session.rows(statement, values)
    if not found:
        raise InvalidInput(
            f"last_id {last_id} names no run of this list",
            hint="pass the id of the last run of the page before, with the same filters",
        )
    return found[0]["time"], found[0]["id"]


def _branches(table: str, filters: Filters, order: Order, behind: Position | None) -> Iterator[str]:
    """Yield one statement for each range of an index that the list needs of a table."""
    where = [*filters.unchanging(), *(f"r.{name} = :{name}" for name in filters.changing)]
    if behind is not None:
        where.append(order.behind(f"r.{order.by}", "r.id"))
    labelled = _labelled(table, filters, behind)
    # Literal, so that a prepared statement's generic plan still matches the partial indexes.
    kinds = ["true"] if filters.kinds is None else [f"r.kind = '{k.value}'" for k in filters.kinds]
    triggers = ["true"]
    if filters.triggers is not None:
        triggers = [f"r.triggered_from = :trigger_{n}" for n in range(len(filters.triggers))]
    apps = ["true"]
    if filters.apps is not None:
        apps = [f"r.app_id = :app_{n}" for n in range(len(filters.apps))]
    for wanted in product(kinds, triggers, apps):
        yield (
            f"(SELECT {SUMMARY}, {_STUCK[table]} AS stuck, {_ARCHIVED[table]} AS archived"  # noqa: S608
            f" FROM {{schema}}.{table} AS r{labelled}"
            f" WHERE {' AND '.join([*where, *wanted])}"
            f" {order.clause('r.')} LIMIT :limit)"
        )


def _labelled(table: str, filters: Filters, behind: Position | None) -> str:
    """Join one row per label. Each has the order of the list, so any of them may lead."""
    joined = ""
    for n in range(len(filters.labels)):
        label = f"label_{n}"
        on = [
            f"{label}.run_id = r.id AND {label}.created_at = r.created_at",
            f"{label}.tenant_id = :tenant_id AND {label}.archived = {_ARCHIVED[table]}",
            f"{label}.key = :key_{n} AND {label}.value = :value_{n}",
            *filters.between(label),
        ]
        if behind is not None:
            on.append(NEWEST.behind(f"{label}.created_at", f"{label}.run_id"))
        joined += f" JOIN {{schema}}.run_label AS {label} ON {' AND '.join(on)}"
    return joined
