"""From raw rows to what an entity says, column by column: no Python object per row.

The shape follows Apache Atlas (`typeName`, `attributes`, `relationshipAttributes` by qualified
name), the names of attributes follow OpenMetadata's table entity where it has them. What makes an
entity of it (`guid`, `contentHash`, times) is added by `flowkeep.extraction.metadata.envelope`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import KINDS, Kind, Reference
from flowkeep.extraction.metadata.names import Naming

if TYPE_CHECKING:
    import polars as pl

DRAFT = ("typeName", "qualifiedName", "scope", "relationshipAttributes", "attributes")
"""Columns of what a transformer returns."""


@dataclass(frozen=True, slots=True)
class EntityContext:
    """What the entities of a run have in common.

    Attributes:
        namespace: First part of every qualified name.
        run_id: The run that extracted them.
        database_in_names: Whether qualified names begin with the database, or with the schema.
        kinds: All kinds of the run by name; parents and references are looked up here.
    """

    namespace: str
    run_id: str
    database_in_names: bool = True
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)

    @property
    def naming(self) -> Naming:
        """How objects are named."""
        return Naming(self.namespace, self.database_in_names)


class Transformer:
    """Makes entities of raw rows. Override what differs for a connector.

    Args:
        context: What the entities of the run have in common.
    """

    type_names: ClassVar[Mapping[str, str]] = {}
    """Kind to the type of its entities, where it is not the kind's own."""

    attribute_names: ClassVar[Mapping[str, str]] = {
        "comment": "description",
        "data_type": "dataTypeDisplay",
        "type_name": "dataType",
        "column_default": "defaultValue",
        "referenced_columns": "referredColumns",
    }
    """Raw column to attribute, where it is not the same word in camel case."""

    def __init__(self, context: EntityContext) -> None:
        self.context = context

    def entities(self, kind: Kind, rows: "pl.DataFrame") -> "pl.DataFrame":
        """Return one entity per row, with the columns of `DRAFT`.

        Args:
            kind: What the rows are.
            rows: Raw rows.

        Raises:
            ConfigurationError: If two raw columns would become one attribute, or a list is none.
        """
        import polars as pl

        try:
            return rows.select(
                self.type_name(kind, rows.columns).alias("typeName"),
                self.context.naming.of(kind).alias("qualifiedName"),
                self._scope(kind, rows.columns).alias("scope"),
                _struct(self.relationships(kind, rows.columns)).alias("relationshipAttributes"),
                _struct(self.attributes(kind, rows.columns)).alias("attributes"),
            )
        except pl.exceptions.ComputeError as error:
            lists = [name for name in rows.columns if kind.columns.get(name) == "list"]
            raise ConfigurationError(
                f"{kind.name}: a value of {', '.join(lists) or 'a column'} cannot be read: "
                f"{str(error)[:300]}",
                hint="let the statement return a JSON array of texts, or null",
                code="SOURCE_VALUE",
            ) from None

    def type_name(self, kind: Kind, columns: Sequence[str]) -> "pl.Expr":
        """Return the expression for the type of each row's entity.

        Args:
            kind: The kind.
            columns: The raw columns there are.
        """
        if kind.name == "tables" and "table_type" in columns:
            return _relation_type("table_type")
        return self._type_of(kind)

    def attributes(self, kind: Kind, columns: Sequence[str]) -> dict[str, "pl.Expr"]:
        """Return attributes and the expressions for their values.

        Args:
            kind: The kind.
            columns: The raw columns there are.
        """
        import polars as pl

        return {
            name: pl.col(column).str.json_decode(pl.List(pl.String))
            if kind.columns.get(column) == "list"
            else pl.col(column)
            for name, column in self.attribute_columns(kind, columns).items()
        }

    def volatile(self, kind: Kind, columns: Sequence[str]) -> frozenset[str]:
        """Return the attributes that are left out of the content hash.

        Args:
            kind: The kind.
            columns: The raw columns there are.
        """
        names = self.attribute_columns(kind, columns)
        return frozenset(name for name, column in names.items() if column in kind.volatile)

    def relationships(self, kind: Kind, columns: Sequence[str]) -> dict[str, "pl.Expr"]:
        """Return links to other entities and the expressions for them: type and qualified name.

        Where a kind has a parent, it comes first and is named by its type, as in `table`.

        Args:
            kind: The kind.
            columns: The raw columns there are.
        """
        links = {}
        parent = self.context.kinds.get(kind.parent or "")
        if parent is not None:
            of_table = parent.name == "tables" and "table_type" in columns
            link_type = _relation_type("table_type") if of_table else self._type_of(parent)
            name = self.context.naming.of_parent(kind, parent)
            links[parent.type_name[0].lower() + parent.type_name[1:]] = _link(link_type, name)
        for reference in kind.references:
            if set(reference.columns) <= set(columns):
                links[reference.name] = self._reference(reference, columns)
        return links

    def _reference(self, reference: Reference, columns: Sequence[str]) -> "pl.Expr":
        import polars as pl

        target = self.context.kinds[reference.kinds[0]]
        # referenced_table is of the type in referenced_type, where the statement says so
        told = f"{reference.columns[-1].removesuffix('_table')}_type"
        of_table = target.name == "tables" and told in columns
        name = self.context.naming.of(
            target, dict(zip(reference.target, reference.columns, strict=True))
        )
        link = _link(_relation_type(told) if of_table else self._type_of(target), name)
        return pl.when(name.is_not_null()).then(link)

    def _type_of(self, kind: Kind) -> "pl.Expr":
        import polars as pl

        return pl.lit(self.type_names.get(kind.name, kind.type_name))

    def attribute_columns(self, kind: Kind, columns: Sequence[str]) -> dict[str, str]:
        """Return the attributes and the raw column of each.

        Args:
            kind: The kind.
            columns: The raw columns there are.

        Raises:
            ConfigurationError: If two raw columns would become one attribute.
        """
        names: dict[str, str] = {}
        for column in columns:
            own = column == kind.own_name
            name = "name" if own else self.attribute_names.get(column) or _camel(column)
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


RELATION_TYPES = ("Table", "View", "MaterializedView", "ForeignTable", "Sequence")
"""Types of what columns, constraints and views may belong to or read."""


def _relation_type(column: str) -> "pl.Expr":
    """Tell the types of tables apart; statements of other origin write them in many ways."""
    import polars as pl

    text = pl.col(column).str.to_lowercase()
    return (
        pl.when(text.str.starts_with("materialized"))
        .then(pl.lit("MaterializedView"))
        .when(text.str.contains("view", literal=True))
        .then(pl.lit("View"))
        .when(text.str.starts_with("foreign"))
        .then(pl.lit("ForeignTable"))
        .when(text.str.starts_with("sequence"))
        .then(pl.lit("Sequence"))
        .otherwise(pl.lit("Table"))
    )


def _link(type_name: "pl.Expr", name: "pl.Expr") -> "pl.Expr":
    return _struct({"typeName": type_name, "qualifiedName": name})


def _struct(fields: Mapping[str, "pl.Expr"]) -> "pl.Expr":
    """Return a struct; null in every row when it would have no fields."""
    import polars as pl

    if not fields:
        return pl.lit(None)
    return pl.struct([value.alias(name) for name, value in fields.items()])


def _camel(name: str) -> str:
    return re.sub(r"_+([a-zA-Z0-9])", lambda found: found[1].upper(), name)
