"""Names of tables and columns."""

from typing import NamedTuple


class TableName(NamedTuple):
    """Name of a table or view; a part that is not known is None."""

    database: str | None
    schema: str | None
    table: str

    def __str__(self) -> str:
        return ".".join(part for part in self if part is not None)


class ColumnName(NamedTuple):
    """Name of a column."""

    table: TableName
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"
