"""How columns influence a value or a set of rows: bits, and their arithmetic.

A value's or row set's influences are a dict of columns to bits. The dicts are shared: only the one
that makes a dict changes it.

Two rules make chains of queries one step. The influence of a value is what its last use is: a
column that is filtered by is a FILTER, whatever was calculated on the way, and a direct one keeps
the strongest of IDENTITY, TRANSFORMATION and AGGREGATION. What decides which rows there are keeps
its kind through all queries further out.
"""

from typing import Final, TypeAlias

from flowkeep.extraction.logs.lineage.names import ColumnName

IDENTITY: Final = 1
TRANSFORMATION: Final = 2
AGGREGATION: Final = 4
JOIN: Final = 8
GROUP_BY: Final = 16
FILTER: Final = 32
SORT: Final = 64
WINDOW: Final = 128
CONDITIONAL: Final = 256
OUTPUT: Final = 512
"""Only as a usage: the value goes into the result."""

DIRECT: Final = IDENTITY | TRANSFORMATION | AGGREGATION
INDIRECT: Final = JOIN | GROUP_BY | FILTER | SORT | WINDOW | CONDITIONAL
NAMES: Final = {
    IDENTITY: "IDENTITY",
    TRANSFORMATION: "TRANSFORMATION",
    AGGREGATION: "AGGREGATION",
    JOIN: "JOIN",
    GROUP_BY: "GROUP_BY",
    FILTER: "FILTER",
    SORT: "SORT",
    WINDOW: "WINDOW",
    CONDITIONAL: "CONDITIONAL",
    OUTPUT: "OUTPUT",
}

Influences: TypeAlias = dict[ColumnName, int]
NOTHING: Final[Influences] = {}


def used_as(bits: int, use: int) -> int:
    """Return what influences become when the value they lead to is used in some way."""
    if use == IDENTITY:
        return bits
    if use == TRANSFORMATION:
        return bits & ~IDENTITY | TRANSFORMATION if bits & IDENTITY else bits
    if use == AGGREGATION:
        return bits & ~DIRECT | AGGREGATION if bits & DIRECT else bits
    return use


def add(into: Influences, influences: Influences, use: int = IDENTITY) -> None:
    """Add influences, used in some way, to others."""
    for column, bits in influences.items():
        into[column] = into.get(column, 0) | used_as(bits, use)


def names_of(bits: int) -> list[str]:
    """Return the names of the bits, in their order."""
    return [name for bit, name in NAMES.items() if bits & bit]
