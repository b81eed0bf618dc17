"""Comparing two sets of entities by hashes: which are new, which are gone, which differ.

The hashes of both sides lie on disk and are compared bucket by bucket; what stays in memory is 8
bytes for each entity that differs. Names are read again, and only those of what differs.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.hashes import (
    HashSpool,
    contained,
    positions,
    row_groups,
    spool_entities,
)
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (
    "change",
    "typeName",
    "qualifiedName",
    "guid",
    "contentHashBefore",
    "contentHashAfter",
)
"""Columns of the rows that name what differs, all texts."""

CHUNK = 250_000
"""Changed entities whose content hash before is in memory at a time."""
_SEEDS = 3
_KEPT = ("guid", "contentHash")
_READ = ["typeName", "qualifiedName", "guid", "contentHash"]


class HashCollision(Incomplete):
    """Two different names have one hash; another seed helps."""

    code = "HASH_COLLISION"


class Comparison:
    """What differs between two sets of entity files.

    Args:
        storage: Where both lie.
        base: Keys of the Parquet files before.
        current: Keys of the Parquet files now.
        seed: Of the hashes.

    Attributes:
        added: Entities that are only in `current`.
        changed: Entities in both, with different content hashes.
        removed: Entities that are only in `base`.
        unchanged: Entities in both with one content hash.

    Raises:
        HashCollision: If a side names an entity twice, or two have one hash.
        NotFound: If a file is gone.
    """

    def __init__(
        self, storage: Storage, base: Sequence[str], current: Sequence[str], seed: int = 0
    ) -> None:
        self._storage = storage
        self._base = base
        self._current = current
        self._seed = seed
        with (
            spool_entities(storage, base, seed=seed) as before,
            spool_entities(storage, current, seed=seed) as after,
        ):
            self._compare(before, after)

    @classmethod
    def of(
        cls, storage: Storage, base: Sequence[str], current: Sequence[str], seed: int = 0
    ) -> "Comparison":
        """Compare, with another seed when two names have one hash.

        Raises:
            Incomplete: If a side really names an entity twice.
            NotFound: If a file is gone.
        """
        for number in range(seed, seed + _SEEDS - 1):
            with suppress(HashCollision):
                return cls(storage, base, current, number)
        return cls(storage, base, current, seed + _SEEDS - 1)

    def _compare(self, before: HashSpool, after: HashSpool) -> None:
        import polars as pl

        count = max(before.buckets(), after.buckets())
        added, changed, removed = [], [], []
        self.unchanged = 0
        for number in range(count):
            old = _distinct(before.bucket(number, count), "before")
            new = _distinct(after.bucket(number, count), "now")
            known = contained(new["name"], old["name"])
            both = new.filter(known)
            same = both["content"] == _contents(old, both["name"])
            added.append(new["name"].filter(~known))
            changed.append(both["name"].filter(~same))
            removed.append(old["name"].filter(~contained(old["name"], new["name"])))
            self.unchanged += int(same.sum())
        self._added = pl.concat(added).sort()
        self._changed = pl.concat(changed).sort()
        self._removed = pl.concat(removed).sort()
        self.added = len(self._added)
        self.changed = len(self._changed)
        self.removed = len(self._removed)

    def rows(self, *, removed_as: str | None = "removed") -> Iterator["pl.DataFrame"]:
        """Yield what differs, with names, as frames with the columns of `COLUMNS`.

        Args:
            removed_as: What stands under `change` for removed entities; None leaves them out.

        Raises:
            HashCollision: If a name before and a different one now have one hash.
            NotFound: If a file is gone.
        """
        nothing = self._changed.clear()
        for start in range(0, max(self.changed, 1), CHUNK):
            changed = self._changed.slice(start, CHUNK)
            removed = nothing if start or removed_as is None else self._removed
            befores = []
            for rows, names in self._matching(self._base, removed, changed):
                gone = contained(names, removed)
                if gone.any():
                    yield _shape(rows.filter(gone), removed_as, "contentHash", None)
                befores.append(_copy(rows.with_columns(name=names).filter(~gone)))
            yield from self._after(changed, nothing if start else self._added, befores)

    def _after(
        self, changed: "pl.Series", added: "pl.Series", befores: "list[pl.DataFrame]"
    ) -> Iterator["pl.DataFrame"]:
        import polars as pl

        before = pl.concat(befores).sort("name") if befores else None
        for rows, names in self._matching(self._current, added, changed):
            new = contained(names, added)
            if new.any():
                yield _shape(rows.filter(new), "added", None, "contentHash")
            if before is None or new.all():
                continue
            differing = rows.filter(~new)
            old = before[positions(names.filter(~new), before["name"])]
            if (old["guid"] != differing["guid"]).any():
                raise HashCollision("two different names have one hash", hint="compare once more")
            differing = differing.with_columns(before=old["contentHash"])
            yield _shape(differing, "changed", "before", "contentHash")

    def _matching(
        self, keys: Sequence[str], one: "pl.Series", other: "pl.Series"
    ) -> Iterator["tuple[pl.DataFrame, pl.Series]"]:
        """Yield the rows, and their hashes, that are in one of two sorted series."""
        if one.is_empty() and other.is_empty():
            return
        for key in keys:
            for read in row_groups(self._storage, key):
                names = read(["guid"])["guid"].hash(self._seed)
                wanted = contained(names, one) | contained(names, other)
                if wanted.any():
                    yield read(_READ).filter(wanted), names.filter(wanted)


def _distinct(hashes: "pl.DataFrame", when: str) -> "pl.DataFrame":
    twice = (hashes["name"] == hashes["name"].shift(1)).sum()
    if twice:
        raise HashCollision(
            f"the files of the run {when} name {twice} entities more than once",
            hint="check that run with `flowkeep extract verify`",
        )
    return hashes


def _contents(hashes: "pl.DataFrame", names: "pl.Series") -> "pl.Series":
    """Return the content hashes of names that are all there."""
    if hashes.is_empty():
        return hashes["content"]
    return hashes["content"].gather(positions(names, hashes["name"]))


def _copy(rows: "pl.DataFrame") -> "pl.DataFrame":
    """Return some columns as copies: a filtered text column keeps all texts in memory."""
    import polars as pl

    texts = {name: pl.Series(rows[name].to_list(), dtype=pl.String) for name in _KEPT}
    return pl.DataFrame({"name": rows["name"], **texts})


def _shape(
    rows: "pl.DataFrame", change: str | None, before: str | None, after: str | None
) -> "pl.DataFrame":
    import polars as pl

    def text(column: str | None) -> "pl.Expr":
        return pl.lit(None, pl.String) if column is None else pl.col(column)

    return rows.select(
        pl.lit(change).alias("change"),
        "typeName",
        "qualifiedName",
        "guid",
        text(before).alias("contentHashBefore"),
        text(after).alias("contentHashAfter"),
    )
