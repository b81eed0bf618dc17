"""The tables and views a statement's names are looked up in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from flowkeep.extraction.logs.lineage.names import TableName


class Catalogue:
    """Columns of tables and definitions of views, as they were when the statement ran.

    Names are given as the database stores them: PostgreSQL's in lower case unless they were
    quoted when they were made.

    Args:
        tables: Tables and views, each with its columns in order; none when they are not known.
            A table whose database is None is found from every database.
        views: Definitions of views and materialised views: the text of their query. A view whose
            columns are not known takes them from there.
        dialect: The SQL of the definitions, as sqlglot names it.

    Attributes:
        dialect: As given.
        expanded: Kept by the resolver: what views read, so that each is parsed once.
    """

    __slots__ = ("_columns", "_ignore_case", "_spelled", "_tables", "_views", "dialect", "expanded")

    def __init__(
        self,
        tables: Mapping[TableName, Sequence[str]],
        views: Mapping[TableName, str] | None = None,
        dialect: str = "postgres",
    ) -> None:
        self._tables = tables
        self._views = views or {}
        self._columns: dict[TableName, dict[str, str]] = {}
        self._ignore_case = False
        self._spelled: dict[TableName, TableName] = {}
        self.dialect = dialect
        self.expanded: dict[Any, Any] = {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], dialect: str = "postgres") -> Self:
        """Return a catalogue of plain lists.

        Args:
            data: `tables`: lists of database, schema, name and list of columns. `views`: lists of
                database, schema, name and definition. Either may be missing.
            dialect: The SQL of the definitions, as sqlglot names it.
        """
        tables = {TableName(*name): columns for *name, columns in data.get("tables", ())}
        views = {TableName(*name): definition for *name, definition in data.get("views", ())}
        return cls(tables, views, dialect)

    def ignore_case(self) -> None:
        """Look names up in lower case from now on: for dialects in which case never counts."""
        if not self._ignore_case:
            self._ignore_case = True
            self._columns.clear()
            for name in (*self._views, *self._tables):
                self._spelled[_lower(name)] = name

    def find(
        self, name: TableName, database: str | None, search_path: Iterable[str]
    ) -> TableName | None:
        """Return the full name of the table that a statement means, or None if it is not known.

        Args:
            name: As the statement writes it, with the dialect's rules for case applied.
            database: Where the statement ran.
            search_path: Schemas in which a name without a schema is looked for, first one first.
        """
        wanted = name.database or database
        for schema in (name.schema,) if name.schema is not None else (*search_path, None):
            for candidate in (
                TableName(wanted, schema, name.table),
                TableName(None, schema, name.table),
            ):
                if self._ignore_case:
                    spelled = self._spelled.get(_lower(candidate))
                    if spelled is not None:
                        return spelled
                elif candidate in self._tables or candidate in self._views:
                    return candidate
        return None

    def columns(self, name: TableName) -> Mapping[str, str] | None:
        """Return the columns in order, or None when they are not known.

        Returns:
            How to look each column up, and how the database spells it.
        """
        columns = self._columns.get(name)
        if columns is None:
            listed = self._tables.get(name)
            if not listed:
                return None
            columns = {(one.lower() if self._ignore_case else one): one for one in listed}
            self._columns[name] = columns
        return columns

    def definition(self, name: TableName) -> str | None:
        """Return the text of a view's query, or None for a table."""
        return self._views.get(name)


def _lower(name: TableName) -> TableName:
    database, schema, table = name
    return TableName(database and database.lower(), schema and schema.lower(), table.lower())
