"""Joining two sets of entities by hashes."""

import hashlib
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata import comparison as module
from flowkeep.extraction.metadata import hashes
from flowkeep.extraction.metadata.comparison import Comparison, HashCollision
from flowkeep.extraction.metadata.hashes import HashSpool, repeats
from flowkeep.extraction.metadata.parts import PartWriter
from flowkeep.storage import Storage

SIDES = st.dictionaries(st.integers(0, 40), st.integers(0, 2), max_size=30)
"""Number of an entity to a version of its content."""


def guid(number: int) -> str:
    """The guid of an entity."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def content(number: int, version: int) -> str:
    """The content hash of a version of an entity."""
    return hashlib.sha256(f"{number}/{version}".encode()).hexdigest()


def store(storage: Storage, name: str, side: dict[int, int], rows: int = 7) -> list[str]:
    """Write entities to Parquet files with small row groups."""
    writer = PartWriter(storage, lambda number: f"{name}/{number}.parquet", part_rows=rows * 2)
    pairs = list(side.items())
    for start in range(0, len(pairs), rows):
        some = pairs[start : start + rows]
        frame = pl.DataFrame(
            {
                "typeName": ["Column"] * len(some),
                "qualifiedName": [f"ns/db.s.t.c{number}" for number, _ in some],
                "guid": [guid(number) for number, _ in some],
                "contentHash": [content(*pair) for pair in some],
            }
        )
        writer.write(frame.to_arrow())
    writer.finish()
    return [part.key for part in writer.parts]


def expected(before: dict[int, int], after: dict[int, int]) -> set[tuple[Any, ...]]:
    """What differs, worked out with dictionaries."""
    found: set[tuple[Any, ...]] = set()
    for number in before.keys() | after.keys():
        old = content(number, before[number]) if number in before else None
        new = content(number, after[number]) if number in after else None
        if old != new:
            change = "added" if old is None else "removed" if new is None else "changed"
            found.add((change, "Column", f"ns/db.s.t.c{number}", guid(number), old, new))
    return found


@given(before=SIDES, after=SIDES, buckets=st.sampled_from([1, 3, 1000]), chunk=st.integers(1, 9))
def test_the_join_agrees_with_dictionaries(
    before: dict[int, int], after: dict[int, int], buckets: int, chunk: int
) -> None:
    """Counts and named rows are those of a plain comparison, however the work is cut."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "_BUCKET_ROWS", buckets)
        patch.setattr(hashes, "_IN_MEMORY_BYTES", 64)
        patch.setattr(module, "CHUNK", chunk)
        storage = Storage(Path(folder).as_uri())
        found = Comparison.of(
            storage, store(storage, "before", before), store(storage, "after", after)
        )
        rows = [row for frame in found.rows() for row in frame.rows()]
        wanted = expected(before, after)
        assert set(rows) == wanted
        assert len(rows) == len(wanted)
        counts = {"added": found.added, "changed": found.changed, "removed": found.removed}
        assert counts == {name: sum(row[0] == name for row in wanted) for name in counts}
        assert found.unchanged == sum(before.get(number) == after[number] for number in after)


def test_removed_entities_can_be_called_otherwise_or_left_out(storage: Storage) -> None:
    """What was withheld is named so, and what nobody knows is not named."""
    before, after = store(storage, "a", {1: 0, 2: 0}), store(storage, "b", {1: 0})
    found = Comparison.of(storage, before, after)
    (frame,) = found.rows(removed_as="withheld")
    assert frame["change"].to_list() == ["withheld"]
    assert list(found.rows(removed_as=None)) == []


def test_an_entity_that_comes_twice_is_no_collision(storage: Storage) -> None:
    """Another seed does not help then, and the side is named."""
    twice = [*store(storage, "a", {1: 0, 2: 0}), *store(storage, "b", {2: 1})]
    with pytest.raises(Incomplete, match="the run now name 1 entities more than once"):
        Comparison.of(storage, store(storage, "c", {1: 0}), twice)


def collide(patch: pytest.MonkeyPatch, seeds: set[int]) -> None:
    """Give all guids one hash under some seeds."""
    real = pl.Series.hash

    def weak(self: pl.Series, seed: int = 0, *rest: Any) -> pl.Series:
        if seed in seeds and self.name == "guid":
            return pl.Series(self.name, [7] * len(self), dtype=pl.UInt64)
        return real(self, seed, *rest)

    spool = hashes.spool_entities

    def spool_weakly(storage: Storage, keys: list[str], *, seed: int = 0) -> HashSpool:
        if seed not in seeds:
            return spool(storage, keys, seed=seed)
        found = HashSpool(["name", "content"])
        with spool(storage, keys, seed=seed) as strong:
            rows = strong.bucket(0, 1)
        found.add(rows.with_columns(name=pl.lit(7, dtype=pl.UInt64)))
        return found

    patch.setattr(pl.Series, "hash", weak)
    patch.setattr(module, "spool_entities", spool_weakly)


def test_two_names_with_one_hash_on_a_side_are_told_apart(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collision within a side is met with another seed, and the counts are right."""
    before, after = store(storage, "a", {1: 0, 2: 0}), store(storage, "b", {1: 0, 2: 1})
    collide(monkeypatch, {0})
    found = Comparison.of(storage, before, after)
    assert (found.unchanged, found.changed, found.added, found.removed) == (1, 1, 0, 0)


def test_a_collision_across_the_sides_is_noticed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removed and an added entity with one hash do not pass as one that changed."""
    before, after = store(storage, "a", {1: 0}), store(storage, "b", {2: 0})
    collide(monkeypatch, {0})
    found = Comparison.of(storage, before, after)
    assert found.changed == 1
    with pytest.raises(HashCollision):
        list(found.rows())
    again = Comparison.of(storage, before, after, seed=1)
    assert (again.added, again.removed, again.changed) == (1, 1, 0)


@given(values=st.lists(st.integers(0, 50), max_size=60), buckets=st.sampled_from([1, 5, 1000]))
def test_repeats_are_found_in_every_bucket(values: list[int], buckets: int) -> None:
    """What comes twice is found once, whether it lies in memory or on disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "_BUCKET_ROWS", buckets)
        patch.setattr(hashes, "_IN_MEMORY_BYTES", 16)
        with HashSpool(["name"]) as spool:
            for value in values:
                spool.add(pl.DataFrame({"name": [value]}, schema={"name": pl.UInt64}))
            assert repeats(spool).to_list() == sorted(
                {value for value in values if values.count(value) > 1}
            )
