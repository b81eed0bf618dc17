"""Qualified names and the identifiers made of them.

A qualified name is `{namespace}/{database}.{schema}.{table}.{column}`, with the namespace and the
dotted name as OpenLineage's naming rules have them. A routine is `{…}.{name}({signature})`. What
would break the parts apart is percent-encoded: `%` and `.` everywhere, `(` and `)` in names, so
that no table can be named like a routine.
"""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uuid_utils

from flowkeep.extraction.metadata.kinds import Kind

if TYPE_CHECKING:
    import polars as pl

GUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "flowkeep:entity")
"""Namespace of the entities' UUIDs (RFC 9562, section 5.5)."""

_NAMESPACE = uuid_utils.UUID(str(GUID_NAMESPACE))
_IN_SIGNATURE = (("%", "%25"), (".", "%2E"))
_IN_NAME = (*_IN_SIGNATURE, ("(", "%28"), (")", "%29"))


def qualified_name(kind: Kind, namespace: str) -> "pl.Expr":
    """Return the expression for the qualified names of a kind's raw rows.

    Args:
        kind: The kind; its columns `database_name` and those of its identity are read.
        namespace: First part of the name.
    """
    return _join(kind.identity, namespace)


def parent_qualified_name(kind: Kind, namespace: str) -> "pl.Expr":
    """Return the expression for the qualified names of what holds a kind's raw rows."""
    return _join(kind.parent_identity, namespace)


def named(columns: Sequence[str], namespace: str) -> "pl.Expr":
    """Return the expression for the qualified name that raw columns spell; null if one is."""
    return _join(columns, namespace)


def guids(names: Sequence[str]) -> list[str]:
    """Return the UUIDv5 of each qualified name."""
    make = uuid_utils.uuid5
    return [str(make(_NAMESPACE, name)) for name in names]


def split_name(name: str) -> list[str]:
    """Return the parts behind the namespace of a qualified name, decoded.

    A routine's signature is part of its last one, as in `name(integer)`.
    """
    start = name.index("://") + 3 if "://" in name else 0
    dotted = name[name.index("/", start) + 1 :]
    return [_decode(part) for part in dotted.split(".")]


def _join(columns: Sequence[str], namespace: str) -> "pl.Expr":
    import polars as pl

    path = [name for name in columns if name not in ("database_name", "signature")]
    pieces = [pl.lit(f"{namespace}/") + _encode(pl.col("database_name"), _IN_NAME)]
    pieces += [pl.lit(".") + _encode(pl.col(name), _IN_NAME) for name in path]
    if "signature" in columns:
        pieces.append(pl.lit("(") + _encode(pl.col("signature"), _IN_SIGNATURE) + pl.lit(")"))
    return pl.concat_str(pieces)


def _encode(text: "pl.Expr", replacements: Sequence[tuple[str, str]]) -> "pl.Expr":
    for character, code in replacements:
        text = text.str.replace_all(character, code, literal=True)
    return text


def _decode(part: str) -> str:
    for character, code in reversed(_IN_NAME):
        part = part.replace(code, character)
    return part
