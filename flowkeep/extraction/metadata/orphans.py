"""Do the kinds agree, although each was read in its own snapshot?

Every column needs its table, every table and routine its schema. An object that was created or
dropped between two snapshots breaks that; reading the older kind again mends it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import FetchResult, KindResult, OrphanReport
from flowkeep.extraction.metadata.kinds import KINDS, Kind
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_EXAMPLES = 3


def find_orphans(storage: Storage, fetched: Sequence[FetchResult]) -> OrphanReport:
    """Compare every kind with the kind that holds it.

    Args:
        storage: Where the raw parts lie.
        fetched: What was fetched; a kind whose parent is not among them is not compared.
    """
    scopes = {(one.kind, scope.database): scope for one in fetched for scope in one.scopes}
    refetch: dict[str, None] = {}
    findings: list[str] = []
    for (name, database), child in scopes.items():
        kind = KINDS.get(name)
        parent = scopes.get((kind.parent, database)) if kind and kind.parent else None
        if kind is None or parent is None:
            continue
        orphans = _orphans(storage, kind, child, parent)
        if orphans.is_empty():
            continue
        examples = [".".join(row) for row in orphans.head(_EXAMPLES).rows()]
        findings.append(
            f"{name} of {database} belong to {len(orphans)} {kind.parent} that were not found: "
            f"{', '.join(examples)}"
        )
        older = child if child.taken_at < parent.taken_at else parent
        refetch[older.kind] = None
    return OrphanReport(refetch=list(refetch), findings=findings)


def _orphans(storage: Storage, kind: Kind, child: KindResult, parent: KindResult) -> "pl.DataFrame":
    """Return the parents that the child's rows name and the parent's rows lack."""
    wanted = _names(storage, child, kind.parent_identity)
    present = _names(storage, parent, KINDS[parent.kind].identity)
    keys = list(kind.parent_identity)
    present.columns = keys
    return wanted.join(present, on=keys, how="anti").sort(keys)


def _names(storage: Storage, scope: KindResult, columns: Sequence[str]) -> "pl.DataFrame":
    """Return the distinct values of some columns, reading one row group at a time."""
    import polars as pl

    found = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    for part in scope.parts:
        for table in read_tables(storage, part.key, list(columns)):
            rows = pl.from_arrow(table)
            assert isinstance(rows, pl.DataFrame)
            found = pl.concat([found, rows.select(columns).unique()])
        found = found.unique()
    return found
