"""Qualified names and the identifiers made of them.

A qualified name is `{namespace}/{database}.{schema}.{table}.{column}`, with the namespace and the
dotted name as OpenLineage's naming rules have them; where a dialect's names begin with the schema,
the database is left out. A routine is `{…}.{name}({signature})`. Kinds whose objects may be called
like others of the same parent say so: `{parent}#{tag}.{own name}`, as in
`{…}.orders#index.orders_pkey`.

What would break the parts apart is percent-encoded: `%`, `/`, `.` and `#` everywhere, `(` and `)`
in names, so that no table can be named like a routine or an index. An empty name, which some
servers allow, is a single `%`.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import uuid_utils

from flowkeep.extraction.metadata.kinds import Kind

if TYPE_CHECKING:
    import polars as pl

GUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "flowkeep:entity")
"""Namespace of the entities' UUIDs (RFC 9562, section 5.5)."""

_NAMESPACE = uuid_utils.UUID(str(GUID_NAMESPACE))
_IN_SIGNATURE = {"%": "%25", ".": "%2E", "/": "%2F", "#": "%23"}
_IN_NAME = {**_IN_SIGNATURE, "(": "%28", ")": "%29"}
_EMPTY = "%"
_SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Naming:
    """How the objects of a source are named.

    Attributes:
        namespace: First part of every qualified name.
        database_in_names: Whether the database comes next, or the schema.
    """

    namespace: str
    database_in_names: bool = True

    def of(self, kind: Kind, columns: Mapping[str, str] | None = None) -> "pl.Expr":
        """Return the expression for the qualified names of objects of a kind.

        Args:
            kind: The kind; `database_name` and the columns of its identity are read.
            columns: Column of the kind's identity to the column that is read in its place, where
                other objects point to one of this kind. A null in any gives a null name.
        """
        import polars as pl

        held = _held(kind)
        before, own = _in_schema(kind.identity[:held]), _in_schema(kind.identity[held:])
        if self.database_in_names:
            before = ["database_name", *before]
        pieces = [pl.lit(f"{self.namespace}/"), *_joined(before, columns or {})]
        own_pieces = _joined(own, columns or {})
        if kind.tag is not None:
            pieces.append(pl.lit(f"#{kind.tag}"))
        if own_pieces and (kind.tag is not None or len(pieces) > 1):
            pieces.append(pl.lit("."))
        return pl.concat_str(pieces + own_pieces)

    def of_parent(self, kind: Kind, parent: Kind) -> "pl.Expr":
        """Return the expression for the qualified names of what holds a kind's objects.

        Args:
            kind: The kind of the rows.
            parent: The kind that holds it.
        """
        return self.of(parent, dict(zip(parent.identity, kind.parent_identity, strict=True)))


def guids(names: Sequence[str]) -> list[str]:
    """Return the UUIDv5 of each qualified name."""
    make = uuid_utils.uuid5
    return [str(make(_NAMESPACE, name)) for name in names]


def split_name(name: str) -> list[str]:
    """Return the parts behind the namespace of a qualified name, decoded.

    A tag is left out; a routine's signature is part of its last one, as in `name(integer)`.
    """
    dotted = name.rpartition("/")[2]
    path, _, tagged = dotted.partition("#")
    parts = path.split(".") if path else []
    if tagged:
        parts += tagged.split(".")[1:]
    return [_decode(part) for part in parts]


def _held(kind: Kind) -> int:
    """Return how many columns of a kind's identity name its parent."""
    length = len(kind.parent_identity)
    return length if kind.identity[:length] == kind.parent_identity else 0


def _in_schema(names: Sequence[str]) -> list[str]:
    """Leave the database out, which goes in front or nowhere."""
    return [name for name in names if name != "database_name"]


def _joined(names: Sequence[str], columns: Mapping[str, str]) -> list["pl.Expr"]:
    """Return the parts of a name with what stands between them."""
    import polars as pl

    pieces: list[pl.Expr] = []
    for name in names:
        text = pl.col(columns.get(name, name))
        if name == _SIGNATURE:
            pieces += [pl.lit("("), _encode(text, _IN_SIGNATURE), pl.lit(")")]
        else:
            encoded = pl.when(text == "").then(pl.lit(_EMPTY)).otherwise(_encode(text, _IN_NAME))
            pieces += [pl.lit("."), encoded] if pieces else [encoded]
    return pieces


def _encode(text: "pl.Expr", codes: Mapping[str, str]) -> "pl.Expr":
    return text.str.replace_many(list(codes), list(codes.values()))


def _decode(part: str) -> str:
    name, bracket, signature = part.partition("(")
    return ("" if name == _EMPTY else unquote(name)) + bracket + unquote(signature)
