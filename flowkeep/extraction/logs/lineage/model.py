"""What is known of one statement: tables, columns, and which columns come from which."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flowkeep.extraction.logs.lineage.catalogue import Catalogue
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName

__all__ = [
    "WHOLE_ROWS",
    "Catalogue",
    "ColumnName",
    "ColumnRead",
    "ColumnWrite",
    "Edge",
    "Lineage",
    "ParseFailure",
    "TableName",
]

WHOLE_ROWS = ""
"""Column of an edge's target that stands for the table's rows, not for one of its columns."""


@dataclass(frozen=True, slots=True)
class ColumnRead:
    """A column that is read.

    Attributes:
        column: Which one.
        usages: What for: `output` (its value goes into the result or into a written column),
            `join`, `filter`, `group_by`, `sort`, `window`, `conditional` (decides between
            values). Empty for a column that is named and whose value goes nowhere.
        exact: Whether the catalogue proves it; otherwise it is assumed, because the catalogue
            lacks a table.
    """

    column: ColumnName
    usages: frozenset[str]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class ColumnWrite:
    """A column that is written, with `exact` as in `ColumnRead`."""

    column: ColumnName
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """What one written column takes from one read column.

    Attributes:
        source: The column read.
        target: The column written. Its name is empty when the source decides which rows are
            written: OpenLineage's `dataset` part of the columnLineage facet.
        direct: Whether the value goes into the target, or only decides about it.
        transformation: Subtype of OpenLineage's columnLineage facet. Direct: IDENTITY,
            TRANSFORMATION, AGGREGATION; indirect: JOIN, GROUP_BY, FILTER, SORT, WINDOW,
            CONDITIONAL.
        exact: Whether the catalogue proves both columns.
    """

    source: ColumnName
    target: ColumnName
    direct: bool
    transformation: str
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is known of one statement. All lists are sorted, and name nothing twice.

    Attributes:
        kind: What it does, for example `select`, `insert`, `create_table_as`, `alter_table`;
            `batch` for several statements in one text.
        names: The tables as the statement writes them, before the catalogue is asked: what
            PostgreSQL's parser finds too.
        reads: Tables and views that rows are taken from. A written table is among them when a
            column of it is read.
        writes: Tables and views whose rows or definition the statement changes.
        through_views: Tables that are read only because a view in `reads` reads them.
        column_reads: Columns read, those behind views included.
        column_writes: Columns written.
        edges: What comes from where; a statement that only reads has none.
        problems: What could not be told: a code and names of objects, for example
            `unknown_column orders.total`.
    """

    kind: str
    names: tuple[TableName, ...] = ()
    reads: tuple[TableName, ...] = ()
    writes: tuple[TableName, ...] = ()
    through_views: tuple[TableName, ...] = ()
    column_reads: tuple[ColumnRead, ...] = ()
    column_writes: tuple[ColumnWrite, ...] = ()
    edges: tuple[Edge, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists, in which tables are numbers into the list `tables`."""
        tables: dict[TableName, int] = {}

        def number(name: TableName) -> int:
            return tables.setdefault(name, len(tables))

        return {
            "kind": self.kind,
            **{part: [number(name) for name in getattr(self, part)] for part in _TABLE_PARTS},
            "column_reads": [
                [number(read.column.table), read.column.column, sorted(read.usages), read.exact]
                for read in self.column_reads
            ],
            "column_writes": [
                [number(write.column.table), write.column.column, write.exact]
                for write in self.column_writes
            ],
            "edges": [
                [
                    number(edge.source.table),
                    edge.source.column,
                    number(edge.target.table),
                    edge.target.column,
                    edge.direct,
                    edge.transformation,
                    edge.exact,
                ]
                for edge in self.edges
            ],
            "problems": list(self.problems),
            "tables": [list(name) for name in tables],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Lineage":
        """Return what `to_json` was called on."""
        tables = [TableName(*name) for name in data["tables"]]

        def named(numbers: Iterable[int]) -> tuple[TableName, ...]:
            return tuple(tables[number] for number in numbers)

        return cls(
            kind=data["kind"],
            **{part: named(data[part]) for part in _TABLE_PARTS},
            column_reads=tuple(
                ColumnRead(ColumnName(tables[table], column), frozenset(usages), exact)
                for table, column, usages, exact in data["column_reads"]
            ),
            column_writes=tuple(
                ColumnWrite(ColumnName(tables[table], column), exact)
                for table, column, exact in data["column_writes"]
            ),
            edges=tuple(
                Edge(ColumnName(tables[a], b), ColumnName(tables[c], d), *rest)
                for a, b, c, d, *rest in data["edges"]
            ),
            problems=tuple(data["problems"]),
        )


_TABLE_PARTS = ("names", "reads", "writes", "through_views")


class ParseFailure(Exception):
    """A statement cannot be parsed. Holds nothing of its text, and ends as a row with its code.

    Args:
        code: `syntax`; `truncated` when the text ends too early; `too_deep` when it is nested
            deeper than the parsers go; `unsupported` when the parser itself fails on it.
        position: Character of the text where the parser gave up, from 1, if it says so.
    """

    def __init__(self, code: str, position: int | None = None) -> None:
        where = "" if position is None else f" at character {position}"
        super().__init__(f"the statement cannot be parsed: {code}{where}")
        self.code = code
        self.position = position

    def __reduce__(self) -> tuple[type["ParseFailure"], tuple[str, int | None]]:
        return type(self), (self.code, self.position)
