"""SQL text in which `{schema}` stands for the schema, as SQLAlchemy and as the driver take it."""

from functools import lru_cache

from sqlalchemy import TextClause
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=256)
def as_text(template: str, schema_name: str) -> TextClause:
    """Return SQL text in which `{schema}` stands for the schema."""
    return sql(template.replace("{schema}", f'"{schema_name}"'))


@lru_cache(maxsize=256)
def as_native(template: str, schema_name: str) -> str:
    """Return SQL text as the driver takes it."""
    return str(as_text(template, schema_name).compile(dialect=_DIALECT))
