"""What is found of one statement while it is resolved."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlglot import exp
from sqlglot.dialects.dialect import NormalizationStrategy

from flowkeep.extraction.logs.lineage.influence import (
    DIRECT,
    INDIRECT,
    NAMES,
    NOTHING,
    OUTPUT,
    Influences,
    names_of,
)
from flowkeep.extraction.logs.lineage.model import (
    WHOLE_ROWS,
    Catalogue,
    ColumnName,
    ColumnRead,
    ColumnWrite,
    Edge,
    Lineage,
    TableName,
)
from flowkeep.extraction.logs.lineage.parsing import dialect_of

_Item = TypeVar("_Item")

if TYPE_CHECKING:
    from flowkeep.extraction.logs.lineage.scopes import Scope
    from flowkeep.extraction.logs.lineage.sources import Relation

_MOST_PROBLEMS = 100
_LOWERCASE = NormalizationStrategy.LOWERCASE
_UPPERCASE = NormalizationStrategy.UPPERCASE
_CASE_SENSITIVE = NormalizationStrategy.CASE_SENSITIVE
_USAGES = {bits: frozenset(name.lower() for name in names_of(bits)) for bits in (0, *NAMES)}


class Facts:
    """Collects what a statement reads and writes.

    Args:
        catalogue: Where names are looked up.
        dialect: The SQL, as sqlglot names it.
        database: Where the statement ran.
        search_path: Schemas in which names without one are looked for.
        query: Resolves a query within a scope: `queries.query`, which needs this class itself.

    Attributes:
        names: Tables as the statement writes them.
        reads: Tables rows are taken from.
        writes: Tables whose rows or definition change.
        behind: Tables read by views.
        expanding: Views that are being expanded, from the outside in.
        in_circles: Whether one of them reads itself.
        assumed: Columns that the catalogue does not prove.
        problems: What could not be told, in the order of its finding.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dialect: str,
        database: str | None,
        search_path: Sequence[str],
        query: "Callable[[exp.Expr, Scope], Relation]",
    ) -> None:
        self.catalogue = catalogue
        self.dialect = dialect
        self.database = database
        self.search_path = tuple(search_path)
        self.query = query
        self.names: set[TableName] = set()
        self.reads: set[TableName] = set()
        self.writes: set[TableName] = set()
        self.behind: set[TableName] = set()
        self.expanding: tuple[TableName, ...] = ()
        self.in_circles = False
        self._strategy = dialect_of(dialect).normalization_strategy
        if "CASE_INSENSITIVE" in self._strategy:
            catalogue.ignore_case()
        self._usages: Influences = {}
        self._written: dict[ColumnName, bool] = {}
        self._edges: dict[tuple[ColumnName, ColumnName], int] = {}
        self.assumed: set[ColumnName] = set()
        self.problems: dict[str, None] = {}

    def fold(self, identifier: Any) -> str:
        """Return an identifier as the database would look it up."""
        if identifier.__class__ is not exp.Identifier:
            return str(identifier.name) if isinstance(identifier, exp.Expr) else str(identifier)
        args = identifier.args
        text: str = args["this"]
        strategy = self._strategy
        if strategy is _LOWERCASE:
            if args.get("quoted") or text.islower():
                return text
            return text.lower() if text.isascii() else _lower_ascii(text)
        if strategy is _UPPERCASE:
            return text if args.get("quoted") else text.upper()
        return text if strategy is _CASE_SENSITIVE else text.lower()

    def written_name(self, table: exp.Table) -> TableName:
        """Return a table's name as the statement writes it."""
        args = table.args
        database, schema = args.get("catalog"), args.get("db")
        return TableName(
            self.fold(database) if database else None,
            self.fold(schema) if schema else None,
            self.fold(args["this"]),
        )

    def table(self, name: TableName, *, quiet: bool = False) -> TableName:
        """Return a named table's full name.

        Args:
            name: As the statement writes it.
            quiet: Whether it is no problem if the catalogue lacks it.
        """
        self.names.add(name)
        found = self.catalogue.find(name, self.database, self.search_path)
        if found is None:
            if not quiet:
                self.problem("unknown_table", name)
            return name if name.database else name._replace(database=self.database)
        return found

    def new_table(self, name: TableName, *, temporary: bool = False) -> TableName:
        """Return the full name of a table or view that the statement creates."""
        self.names.add(name)
        if temporary:
            schema: str | None = "pg_temp"
        else:
            schema = name.schema or next(iter(self.search_path), None)
        return TableName(name.database or self.database, schema, name.table)

    def target(self, name: TableName) -> TableName:
        """Return the full name of a table that is written to, and take note of that."""
        found = self.table(name)
        self.writes.add(found)
        return found

    def mention(self, influences: Influences, use: int = 0) -> None:
        """Take note that columns are read, and of what for."""
        usages = self._usages
        use &= ~DIRECT
        for column, bits in influences.items():
            usages[column] = usages.get(column, 0) | use | bits & INDIRECT

    def output(self, relation: "Relation") -> None:
        """Take note that a query's result leaves the statement."""
        for value in relation.values:
            self._flow(value)

    def assume(self, influences: Influences) -> None:
        """Take note that columns are only assumed to be those that are meant."""
        self.assumed.update(influences)

    def problem(self, code: str, name: object) -> None:
        """Take note of what cannot be told."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems[f"{code} {name}"] = None

    def write_column(
        self, column: ColumnName, value: Influences = NOTHING, *, exact: bool = True
    ) -> None:
        """Take note that a column is written, and of what its value is influenced by."""
        self._written[column] = exact
        self._flow(value)
        for source, bits in value.items():
            key = (source, column)
            self._edges[key] = self._edges.get(key, 0) | bits

    def write_rows(self, table: TableName, rows: Influences) -> None:
        """Take note of what decides which rows of a table are written."""
        target = ColumnName(table, WHOLE_ROWS)
        for source, bits in rows.items():
            key = (source, target)
            self._edges[key] = self._edges.get(key, 0) | bits & INDIRECT

    def take_over(self, other: Self) -> None:
        """Add what expanding a view has found."""
        self.assumed |= other.assumed
        self.in_circles |= other.in_circles
        self.behind |= other.reads | other.behind
        self.problems |= other.problems

    def lineage(self, kind: str, names: Iterable[TableName] | None = None) -> Lineage:
        """Return what was found.

        Args:
            kind: What the statement does.
            names: The tables it names, where something else knows better.
        """
        of_reads = {column.table for column in self._usages} & self.writes
        reads = self.reads | of_reads
        return Lineage(
            kind=kind,
            names=_sorted(self.names if names is None else names),
            reads=_sorted(reads),
            writes=_sorted(self.writes),
            through_views=_sorted(self.behind - reads),
            column_reads=tuple(
                ColumnRead(column, _usages(bits), column not in self.assumed)
                for column, bits in _in_order(self._usages.items(), _column_key)
            ),
            column_writes=tuple(
                ColumnWrite(column, exact)
                for column, exact in _in_order(self._written.items(), _column_key)
            ),
            edges=tuple(self._edge_list()),
            problems=tuple(self.problems),
        )

    def _edge_list(self) -> Iterable[Edge]:
        assumed = self.assumed
        for (source, target), bits in _in_order(self._edges.items(), _edge_key):
            exact = source not in assumed and self._written.get(target, True)
            for bit, name in NAMES.items():
                if bits & bit:
                    yield Edge(source, target, bool(bit & DIRECT), name, exact)

    def _flow(self, value: Influences) -> None:
        usages = self._usages
        for column, bits in value.items():
            out = OUTPUT if bits & DIRECT else 0
            usages[column] = usages.get(column, 0) | out | bits & INDIRECT


def _lower_ascii(text: str) -> str:
    """Fold as PostgreSQL does in multi-byte encodings: letters beyond ASCII stay."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _usages(bits: int) -> frozenset[str]:
    found = _USAGES.get(bits)
    if found is None:
        found = _USAGES[bits] = frozenset(name.lower() for name in names_of(bits & ~DIRECT))
    return found


def _in_order(items: Iterable[_Item], key: Callable[[_Item], Any]) -> list[_Item]:
    try:
        return sorted(items)  # type: ignore[type-var]
    except TypeError:  # some names have no database or schema
        return sorted(items, key=key)


def _table_key(name: TableName) -> tuple[str, str, str]:
    return name.database or "", name.schema or "", name.table


def _column_key(item: tuple[ColumnName, Any]) -> tuple[tuple[str, str, str], str]:
    return _table_key(item[0].table), item[0].column


def _edge_key(item: tuple[tuple[ColumnName, ColumnName], int]) -> tuple[Any, ...]:
    source, target = item[0]
    return _table_key(target.table), target.column, _table_key(source.table), source.column


def _sorted(names: Iterable[TableName]) -> tuple[TableName, ...]:
    return tuple(sorted(names, key=_table_key))
