"""From raw rows to entities, column by column: no Python object per row, flat memory.

The envelope: `typeName`, `qualifiedName`, `guid` (UUIDv5 of it), `attributes`,
`relationshipAttributes` (by qualified name), `contentHash` (SHA-256 of the type and the attributes
as JSON with sorted keys, without what is volatile), `scope`, `runId`. The shape follows Apache
Atlas (typeName, attributes, relationshipAttributes), the names of attributes follow OpenMetadata's
table entity where it has them.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import Kind
from flowkeep.extraction.metadata.names import (
    guids,
    named,
    parent_qualified_name,
    qualified_name,
)

if TYPE_CHECKING:
    import polars as pl

ENVELOPE = (
    "typeName",
    "qualifiedName",
    "guid",
    "attributes",
    "relationshipAttributes",
    "contentHash",
    "scope",
    "runId",
)
"""Fields of an entity, in order."""


@dataclass(frozen=True, slots=True)
class EntityContext:
    """What the entities of a run have in common.

    Attributes:
        namespace: First part of every qualified name.
        run_id: The run that extracted them.
    """

    namespace: str
    run_id: str


class Transformer:
    """Makes entities of raw rows. Override what differs for a connector.

    Args:
        context: What the entities of the run have in common.
    """

    type_names: ClassVar[Mapping[str, str]] = {
        "databases": "Database",
        "schemas": "Schema",
        "tables": "Table",
        "columns": "Column",
        "procedures": "Routine",
    }
    """Kind to the type of its entities; kinds that are not listed are named after themselves."""

    attribute_names: ClassVar[Mapping[str, str]] = {
        "comment": "description",
        "data_type": "dataTypeDisplay",
        "type_name": "dataType",
        "column_default": "defaultValue",
    }
    """Raw column to attribute, where it is not the same word in camel case."""

    own_name: ClassVar[Mapping[str, str]] = {
        "databases": "database_name",
        "schemas": "schema_name",
        "tables": "table_name",
        "columns": "column_name",
        "procedures": "procedure_name",
    }
    """Kind to the raw column that becomes the attribute `name`."""

    def __init__(self, context: EntityContext) -> None:
        self.context = context

    def entities(self, kind: Kind, rows: "pl.DataFrame") -> "pl.DataFrame":
        """Return one entity per row, with the columns of `ENVELOPE`.

        Args:
            kind: What the rows are.
            rows: Raw rows.

        Raises:
            ConfigurationError: If two raw columns would become one attribute.
        """
        import polars as pl

        names = self._attribute_columns(kind, rows.columns)
        stable = sorted(name for name, column in names.items() if column not in kind.volatile)
        frame = rows.select(
            self.type_name(kind, rows.columns).alias("typeName"),
            qualified_name(kind, self.context.namespace).alias("qualifiedName"),
            _struct({name: pl.col(column) for name, column in names.items()}).alias("attributes"),
            self.relationships(kind, rows.columns).alias("relationshipAttributes"),
            pl.struct(
                self.type_name(kind, rows.columns).alias("typeName"),
                _struct({name: pl.col(names[name]) for name in stable}).alias("attributes"),
            )
            .struct.json_encode()
            .alias("canonical"),
            self._scope(kind, rows.columns).alias("scope"),
            pl.lit(self.context.run_id).alias("runId"),
        )
        return frame.with_columns(
            pl.Series("guid", guids(frame["qualifiedName"].to_list()), dtype=pl.String),
            pl.Series("contentHash", _hashes(frame["canonical"]), dtype=pl.String),
        ).select(ENVELOPE)

    def type_name(self, kind: Kind, columns: Sequence[str]) -> "pl.Expr":
        """Return the expression for the type of each row's entity."""
        import polars as pl

        if kind.name == "tables" and "table_type" in columns:
            return _table_type()
        return pl.lit(self.type_names.get(kind.name, kind.name))

    def relationships(self, kind: Kind, columns: Sequence[str]) -> "pl.Expr":
        """Return the expression for each row's links to other entities, as one struct."""
        import polars as pl

        namespace = self.context.namespace
        if kind.name == "schemas":
            return _struct({"database": _link(pl.lit("Database"), named((), namespace))})
        if kind.name == "columns":
            holder = _table_type() if "table_type" in columns else pl.lit("Table")
            return _struct({"table": _link(holder, parent_qualified_name(kind, namespace))})
        links = {}
        if "schema_name" in columns:
            links["schema"] = _link(pl.lit("Schema"), named(("schema_name",), namespace))
        if "partition_of_table" in columns and "partition_of_schema" in columns:
            parent = named(("partition_of_schema", "partition_of_table"), namespace)
            links["partitionOf"] = (
                pl.when(pl.col("partition_of_table").is_not_null())
                .then(_link(pl.lit("Table"), parent))
                .otherwise(None)
            )
        return _struct(links) if links else pl.lit(None)

    def _attribute_columns(self, kind: Kind, columns: Sequence[str]) -> dict[str, str]:
        own = self.own_name.get(kind.name)
        names: dict[str, str] = {}
        for column in columns:
            name = "name" if column == own else self.attribute_names.get(column) or _camel(column)
            if name in names:
                raise ConfigurationError(
                    f"{kind.name}: columns {names[name]} and {column} both become the attribute "
                    f"{name}",
                    hint="give one of them another alias in the statement",
                    code="SOURCE_STATEMENT",
                )
            names[name] = column
        return names

    def _scope(self, kind: Kind, columns: Sequence[str]) -> "pl.Expr":
        import polars as pl

        schema = pl.col("schema_name") if "schema_name" in columns else pl.lit(None, pl.String)
        return _struct(
            {"kind": pl.lit(kind.name), "database": pl.col("database_name"), "schema": schema}
        )


def _table_type() -> "pl.Expr":
    """Tell the types of tables apart; statements of other origin write them in many ways."""
    import polars as pl

    text = pl.col("table_type").str.to_lowercase().str.replace_all("[^a-z]", "")
    return (
        pl.when(text.str.starts_with("materialized"))
        .then(pl.lit("MaterializedView"))
        .when(text.str.contains("view", literal=True))
        .then(pl.lit("View"))
        .when(text.str.starts_with("foreign"))
        .then(pl.lit("ForeignTable"))
        .otherwise(pl.lit("Table"))
    )


def _link(type_name: "pl.Expr", name: "pl.Expr") -> "pl.Expr":
    return _struct({"typeName": type_name, "qualifiedName": name})


def _struct(fields: Mapping[str, "pl.Expr"]) -> "pl.Expr":
    import polars as pl

    return pl.struct([value.alias(name) for name, value in fields.items()])


def _camel(name: str) -> str:
    return re.sub(r"_+([a-zA-Z0-9])", lambda found: found[1].upper(), name)


def _hashes(texts: "pl.Series") -> list[str]:
    import polars as pl

    sha256 = hashlib.sha256
    return [sha256(text).hexdigest() for text in texts.cast(pl.Binary).to_list()]
