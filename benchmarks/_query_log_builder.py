"""Queries composed of sources and values, with what they read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks._query_log_catalogue import Catalogue, Column, Table
from benchmarks._query_log_values import (
    IDENTITY,
    Query,
    Reading,
    Uses,
    Value,
    all_of,
    merged,
    name_of,
    quoted,
    written,
)


@dataclass(frozen=True, slots=True)
class Source:
    """What stands in a FROM clause.

    Attributes:
        text: As it stands there.
        prefix: What stands in front of its columns: an alias and a dot, or nothing.
        columns: Its columns by name; their text is that of the inside.
        uses: What it reads whichever columns are used.
        rows: Columns that decide which rows it has.
    """

    text: str
    prefix: str
    columns: Mapping[str, Value]
    uses: Uses
    rows: frozenset[Column] = frozenset()

    def value(self, name: str) -> Value:
        """Return a column as the query around sees it."""
        inner = self.columns[name]
        return Value(f"{self.prefix}{quoted(name)}", inner.kind, inner.flows, inner.uses)

    def values(self) -> list[Value]:
        return [self.value(name) for name in self.columns]


def table_source(
    catalogue: Catalogue, views: Mapping[Table, Query], table: Table, alias: str
) -> Source:
    """Return a table or view as a source.

    Args:
        catalogue: Has the columns of tables.
        views: The queries of views.
        table: Which one.
        alias: The name it goes by; empty for none.
    """
    text = f"{name_of(table)} {alias}" if alias else name_of(table)
    prefix = f"{alias}." if alias else ""
    uses = written(table) | Uses(tables=frozenset({table}))
    view = views.get(table)
    if view is None:
        columns = {
            name: _column(table, name, kind) for name, kind in catalogue.tables[table].items()
        }
        return Source(text, prefix, columns, uses)
    columns = {}
    for name, inner in view.columns.items():
        own = _column(table, name, inner.kind)
        reads = Uses(columns=own.uses.columns | inner.uses.columns)
        columns[name] = Value(name, inner.kind, {**inner.flows, **own.flows}, reads)
    behind = view.uses.tables | view.uses.behind
    uses |= Uses(behind=behind, deciding=view.rows | view.uses.deciding)
    return Source(text, prefix, columns, uses)


def query_source(query: Query, alias: str, text: str | None = None) -> Source:
    """Return a query in brackets, or what a CTE is named, as a source.

    A CTE's own text stands elsewhere; what it reads is counted here all the same.
    """
    shown = f"(\n{query.text}\n) {alias}" if text is None else text
    return Source(shown, f"{alias}.", query.columns, query.uses, query.rows)


def _column(table: Table, name: str, kind: str) -> Value:
    column = Column(*table, name)
    reads = Uses(columns=frozenset({column}))
    return Value(name, kind, {column: frozenset({IDENTITY})}, reads)


@dataclass
class Select:
    """A SELECT in the making: set the parts, then take the query.

    Attributes:
        items: Values and their names, in order.
        first: The source behind FROM; None for none.
        joins: Words of the join, source, and condition or None.
        where: Conditions.
        group: Values.
        having: Conditions.
        order: Values, each with the words behind it.
        words: Behind SELECT, such as `DISTINCT`.
        tail: Behind all, such as LIMIT.
        ctes: Queries in front, by name.
    """

    items: Sequence[tuple[Value, str]]
    first: Source | None = None
    joins: list[tuple[str, Source, Value | None]] = field(default_factory=list)
    where: Sequence[Value] = ()
    group: Sequence[Value] = ()
    having: Sequence[Value] = ()
    order: Sequence[tuple[Value, str]] = ()
    words: str = ""
    tail: str = ""
    ctes: Mapping[str, Query] = field(default_factory=dict)
    star: str = ""

    def query(self) -> Query:
        shown = self.star or ", ".join(
            value.text if _is_column(value.text, name) else f"{value.text} AS {quoted(name)}"
            for value, name in self.items
        )
        text = [f"SELECT {self.words} {shown}" if self.words else f"SELECT {shown}"]
        text += [self.from_clause()] if self.first else []
        for word, values, between in (
            ("WHERE", self.where, " AND "),
            ("GROUP BY", self.group, ", "),
            ("HAVING", self.having, " AND "),
        ):
            if values:
                text.append(f"{word} " + between.join(value.text for value in values))
        if self.order:
            text.append(
                "ORDER BY " + ", ".join(f"{one.text} {how}".strip() for one, how in self.order)
            )
        text += [self.tail] if self.tail else []
        if self.ctes:
            ctes = ",\n".join(f"{name} AS (\n{query.text}\n)" for name, query in self.ctes.items())
            text.insert(0, f"WITH {ctes}")
        return Query(
            "\n".join(text),
            {name: value for value, name in self.items},
            self.uses,
            self.rows,
        )

    def from_clause(self) -> str:
        assert self.first is not None
        parts = [f"FROM {self.first.text}"]
        for word, source, on in self.joins:
            parts.append(f"{word} {source.text}" + (f" ON {on.text}" if on is not None else ""))
        return "\n".join(parts)

    def sources(self) -> list[Source]:
        return ([self.first] if self.first else []) + [source for _, source, _ in self.joins]

    @property
    def uses(self) -> Uses:
        parts: list[Reading] = [value for value, _ in self.items]
        parts += [*self.sources(), *self.where, *self.group, *self.having, *self.ctes.values()]
        parts += [value for value, _ in self.order]
        parts += [on for _, _, on in self.joins if on is not None]
        return all_of(parts)

    @property
    def rows(self) -> frozenset[Column]:
        ons = [on for _, _, on in self.joins if on is not None]
        deciding = all_of([*self.where, *self.group, *self.having, *ons]).columns
        return deciding.union(*(source.rows for source in self.sources()))


def union(first: Query, second: Query, word: str = "UNION ALL") -> Query:
    """Return two queries with as many columns, one behind the other."""
    columns = {}
    for (name, a), b in zip(first.columns.items(), second.columns.values(), strict=True):
        columns[name] = Value(name, a.kind, merged([a.flows, b.flows]), a.uses | b.uses)
    text = f"{first.text}\n{word}\n{second.text}"
    return Query(text, columns, first.uses | second.uses, first.rows | second.rows)


def _is_column(text: str, name: str) -> bool:
    """Return whether a value needs no alias."""
    return " " not in text and text.rpartition(".")[2] == quoted(name)
