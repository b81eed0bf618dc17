"""What a history source may be told."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

DurationUnit = Literal["us", "ms", "s"]
MICROSECONDS: dict[DurationUnit, int] = {"us": 1, "ms": 1_000, "s": 1_000_000}
"""Unit to how many microseconds it has."""


class HistoryOptions(BaseModel):
    """Which table holds the history of statements, and what its columns mean.

    Attributes:
        table: Table or view, with its schema where there is one: names as the catalogue spells
            them; a name with a dot in it stands in the quotes of the dialect.
        query: A SELECT of your own instead of a table. PostgreSQL needs its names qualified.
        timestamp_column: When the statement ran. A time without a zone counts as UTC. In SQLite it
            is text, `YYYY-MM-DD HH:MM:SS` (or with a `T`), with a fraction or not, followed by
            nothing, `Z` or `+00:00`.
        text_column: The statement.
        user_column: Who ran it.
        database_column: Where it ran.
        duration_column: How long it took: a number.
        duration_unit: Its unit.
        rows_column: Rows returned or changed: a number.
        query_id_column: The server's identifier of the statement's shape: a 64-bit number.
        id_column: Unique identifier of the execution. With it, rows that arrive late are told
            apart for certain, and PostgreSQL can split a single moment in parts.
        error_column: Whether it failed: anything but null, empty, `0`, `00000` and the words for
            no counts as failed.
        since: Where the first run begins; 14 days back when left out. Later runs go on at the mark.
        until: Where a run ends at the latest; the server's clock when left out.
        latency_seconds: How far behind the server's clock a run ends: rows need that long to show.
        overlap_seconds: How far behind the mark rows may still arrive.
        batch_rows: Rows for which one window is planned.
        bucket_seconds: Stretch of time whose rows are counted together.
        max_windows: Most windows of a run; the next run goes on behind them.
        sql_dialect: The SQL of the statements, as sqlglot names it; the source's own when left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    table: str | None = Field(default=None, min_length=1, max_length=1_000)
    query: str | None = Field(default=None, min_length=1, max_length=1_000_000)
    timestamp_column: str = Field(min_length=1)
    text_column: str = Field(min_length=1)
    user_column: str | None = Field(default=None, min_length=1)
    database_column: str | None = Field(default=None, min_length=1)
    duration_column: str | None = Field(default=None, min_length=1)
    duration_unit: DurationUnit = "ms"
    rows_column: str | None = Field(default=None, min_length=1)
    query_id_column: str | None = Field(default=None, min_length=1)
    id_column: str | None = Field(default=None, min_length=1)
    error_column: str | None = Field(default=None, min_length=1)
    since: datetime | None = None
    until: datetime | None = None
    latency_seconds: float = Field(default=60.0, ge=0, le=604_800)
    overlap_seconds: float = Field(default=3_600.0, ge=0, le=604_800)
    batch_rows: int = Field(default=100_000, ge=1)
    bucket_seconds: float = Field(default=300.0, ge=0.001, le=86_400)
    max_windows: int = Field(default=10_000, ge=1)
    sql_dialect: str | None = Field(default=None, min_length=1)

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("say either table or query")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Name of the option to name of the column, for the columns that are there."""
        found = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name.endswith("_column")
        }
        return {name: column for name, column in found.items() if column is not None}
