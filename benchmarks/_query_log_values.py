"""Statements composed of parts that carry what they read: the truth is there before the text.

Nothing here parses. A column is a value that flows from itself; a function of values makes
TRANSFORMATION of what flows through it, an aggregate AGGREGATION, an alias nothing; a condition
reads columns, and nothing flows through it. A query offers its values to what stands around it, and
a view offers its own columns besides, because they are columns of the catalogue.

In the texts `‹text›` stands for a literal of some sort (`_query_log_literals`), and a line break
for a place where any white space or comment may stand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from benchmarks._query_log_catalogue import Column, Table

IDENTITY, TRANSFORMATION, AGGREGATION = "IDENTITY", "TRANSFORMATION", "AGGREGATION"
Flows = Mapping[Column, frozenset[str]]
"""Columns whose values go into a value, and how: as they are, changed, or added up."""


class Edge(NamedTuple):
    """A value that goes from a column to a column; `how` is one of the three constants."""

    source: Column
    target: Column
    how: str


@dataclass(frozen=True, slots=True)
class Uses:
    """What a part of a statement reads.

    Attributes:
        tables: Tables and views it takes rows from.
        named: Tables and views as they are written: schema or None, and name.
        columns: Columns of tables, views, and tables behind the views' columns.
        behind: Tables and views that views read.
        deciding: Columns that decide which rows the views have.
    """

    tables: frozenset[Table] = frozenset()
    named: frozenset[tuple[str | None, str]] = frozenset()
    columns: frozenset[Column] = frozenset()
    behind: frozenset[Table] = frozenset()
    deciding: frozenset[Column] = frozenset()

    def __or__(self, other: "Uses") -> "Uses":
        return Uses(
            self.tables | other.tables,
            self.named | other.named,
            self.columns | other.columns,
            self.behind | other.behind,
            self.deciding | other.deciding,
        )


NOTHING = Uses()


def all_of(parts: "Iterable[Reading]") -> Uses:
    """Return what all parts together read."""
    found = NOTHING
    for part in parts:
        found |= part.uses
    return found


@dataclass(frozen=True, slots=True)
class Value:
    """An expression: its text, sort of value, what flows into it, and all that it reads."""

    text: str
    kind: str
    flows: Flows = field(default_factory=dict)
    uses: Uses = NOTHING


@dataclass(frozen=True, slots=True)
class Query:
    """A query.

    Attributes:
        text: Its text.
        columns: Its columns by name.
        uses: All that it reads.
        rows: Columns that decide which rows it has.
    """

    text: str
    columns: Mapping[str, Value]
    uses: Uses
    rows: frozenset[Column] = frozenset()


class Reading(Protocol):
    """Anything that reads."""

    @property
    def uses(self) -> Uses: ...


def quoted(name: str) -> str:
    """Return a name as PostgreSQL takes it."""
    return name if name.islower() and name.isidentifier() else f'"{name}"'


def name_of(table: Table) -> str:
    """Return how statements write a table: without the schema that is in the search path."""
    name = quoted(table.name)
    return name if table.schema == "public" else f"{table.schema}.{name}"


def written(table: Table) -> Uses:
    """Return that a table is named, and no more."""
    schema = None if table.schema == "public" else table.schema
    return Uses(named=frozenset({(schema, table.name)}))


def derive(pattern: str, *values: Value, kind: str, how: str = TRANSFORMATION) -> Value:
    """Return what a function makes of values.

    Args:
        pattern: Text with `{}` for each value.
        values: The values.
        kind: Sort of the result.
        how: What becomes of values that flow through it.
    """
    text = pattern.format(*(value.text for value in values))
    return Value(text, kind, merged(_through(value.flows, how) for value in values), all_of(values))


def aggregate(pattern: str, *values: Value, kind: str = "number") -> Value:
    """Return what an aggregate function makes of values."""
    return derive(pattern, *values, kind=kind, how=AGGREGATION)


def reading(value: Value, *others: Value | Query) -> Value:
    """Return a value whose text names others too, which decide about it and do not flow."""
    return Value(value.text, value.kind, value.flows, all_of([value, *others]))


def condition(pattern: str, *values: Value | Query) -> Value:
    """Return a condition: it reads values, and nothing flows through it."""
    return Value(pattern.format(*(value.text for value in values)), "flag", {}, all_of(values))


def scalar(query: Query) -> Value:
    """Return a query in brackets whose only column is a value."""
    (only,) = query.columns.values()
    return Value(f"({query.text})", only.kind, only.flows, query.uses)


def merged(flows: Iterable[Flows]) -> Flows:
    """Return what several values together take."""
    found: dict[Column, frozenset[str]] = {}
    for one in flows:
        for column, how in one.items():
            found[column] = found.get(column, frozenset()) | how
    return found


def _through(flows: Flows, how: str) -> Flows:
    """The strongest word counts: aggregation, then transformation, then identity."""
    if how == AGGREGATION:
        return dict.fromkeys(flows, frozenset({AGGREGATION}))
    return {
        column: frozenset(TRANSFORMATION if one == IDENTITY else one for one in before)
        for column, before in flows.items()
    }


@dataclass(frozen=True, slots=True)
class Truth:
    """What a statement reads and writes; see `Uses`.

    Attributes:
        kind: The command in lower case, `create_table_as`, or `utility`.
        named: Tables and views as they are written: schema or None, and name.
        reads: Tables and views that rows are taken from; a written table too if a column of it is
            read.
        writes: Tables whose rows or definition change.
        behind: Tables and views that are read only because a view reads them.
        columns_read: Columns that are named, and those behind columns of views that are.
        columns_deciding: Columns that decide about the rows of views, named or not.
        columns_written: Columns.
        edges: Which column's value goes into which.
        either: Columns of which one may say that they are read or that they are not: those that
            ON CONFLICT names.
    """

    kind: str
    named: frozenset[tuple[str | None, str]] = frozenset()
    reads: frozenset[Table] = frozenset()
    writes: frozenset[Table] = frozenset()
    behind: frozenset[Table] = frozenset()
    columns_read: frozenset[Column] = frozenset()
    columns_deciding: frozenset[Column] = frozenset()
    columns_written: frozenset[Column] = frozenset()
    edges: frozenset[Edge] = frozenset()
    either: frozenset[Column] = frozenset()

    @classmethod
    def of(
        cls,
        kind: str,
        uses: Uses,
        sets: Mapping[Table, Sequence[tuple[str, Value]]] | None = None,
        either: frozenset[Column] = frozenset(),
    ) -> Self:
        """Return the truth of a statement.

        Args:
            kind: The command.
            uses: What it reads and names.
            sets: By written table, which of its columns take which value.
            either: Columns that may be read or not.
        """
        pairs = [
            (Column(*table, name), value)
            for table, values in (sets or {}).items()
            for name, value in values
        ]
        writes = frozenset(sets or ())
        reads = uses.tables | ({column.owner for column in uses.columns} & writes)
        return cls(
            kind,
            uses.named.union(*(written(table).named for table in writes)),
            reads,
            writes,
            uses.behind - reads,
            uses.columns,
            uses.deciding,
            frozenset(column for column, _ in pairs),
            frozenset(
                Edge(source, column, one)
                for column, value in pairs
                for source, how in value.flows.items()
                for one in how
            ),
            either,
        )


class Statement(NamedTuple):
    """A statement with `‹…›` for its literals, and its truth."""

    text: str
    truth: Truth
