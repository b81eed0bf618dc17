"""What stands in a FROM clause: tables, views, queries, functions, and the columns they offer."""

from collections.abc import Iterator, Mapping, Sequence

from flowkeep.extraction.logs.lineage.influence import IDENTITY, NOTHING, Influences
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName

SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
"""Columns that every table of PostgreSQL has, and that are not reported."""


class Relation:
    """The result of a query.

    Attributes:
        names: Its columns.
        values: What influences each column, in the same order.
        rows: What decides which rows there are.
        rest: Sources of columns that are not known: of tables the catalogue lacks, by `*`.
        fixed: How many columns at the beginning are certain to stand where they stand.
    """

    __slots__ = ("fixed", "names", "rest", "rows", "values")

    def __init__(
        self,
        names: list[str],
        values: list[Influences],
        rows: Influences | None = None,
        rest: "list[Source] | None" = None,
        fixed: int | None = None,
    ) -> None:
        self.names = names
        self.values = values
        self.rows = {} if rows is None else rows
        self.rest = rest or []
        self.fixed = len(names) if fixed is None else fixed


class Source:
    """One entry of a FROM clause.

    Attributes:
        alias: The name it goes by; empty if it has none.
        table: The table, if it is one.
        open: Whether it may have columns that are not known.
        hidden: Columns that USING or NATURAL has merged into one of the join.
    """

    __slots__ = ("alias", "hidden", "open", "table")

    def __init__(self, alias: str, *, is_open: bool, table: TableName | None = None) -> None:
        self.alias = alias
        self.table = table
        self.open = is_open
        self.hidden: set[str] = set()

    def find(self, name: str) -> Influences | None:
        """Return what a column is influenced by, or None if it is not known to exist."""
        raise NotImplementedError

    def guess(self, name: str) -> Influences | None:
        """Return the same for a column that an open source may have."""
        raise NotImplementedError

    def columns(self) -> Iterator[tuple[str, Influences]]:
        """Yield the known columns in their order."""
        raise NotImplementedError

    def open_sources(self) -> "list[Source]":
        """Return the sources of columns that are not known."""
        return [self] if self.open else []


class TableSource(Source):
    """A table or view.

    Args:
        table: Its full name.
        columns: How its columns are looked up, and how they are spelled; None if not known.
        alias: The name it goes by.
        renamed: New names of its first columns.
        expansion: What a view reads: the same columns, by their position.
    """

    __slots__ = ("_columns", "_expansion", "_known")

    def __init__(
        self,
        table: TableName,
        columns: Mapping[str, str] | None,
        alias: str,
        renamed: Sequence[str] = (),
        expansion: Relation | None = None,
    ) -> None:
        super().__init__(alias, is_open=columns is None, table=table)
        if columns is None:
            columns = {}
        elif renamed:
            spelled = list(columns.values())
            columns = dict(zip((*renamed, *list(columns)[len(renamed) :]), spelled, strict=False))
        self._columns = columns
        self._known: dict[str, Influences] = {}
        if self.open:
            self._known.update(dict.fromkeys(renamed, NOTHING))
        self._expansion: dict[str, Influences] = (
            dict(zip(columns, expansion.values, strict=False)) if expansion else {}
        )

    def find(self, name: str) -> Influences | None:
        """Return the column itself, and what a view takes it from."""
        known = self._known.get(name)
        if known is None:
            spelled = self._columns.get(name)
            if spelled is None:
                return None
            known = self._known[name] = {self._named(spelled): IDENTITY}
            if name in self._expansion:
                known.update(self._expansion[name])
        return known

    def guess(self, name: str) -> Influences | None:
        """Return the column that the table has if the statement is right."""
        return {self._named(name): IDENTITY}

    def columns(self) -> Iterator[tuple[str, Influences]]:
        """Yield the table's columns."""
        for name in self._columns:
            found = self.find(name)
            assert found is not None
            yield name, found

    def _named(self, column: str) -> ColumnName:
        assert self.table is not None
        return ColumnName(self.table, column)


class QuerySource(Source):
    """A query: a derived table, a CTE, a VALUES list, a join with an alias of its own."""

    __slots__ = ("_index", "_names", "_relation")

    def __init__(self, relation: Relation, alias: str, renamed: Sequence[str] = ()) -> None:
        super().__init__(alias, is_open=bool(relation.rest))
        names = relation.names
        self._names = [*renamed, *names[len(renamed) :]] if renamed else names
        self._relation = relation
        self._index: dict[str, Influences] | None = None

    def find(self, name: str) -> Influences | None:
        """Return what the query's column is influenced by."""
        if self._index is None:
            pairs = zip(self._names, self._relation.values, strict=False)
            self._index = dict(reversed(list(pairs)))
        return self._index.get(name)

    def guess(self, name: str) -> Influences | None:
        """Return the column of the only table that may have it."""
        rest = self._relation.rest
        return rest[0].guess(name) if len(rest) == 1 else None

    def columns(self) -> Iterator[tuple[str, Influences]]:
        """Yield the query's columns."""
        yield from zip(self._names, self._relation.values, strict=False)

    def open_sources(self) -> list[Source]:
        """Return the open sources of the query."""
        return self._relation.rest


class FunctionSource(Source):
    """A function: all its columns come from its arguments.

    Args:
        alias: The name it goes by, and its column's name where it has only one.
        names: Its columns; None when they are not known.
        influences: What its arguments are influenced by.
    """

    __slots__ = ("_influences", "_names")

    def __init__(self, alias: str, names: Sequence[str] | None, influences: Influences) -> None:
        super().__init__(alias, is_open=names is None)
        self._names = (alias,) if names is None else tuple(names)
        self._influences = influences

    def find(self, name: str) -> Influences | None:
        """Return the influences of the arguments."""
        return self._influences if name in self._names else None

    def guess(self, name: str) -> Influences | None:
        """Return the same: whatever the column is, it comes from there."""
        return self._influences

    def columns(self) -> Iterator[tuple[str, Influences]]:
        """Yield the columns, as far as they are known."""
        for name in self._names:
            yield name, self._influences
