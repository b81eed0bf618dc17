"""OpenLineage dataset events as JSON text, made column by column.

A `DatasetEvent` (OpenLineage 2-0-2) says what a dataset is, apart from any job. Names are those of
the source, unescaped, as other producers of OpenLineage write them: `{database}.{schema}.{table}`
in the namespace of the server. Optional members are left out where there is no value, since the
specification knows no null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from flowkeep.extraction.metadata.names import Naming

if TYPE_CHECKING:
    import polars as pl

_SPEC = "https://openlineage.io/spec"
EVENT_SCHEMA = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/DatasetEvent"
FACET_SCHEMAS: Mapping[str, str] = {
    name: f"{_SPEC}/facets/{release}#/$defs/{definition}"
    for name, (release, definition) in {
        "schema": ("1-2-0/SchemaDatasetFacet.json", "SchemaDatasetFacet"),
        "documentation": ("1-1-0/DocumentationDatasetFacet.json", "DocumentationDatasetFacet"),
        "ownership": ("1-0-1/OwnershipDatasetFacet.json", "OwnershipDatasetFacet"),
        "datasetType": ("1-0-1/DatasetTypeDatasetFacet.json", "DatasetTypeDatasetFacet"),
        "hierarchy": ("1-0-0/HierarchyDatasetFacet.json", "HierarchyDatasetFacet"),
        "symlinks": ("1-0-1/SymlinksDatasetFacet.json", "SymlinksDatasetFacet"),
        "lineage": ("1-0-0/LineageFacet.json", "LineageDatasetFacet"),
        "lifecycleStateChange": (
            "1-0-1/LifecycleStateChangeDatasetFacet.json",
            "LifecycleStateChangeDatasetFacet",
        ),
    }.items()
}
"""Facet to the address of its schema."""

TABLE = ("schema_name", "table_name")
"""Columns that name a table in a database."""


@dataclass(frozen=True, slots=True)
class Events:
    """What the events of one database have in common.

    Attributes:
        naming: Namespace, and whether names begin with the database.
        server: Namespace by the server's address, where another one is used.
        taken_at: When the snapshot was taken, RFC 3339.
    """

    naming: Naming
    server: str
    taken_at: str

    def of_tables(self, tables: "pl.DataFrame") -> "pl.Series":
        """Return one event per table.

        Args:
            tables: Raw rows of tables, with `fields` (JSON array of the schema's fields), `inputs`
                (JSON array of what a view reads) and `state` (the lifecycle facet's) beside them;
                null where they are not known.
        """
        import polars as pl

        facets = {
            "schema": _object({"fields": pl.col("fields")}),
            "documentation": _object(
                {"description": _json_in("comment"), "contentType": pl.lit('"text/plain"')}
            ),
            "ownership": _object({"owners": _array(self._owner())}),
            "datasetType": _object(_dataset_type()),
            "hierarchy": _object({"hierarchy": self._hierarchy()}),
            "symlinks": _object({"identifiers": _array(self._address())}),
            "lineage": _object({"inputs": pl.col("inputs")}),
            "lifecycleStateChange": _object({"lifecycleStateChange": _json_in("state")}),
        }
        needed = {
            "schema": "fields",
            "documentation": "comment",
            "ownership": "owner",
            "lineage": "inputs",
            "lifecycleStateChange": "state",
        }
        if self.server == self.naming.namespace:
            del facets["symlinks"]
        present = {
            name: pl.when(pl.col(needed[name]).is_not_null()).then(facet)
            if name in needed
            else facet
            for name, facet in facets.items()
        }
        return tables.select(self._event(present)).to_series()

    def of_dropped(self, tables: "pl.DataFrame") -> "pl.Series":
        """Return one event per table that is gone.

        Args:
            tables: Its database, schema and name.
        """
        import polars as pl

        change = _object({"lifecycleStateChange": pl.lit('"DROP"')})
        facets = {"hierarchy": _object({"hierarchy": self._hierarchy()})}
        return tables.select(self._event({**facets, "lifecycleStateChange": change})).to_series()

    def inputs(self, dependencies: "pl.DataFrame") -> "pl.DataFrame":
        """Return what each view reads: `inputs` by view.

        Args:
            dependencies: Raw rows of view dependencies.
        """
        import polars as pl

        one = _object(
            {
                "namespace": _text(self.naming.namespace),
                "name": _json_of(self._name("referenced_schema", "referenced_table")),
                "type": pl.lit('"DATASET"'),
            }
        )
        return (
            dependencies.group_by(*TABLE, maintain_order=True)
            .agg(_array(one.str.join(",")).alias("inputs"))
            .select(*TABLE, "inputs")
        )

    def _event(self, facets: Mapping[str, "pl.Expr"]) -> "pl.Expr":
        import polars as pl

        dataset = {
            "namespace": _text(self.naming.namespace),
            "name": _json_of(self._name(*TABLE)),
            "facets": _object({name: _facet(name, facet) for name, facet in facets.items()}),
        }
        return _object(
            {
                "eventTime": _text(self.taken_at),
                "producer": _text(producer()),
                "schemaURL": _text(EVENT_SCHEMA),
                "dataset": _object(dataset),
            }
        ).alias("event") + pl.lit("\n")

    def _name(self, schema: str, table: str) -> "pl.Expr":
        import polars as pl

        database = ["database_name"] if self.naming.database_in_names else []
        return pl.concat_str([*database, schema, table], separator=".")

    def _hierarchy(self) -> "pl.Expr":
        import polars as pl

        levels = {"DATABASE": "database_name", "SCHEMA": "schema_name", "TABLE": "table_name"}
        if not self.naming.database_in_names:
            del levels["DATABASE"]
        texts = [
            _object({"type": _text(level), "name": _json_in(column)})
            for level, column in levels.items()
        ]
        return _array(pl.concat_str(texts, separator=","))

    def _owner(self) -> "pl.Expr":
        import polars as pl

        name = _json_of(pl.lit("role:") + pl.col("owner"))
        return _object({"name": name, "type": pl.lit('"OWNER"')})

    def _address(self) -> "pl.Expr":
        """Name the same dataset by the server's address."""
        import polars as pl

        return _object(
            {
                "namespace": _text(self.server),
                "name": _json_of(self._name(*TABLE)),
                "type": pl.lit('"TABLE"'),
            }
        )


def fields(columns: "pl.DataFrame") -> "pl.DataFrame":
    """Return the fields of each table's schema: `fields` by table, in the order of the positions.

    Args:
        columns: Raw rows of columns.
    """
    import polars as pl

    one = _object(
        {
            "name": _json_in("column_name"),
            "type": _json_in("data_type"),
            "description": _json_in("comment"),
            "ordinal_position": pl.col("ordinal_position").cast(pl.String),
        }
    )
    joined = one.sort_by("ordinal_position").str.join(",")
    return columns.group_by(*TABLE).agg(_array(joined).alias("fields"))


def producer() -> str:
    """Return the address that names us as the source of a statement."""
    return f"urn:flowkeep:extraction:{version('flowkeep')}"


def _dataset_type() -> dict[str, "pl.Expr"]:
    import polars as pl

    text = pl.col("table_type").str.to_lowercase()
    view = text.str.contains("view", literal=True)
    materialized = text.str.starts_with("materialized")
    return {
        "datasetType": pl.when(view).then(pl.lit('"VIEW"')).otherwise(pl.lit('"TABLE"')),
        "subType": pl.when(materialized)
        .then(pl.lit('"MATERIALIZED"'))
        .when(text.str.starts_with("foreign"))
        .then(pl.lit('"EXTERNAL"'))
        .when(text.str.starts_with("partitioned"))
        .then(pl.lit('"PARTITIONED"')),
    }


def _facet(name: str, members: "pl.Expr") -> "pl.Expr":
    """Add what every facet has to the text of one; null stays null."""
    import polars as pl

    head = f'{{"_producer":"{producer()}","_schemaURL":"{FACET_SCHEMAS[name]}",'
    return pl.lit(head) + members.str.strip_prefix("{")


def _object(members: Mapping[str, "pl.Expr"]) -> "pl.Expr":
    """Return the text of a JSON object of JSON texts; members without one are left out."""
    import polars as pl

    texts = [pl.lit(f'"{name}":') + value for name, value in members.items()]
    joined = pl.concat_str(texts, separator=",", ignore_nulls=True)
    return pl.concat_str(pl.lit("{"), joined, pl.lit("}"))


def _array(items: "pl.Expr") -> "pl.Expr":
    import polars as pl

    return pl.concat_str(pl.lit("["), items, pl.lit("]"))


def _json_in(column: str) -> "pl.Expr":
    """Return the JSON text of a column of texts; null stays null."""
    import polars as pl

    return _json_of(pl.col(column))


def _json_of(value: "pl.Expr") -> "pl.Expr":
    import polars as pl

    text = pl.struct(value.alias("v")).struct.json_encode()
    return pl.when(value.is_not_null()).then(text.str.strip_prefix('{"v":').str.strip_suffix("}"))


def _text(value: str) -> "pl.Expr":
    import orjson
    import polars as pl

    return pl.lit(orjson.dumps(value).decode())
