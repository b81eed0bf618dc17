"""Shapes: what statements have in common that differ in their literals only."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

TableName: TypeAlias = tuple[str | None, str | None, str]
"""Database, schema and table as written, without quotes; None where not written."""

Reason: TypeAlias = Literal[
    "syntax", "truncated", "too_long", "too_deep", "empty", "redacted_at_source"
]

MAX_BYTES = 1024 * 1024
"""Longest statement that is read, in bytes of UTF-8."""
_KEY_BYTES = 16
_MARKERS = frozenset({"redacted", "[redacted]", "**redacted**", "***"})
_LONGEST_MARKER = 80


@dataclass(frozen=True, slots=True)
class Shape:
    """A statement without its literals and comments.

    Names stay on purpose, quoted identifiers and aliases included: they name objects. A literal
    never does, whatever its quotes.

    Attributes:
        key: 32 hexadecimal digits that statements have in common which differ in literals,
            whitespace, comments and the length of lists of literals; see `key_of`.
        fingerprint: The parser's hash of the statement.
        parser: Name and version of what made the fingerprint, for example `pgparse 1.0.3`.
            Fingerprints of different parsers say nothing about each other.
        text: The statement as first seen, redacted. Only the command and the name of its object
            when `dropped` is set; None when these are not known either.
        kind: The command, for example `SELECT` or `CREATE TABLE AS`. Different commands in one
            text are joined by `; `.
        tables: The tables it names, sorted.
        dropped: Why the text is missing: `literals` when they cannot be taken out of this kind of
            statement, `unverified` when the redacted text could not be shown to mean the same.
    """

    key: str
    fingerprint: str
    parser: str
    text: str | None
    kind: str
    tables: tuple[TableName, ...]
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A statement that has no shape. Holds nothing of its text.

    Attributes:
        reason: `syntax`; `truncated` when it ends too early; `too_long`; `too_deep` when it is
            nested deeper than can be read safely; `empty`; `redacted_at_source` when the log has
            a marker in its place.
        position: Where the parser stopped, in characters from 0; None when not known.
    """

    reason: Reason
    position: int | None = None


class Shaper(Protocol):
    """Turns statements into shapes. Remembers the latest; not to be shared between threads."""

    def shape(self, text: str) -> Shape | Unreadable:
        """Return the statement's shape. Never raises for what a text may hold."""


def shaper(dialect: str, max_bytes: int = MAX_BYTES) -> Shaper:
    """Return a shaper for a dialect.

    Args:
        dialect: The SQL, as sqlglot names it; `postgres` is read by PostgreSQL's own parser.
        max_bytes: Longest statement to read, in bytes of UTF-8.

    Raises:
        ConfigurationError: If there is no such dialect.
    """
    if dialect == "postgres":
        from flowkeep.extraction.logs.shapes_postgres import PostgresShaper

        return PostgresShaper(max_bytes)
    from flowkeep.extraction.logs.shapes_tokens import TokenShaper

    return TokenShaper(dialect, max_bytes)


def key_of(parser: str, dialect: str, fingerprint: str, tables: tuple[TableName, ...]) -> str:
    """Return the key of a shape: BLAKE2b-128 of all that tells it from others.

    The tables are part of it because a fingerprint alone may be alike for two tables under one
    alias.
    """
    parts = json.dumps([parser, dialect, fingerprint, tables], separators=(",", ":"))
    return hashlib.blake2b(parts.encode(), digest_size=_KEY_BYTES).hexdigest()


def sorted_tables(tables: Collection[TableName]) -> tuple[TableName, ...]:
    """Return the tables in the order that `Shape.tables` has."""
    plain = [(database, schema, table) for database, schema, table in tables]
    return tuple(sorted(plain, key=lambda table: tuple(part or "" for part in table)))


def exceeds(text: str, max_bytes: int) -> bool:
    """Tell whether a text is longer than so many bytes of UTF-8."""
    characters = len(text)
    if characters * 4 <= max_bytes:
        return False
    return characters > max_bytes or len(text.encode(errors="replace")) > max_bytes


def is_marker(text: str) -> bool:
    """Tell whether a log has a marker such as `<insufficient privilege>` for a statement."""
    text = text[: _LONGEST_MARKER + 1].strip()
    if len(text) > _LONGEST_MARKER:
        return False
    words = text[1:-1].replace(" ", "").replace("_", "")
    return ((text[:1], text[-1:]) == ("<", ">") and words.isalpha()) or text.lower() in _MARKERS
