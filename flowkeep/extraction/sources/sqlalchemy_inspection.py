"""What SQLAlchemy's inspector tells of a database, as rows of our kinds, schema by schema."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.kinds import ColumnType

if TYPE_CHECKING:
    from sqlalchemy.engine import Inspector
    from sqlalchemy.exc import DBAPIError

Row = dict[str, Any]

_TABLE: Mapping[str, ColumnType] = {
    "database_name": "text",
    "schema_name": "text",
    "table_name": "text",
    "table_type": "text",
}
COLUMNS: Mapping[str, Mapping[str, ColumnType]] = {
    "schemas": {"database_name": "text", "schema_name": "text", "is_system": "boolean"},
    "tables": {**_TABLE, "view_definition": "text", "comment": "text"},
    "columns": {
        **_TABLE,
        "column_name": "text",
        "ordinal_position": "integer",
        "data_type": "text",
        "type_name": "text",
        "is_nullable": "boolean",
        "column_default": "text",
        "identity_generation": "text",
        "generation": "text",
        "generation_expression": "text",
        "comment": "text",
    },
    "constraints": {
        **_TABLE,
        "constraint_name": "text",
        "constraint_type": "text",
        "columns": "list",
        "definition": "text",
        "referenced_schema": "text",
        "referenced_table": "text",
        "referenced_columns": "list",
        "on_update": "text",
        "on_delete": "text",
        "comment": "text",
    },
    "indexes": {**_TABLE, "index_name": "text", "is_unique": "boolean", "columns": "list"},
    "sequences": {"database_name": "text", "schema_name": "text", "sequence_name": "text"},
}
"""Kind to the columns of its rows."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Reads one database through an inspector; never holds more than one schema of one kind.

    Attributes:
        inspector: SQLAlchemy's inspector.
        database: Name of the database.
        is_system_schema: Whether a schema is the server's own.
        problems: Gets a text for each object that could not be inspected, for example a view of a
            table that is gone.
    """

    inspector: "Inspector"
    database: str
    is_system_schema: Callable[[str], bool]
    problems: dict[str, None] = field(default_factory=dict)

    def rows(self, kind: str, scope: Scope | None) -> Iterator[Row]:
        """Yield the rows of a kind, by schema, then by table.

        Args:
            kind: One of `COLUMNS`.
            scope: What is wanted; None for everything.
        """
        readers: Mapping[str, Callable[[str, Scope | None], Iterator[Row]]] = {
            "tables": self._tables,
            "columns": self._columns,
            "constraints": self._constraints,
            "indexes": self._indexes,
            "sequences": self._sequences,
        }
        for schema in self.schemas(scope):
            if kind == "schemas":
                yield {**self._place(schema), "is_system": self.is_system_schema(schema)}
            else:
                yield from readers[kind](schema, scope)
            self.inspector.clear_cache()

    def schemas(self, scope: Scope | None = None) -> list[str]:
        """Return the schemas that are wanted, by name."""
        names = sorted(self.inspector.get_schema_names())
        return names if scope is None else scope.schemas(self.database, names)

    def _place(self, schema: str) -> Row:
        return {"database_name": self.database, "schema_name": schema}

    def _relations(self, schema: str, scope: Scope | None) -> dict[str, Row]:
        """Return table name to what all rows of the table begin with, by name."""
        found = dict.fromkeys(self.inspector.get_table_names(schema=schema), "Regular")
        found |= dict.fromkeys(self.inspector.get_view_names(schema=schema), "View")
        try:
            views = self.inspector.get_materialized_view_names(schema=schema)
        except NotImplementedError:
            views = []
        found |= dict.fromkeys(views, "MaterializedView")
        names = sorted(found)
        if scope is not None:
            if scope.exclude_views:
                names = [name for name in names if found[name] == "Regular"]
            names = scope.tables(self.database, schema, names)
        return {
            name: {**self._place(schema), "table_name": name, "table_type": found[name]}
            for name in names
        }

    def _multi(self, method: str, schema: str, relations: Mapping[str, Row]) -> Iterator[Any]:
        """Yield the start of a row and what the inspector tells, for each table by name.

        Where one object makes the question fail, all are asked for one by one.
        """
        from sqlalchemy import exc

        if not relations:
            return
        by_name: dict[str, Any] = {}
        try:
            by_name = self._ask(method, schema, list(relations))
        except exc.DBAPIError as first:
            error = first
            failed: dict[str, DBAPIError] = {}
            for name in relations:
                try:
                    self._recover(error)
                    by_name |= self._ask(method, schema, [name])
                except exc.DBAPIError as one:
                    failed[name] = error = one
            if len(failed) == len(relations):
                raise
            self._recover(error)
            for name, error in failed.items():
                self.problems[f"{schema}.{name}: {error.orig}"] = None
        for name, start in relations.items():
            if by_name.get(name):
                yield start, by_name[name]

    def _ask(self, method: str, schema: str, names: list[str]) -> dict[str, Any]:
        from sqlalchemy.engine.reflection import ObjectKind

        ask = getattr(self.inspector, method)
        told = ask(schema=schema, kind=ObjectKind.ANY, filter_names=names)
        return {name: value for (_, name), value in told.items()}

    def _recover(self, error: "DBAPIError") -> None:
        """Make the connection usable after an error; raise it when there is no connection."""
        from sqlalchemy import Connection

        if error.connection_invalidated:
            raise error
        connection = self.inspector.bind
        assert isinstance(connection, Connection), "a session inspects its connection"
        connection.rollback()

    def _tables(self, schema: str, scope: Scope | None) -> Iterator[Row]:
        relations = self._relations(schema, scope)
        comments: dict[str, str | None] = {}
        try:
            told = self._multi("get_multi_table_comment", schema, relations)
            comments = {start["table_name"]: value["text"] for start, value in told}
        except NotImplementedError:
            comments = {}
        for name, start in relations.items():
            definition = None
            if start["table_type"] != "Regular":
                definition = self.inspector.get_view_definition(name, schema=schema)
            yield {**start, "view_definition": definition, "comment": comments.get(name)}

    def _columns(self, schema: str, scope: Scope | None) -> Iterator[Row]:
        relations = self._relations(schema, scope)
        for start, columns in self._multi("get_multi_columns", schema, relations):
            for position, column in enumerate(columns, 1):
                computed = column.get("computed") or {}
                identity = column.get("identity")
                generated = {None: None, True: "STORED", False: "VIRTUAL"}
                yield {
                    **start,
                    "column_name": str(column["name"]),
                    "ordinal_position": position,
                    "data_type": self._type(column["type"]),
                    "type_name": type(column["type"]).__name__,
                    "is_nullable": column["nullable"],
                    "column_default": column.get("default"),
                    "identity_generation": None
                    if identity is None
                    else ("ALWAYS" if identity.get("always") else "BY DEFAULT"),
                    "generation": generated[computed.get("persisted", False)] if computed else None,
                    "generation_expression": computed.get("sqltext"),
                    "comment": column.get("comment"),
                }

    def _type(self, value: Any) -> str:
        """Return a type in the dialect's SQL; unknown ones have none."""
        from sqlalchemy.exc import CompileError

        try:
            return str(value.compile(dialect=self.inspector.dialect))
        except CompileError:
            return type(value).__name__

    def _constraints(self, schema: str, scope: Scope | None) -> Iterator[Row]:
        relations = self._relations(schema, scope)
        for start, key in self._multi("get_multi_pk_constraint", schema, relations):
            if key["constrained_columns"]:
                yield _constraint(start, "PrimaryKey", key["name"], key["constrained_columns"])
        for start, keys in self._multi("get_multi_foreign_keys", schema, relations):
            for key, name in _named(keys, "foreign key"):
                options = key.get("options") or {}
                yield {
                    **_constraint(start, "ForeignKey", name, key["constrained_columns"]),
                    "referenced_schema": key["referred_schema"] or schema,
                    "referenced_table": key["referred_table"],
                    "referenced_columns": key["referred_columns"],
                    "on_update": options.get("onupdate"),
                    "on_delete": options.get("ondelete"),
                }
        for method, kind in (
            ("get_multi_unique_constraints", "Unique"),
            ("get_multi_check_constraints", "Check"),
        ):
            try:
                for start, keys in self._multi(method, schema, relations):
                    for key, name in _named(keys, kind.lower()):
                        row = _constraint(start, kind, name, key.get("column_names", []))
                        yield {**row, "definition": key.get("sqltext")}
            except NotImplementedError:
                continue

    def _indexes(self, schema: str, scope: Scope | None) -> Iterator[Row]:
        relations = self._relations(schema, scope)
        for start, indexes in self._multi("get_multi_indexes", schema, relations):
            for index, name in _named(indexes, "index"):
                columns = index.get("expressions") or index["column_names"]
                yield {
                    **start,
                    "index_name": name,
                    "is_unique": bool(index["unique"]),
                    "columns": ["(expression)" if one is None else one for one in columns],
                }

    def _sequences(self, schema: str, scope: Scope | None) -> Iterator[Row]:
        names = sorted(self.inspector.get_sequence_names(schema=schema))
        if scope is not None:
            names = scope.tables(self.database, schema, names)
        for name in names:
            yield {**self._place(schema), "sequence_name": name}


def _constraint(start: Row, kind: str, name: str | None, columns: list[str]) -> Row:
    return {
        **dict.fromkeys(COLUMNS["constraints"]),
        **start,
        "constraint_name": name or "primary key",
        "constraint_type": kind,
        "columns": columns,
    }


def _named(found: list[Any], word: str) -> Iterator[tuple[Any, str]]:
    """Yield what was found with a name; what has none is numbered, in an order of its own."""
    ordered = sorted(found, key=lambda one: (one["name"] is None, one["name"] or repr(one)))
    for number, one in enumerate(ordered, 1):
        yield one, one["name"] or f"{word} {number}"
