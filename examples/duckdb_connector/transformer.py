"""What entities of DuckDB say beside what all entities say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowkeep.extraction.metadata.kinds import Kind
from flowkeep.extraction.metadata.transform import Transformer

if TYPE_CHECKING:
    import polars as pl


class DuckDBTransformer(Transformer):
    """Adds to every column whether its type holds other types."""

    def attributes(self, kind: Kind, columns: Sequence[str]) -> dict[str, "pl.Expr"]:
        import polars as pl

        found = super().attributes(kind, columns)
        if kind.name == "columns":
            found["isNested"] = pl.col("data_type").str.contains(r"^(STRUCT|MAP|UNION)|\[\]$")
        return found
