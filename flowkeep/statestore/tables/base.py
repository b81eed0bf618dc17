"""What all tables share: the metadata, its naming rules, and column types."""

from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_uq",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)
"""All tables of the ledger."""

# Statements name statuses as literals, so that the planner can match partial indexes even in a
# prepared statement's generic plan.
OPEN = "status IN ('pending', 'running', 'waiting')"
"""Condition of what has not ended."""


def text(name: str, *, null: bool = False) -> Column[str]:
    """Return a text column, required unless said otherwise."""
    return Column(name, Text, nullable=null)


def time(name: str, *, null: bool = True, default: str | None = None) -> Column[Any]:
    """Return a timestamptz column, optional unless said otherwise; the default is an expression."""
    server_default = None if default is None else sql(default)
    return Column(name, DateTime(timezone=True), nullable=null, server_default=server_default)


def json(name: str, *, null: bool = True) -> Column[Any]:
    """Return a jsonb column in which None is SQL's null."""
    return Column(name, JSONB(none_as_null=True), nullable=null)
