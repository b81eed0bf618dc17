"""What the arguments of a query extraction may say under `logs`."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters.text import problem

_DEFAULT_SEARCH_PATH = {"postgres": ("public",), "sqlite": ("main",)}


class LogOptions(BaseModel):
    """Which log is read, and what becomes of its statements.

    Attributes:
        source: Kind of the source: `history`, `pg_stat_statements`, `csvlog`, `jsonlog`, `jsonl`,
            or that of a class of your own.
        options: What the source's class takes, for example `{"location": "/var/log/postgresql"}`.
        dialect: The SQL of the statements, as sqlglot names it; the source's own when left out.
        namespace: First part of every qualified name, instead of the source's address.
        database: Database of statements whose log names none.
        search_path: Schemas in which names without one are looked for, in order.
        catalogue: Run id, or key of the manifest, of a metadata extraction of the same server: its
            columns and views make lineage exact.
        raw_text: Whether one statement per shape is kept as it was logged, literals included.
        openlineage: Whether OpenLineage events of the lineage are written too.
        concurrency: Windows that are read, and buckets that are parsed, at a time.
        bucket_rows: Rows of the log for which one bucket of shapes is planned.
        max_statement_bytes: Longer statements are counted, not parsed.
        cpu_seconds: Most processor time that parsing one statement may take.
        memory_megabytes: Most memory that a parser process may take.
        cache: Whether what was parsed before is taken from the cache.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1, max_length=100)
    options: dict[str, Any] = Field(default_factory=dict)
    dialect: str | None = None
    namespace: str | None = Field(default=None, min_length=1, max_length=255)
    database: str = ""
    search_path: tuple[str, ...] = ()
    catalogue: str | None = None
    raw_text: bool = False
    openlineage: bool = False
    concurrency: int = Field(default=4, ge=1, le=64)
    bucket_rows: int = Field(default=100_000, ge=1)
    max_statement_bytes: int = Field(default=1 << 20, ge=1_000, le=1 << 26)
    cpu_seconds: int = Field(default=5, ge=1, le=600)
    memory_megabytes: int = Field(default=1_024, ge=128)
    cache: bool = True

    @classmethod
    def read(cls, value: object) -> Self:
        """Check options of unknown origin.

        Args:
            value: A mapping with the fields above.

        Raises:
            InvalidInput: If one is missing, unknown or does not fit; the message names it.
        """
        if not isinstance(value, Mapping):
            raise InvalidInput(
                f"logs must be a mapping, not {type(value).__name__}",
                hint='say which log to read, for example {"source": "csvlog", "options": {…}}',
            )
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            problems = "; ".join(f"logs.{problem(item)}" for item in errors)
            raise InvalidInput(problems, hint=f"logs takes {', '.join(cls.model_fields)}") from None

    def schemas(self, dialect: str) -> tuple[str, ...]:
        """Return the search path, by default that of the dialect."""
        return self.search_path or _DEFAULT_SEARCH_PATH.get(dialect, ())
