"""A retry goes on behind the last stored part, and gives what an undisturbed attempt gives."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from flowkeep.contracts.extraction import FetchResult
from flowkeep.errors import SourceUnavailable
from flowkeep.extraction.metadata import transport
from flowkeep.extraction.metadata.checkpoint import Attempt
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.postgresql_statements import ORDERS
from flowkeep.storage import Storage, StoredObject
from tests.extraction.support import extraction_of, rows_of, run, with_


class Failing(Storage):
    """Stores some files and then none until it is told to go on.

    Attributes:
        allowed: Files it still takes.
        uploads: How often each key was stored.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.allowed = 1_000_000
        self.uploads: Counter[str] = Counter()

    def upload(self, key: str, file: IO[bytes]) -> StoredObject:
        if self.allowed <= 0:
            raise SourceUnavailable("no more files today")
        self.allowed -= 1
        self.uploads[key] += 1
        return super().upload(key, file)


@pytest.fixture
def failing(tmp_path: Path) -> Failing:
    """An empty storage that can be told to fail."""
    return Failing((tmp_path / "failing").as_uri())


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is a block of its own, so that parts may be small."""
    monkeypatch.setattr(transport, "BLOCK_BYTES", 1)


def attempt(url: str, storage: Storage, number: int, **arguments: Any) -> MetadataExtraction:
    """An extraction as one attempt of one task, in parts of three rows."""
    task = arguments.pop("task", "1")
    extraction = extraction_of(url, storage, attempt=Attempt("t", task, number), **arguments)
    return small_parts(extraction)


def small_parts(extraction: MetadataExtraction) -> MetadataExtraction:
    """The same with parts of three rows, fewer than anybody may ask for."""
    extraction.options = extraction.options.model_copy(update={"part_rows": 3})
    return extraction


def undisturbed(url: str, storage: Storage, kind: str) -> FetchResult:
    """What a single attempt fetches."""
    return small_parts(extraction_of(url, storage)).fetch(kind)


def hashes(result: Any) -> list[str]:
    """Hashes of all files, in order."""
    return [part.digest or part.sha256 for scope in result.scopes for part in scope.parts]


def interrupted(failing: Failing, after: int, work: Callable[[], object]) -> None:
    """Let the storage fail after some files; what was counted so far is forgotten."""
    failing.allowed = after
    failing.uploads.clear()
    with pytest.raises(SourceUnavailable, match="no more files"):
        work()
    failing.allowed = 1_000_000


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in ORDERS])
def test_every_kind_goes_on_where_it_was(
    sample_url: str, storage: Storage, failing: Failing, kind: str
) -> None:
    """After the first, the middle and the last but one part: equal bytes, and none made twice."""
    system = {"include_system_schemas": True} if kind in ("triggers", "sequences") else {}
    whole = small_parts(extraction_of(sample_url, storage, options=system)).fetch(kind)
    count = len(hashes(whole))
    for after in {1, count // 2, count - 1} - {0, count}:
        task = {"task": str(after), "options": system}
        first = attempt(sample_url, failing, 1, **task)
        interrupted(failing, after, lambda first=first: first.fetch(kind))  # type: ignore[misc]
        again = attempt(sample_url, failing, 2, **task).fetch(kind)
        assert hashes(again) == hashes(whole)
        assert set(failing.uploads.values()) == {1}
        (scope,) = again.scopes
        assert scope.planned == scope.read == scope.written == whole.rows
        assert len(scope.snapshot.split("; ")) == 2


def test_many_interruptions_add_up(sample_url: str, storage: Storage, failing: Failing) -> None:
    """One part per attempt is enough to end."""
    whole = undisturbed(sample_url, storage, "tables")
    for number in range(1, len(hashes(whole))):
        interrupted(
            failing,
            1,
            lambda n=number: attempt(sample_url, failing, n).fetch("tables"),  # type: ignore[misc]
        )
    last = attempt(sample_url, failing, len(hashes(whole))).fetch("tables")
    assert hashes(last) == hashes(whole)
    assert len(last.scopes[0].snapshot.split("; ")) == len(hashes(whole))


@pytest.fixture
def eight(database_url: str) -> str:
    """A database with eight tables, whose names do not follow the order of their making."""
    run(database_url, *(f"CREATE TABLE t{9 - number} (a integer)" for number in range(1, 9)))
    return database_url


@pytest.mark.parametrize(
    ("changes", "resumed", "tables"),
    [
        (["CREATE TABLE new (a integer)"], True, "t1 t2 t3 t4 t5 t6 t7 t8 new"),
        (["DROP TABLE t1"], True, "t2 t3 t4 t5 t6 t7 t8"),
        (["DROP TABLE t8"], True, "t1 t2 t3 t4 t5 t6 t7 t8"),
        (["ALTER TABLE t8 RENAME TO old"], False, "t1 t2 t3 t4 t5 t6 t7 old"),
        (["DROP TABLE t8", "CREATE TABLE t8 (b text)"], False, "t1 t2 t3 t4 t5 t6 t7 t8"),
        (
            ["ALTER TABLE t1 RENAME TO x", "ALTER TABLE t8 RENAME TO t1"],
            False,
            "x t1 t2 t3 t4 t5 t6 t7",
        ),
    ],
)
def test_what_changed_meanwhile_loses_nothing(
    eight: str, failing: Failing, changes: list[str], resumed: bool, tables: str
) -> None:
    """A table is missing only if one of the snapshots has no table of that name."""
    interrupted(failing, 1, lambda: attempt(eight, failing, 1).fetch("tables"))
    run(eight, *changes)
    result = attempt(eight, failing, 2).fetch("tables")
    found = [row["table_name"] for row in rows_of(failing, result)]
    assert sorted(found) == sorted(tables.split())
    assert (failing.uploads[result.scopes[0].parts[0].key] == 1) is resumed
    assert ("; " in result.scopes[0].snapshot) is resumed


def spoil_a_part(storage: Storage, key: str) -> None:
    """Write the first part again, as another attempt would that is still at work."""
    part = key.replace("/checkpoints/", "/").replace(".json", "/part-00000.parquet")
    storage.put(part, storage.get(part))


def lose_a_part(storage: Storage, key: str) -> None:
    """Delete the first part."""
    storage.delete(key.replace("/checkpoints/", "/").replace(".json", "/part-00000.parquet"))


def spoil_the_checkpoint(storage: Storage, key: str) -> None:
    """Leave half a checkpoint."""
    storage.put(key, storage.get(key)[:100])


@pytest.mark.parametrize("spoil", [spoil_a_part, lose_a_part, spoil_the_checkpoint])
def test_a_checkpoint_is_not_believed_blindly(
    eight: str, storage: Storage, failing: Failing, spoil: Callable[[Storage, str], None]
) -> None:
    """A checkpoint that is broken, or whose parts are not those it names, is left aside."""
    whole = undisturbed(eight, storage, "tables")
    interrupted(failing, 2, lambda: attempt(eight, failing, 1).fetch("tables"))
    (key,) = [one.key for one in failing.list() if one.key.endswith(".json")]
    spoil(failing, key)
    failing.uploads.clear()
    again = attempt(eight, failing, 2).fetch("tables")
    assert hashes(again) == hashes(whole)
    assert len(failing.uploads) == 3


@pytest.mark.parametrize(
    "other",
    [{"task": "2"}, {"options": {"exclude_schemas": ["x"]}}, {"options": {"part_rows": 4_000}}],
)
def test_another_task_starts_anew(eight: str, failing: Failing, other: dict[str, Any]) -> None:
    """Reading a kind once more, or by other rules, goes on from nobody's checkpoint."""
    interrupted(failing, 2, lambda: attempt(eight, failing, 1).fetch("tables"))
    failing.uploads.clear()
    if "part_rows" in other.get("options", {}):
        options = ExtractionOptions.read(other["options"])
        extraction = attempt(eight, failing, 2)
        extraction.options = options
    else:
        extraction = attempt(eight, failing, 2, **other)
    assert extraction.fetch("tables").rows == 8
    assert min(failing.uploads.values()) == 1
    assert any(key.endswith("part-00000.parquet") for key in failing.uploads)


def test_databases_that_are_done_are_not_read_again(
    engine: Any, eight: str, storage: Storage, failing: Failing
) -> None:
    """A retry in the second database keeps the first, although that fits into one part."""
    second = eight.rpartition("/")[2] + "_b"
    run(engine.database_url, f'CREATE DATABASE "{second}"')
    run(with_(eight, database=second), *(f"CREATE TABLE u{n} (a integer)" for n in range(5)))
    options = {"databases": [eight.rpartition("/")[2], second]}
    try:
        whole = small_parts(extraction_of(eight, storage, options=options)).fetch("tables")
        first = attempt(eight, failing, 1, options=options)
        interrupted(failing, 4, lambda: first.fetch("tables"))
        again = attempt(eight, failing, 2, options=options).fetch("tables")
    finally:
        run(engine.database_url, f'DROP DATABASE "{second}"')
    assert [scope.written for scope in again.scopes] == [8, 5]
    assert hashes(again) == hashes(whole)
    assert set(failing.uploads.values()) == {1}


def test_sql_without_an_order_is_read_anew(eight: str, failing: Failing) -> None:
    """Rows of a user's own statement come in any order: there is no place to go on from."""
    own = {
        "tables": "SELECT current_database() AS database_name, schemaname AS schema_name,"
        " tablename AS table_name FROM pg_tables WHERE tablename LIKE 't%'"
    }
    first = attempt(eight, failing, 1, statements=own)
    interrupted(failing, 2, lambda: first.fetch("tables"))
    again = attempt(eight, failing, 2, statements=own).fetch("tables")
    assert again.rows == 8
    assert max(failing.uploads.values()) == 2


def test_a_transform_goes_on_where_it_was(eight: str, storage: Storage, failing: Failing) -> None:
    """Assets of raw parts that were done are kept; the entities are those of a single attempt."""
    whole = small_parts(extraction_of(eight, storage))
    expected = whole.transform(whole.fetch("tables"))
    first = attempt(eight, failing, 1)
    fetched = first.fetch("tables")
    files = len(expected.scopes[0].parts) // len(fetched.scopes[0].parts)
    interrupted(failing, files + 1, lambda: first.transform(fetched))
    again = attempt(eight, failing, 2).transform(fetched)
    assert hashes(again) == hashes(expected)
    assert again.rows == 8
    assert sorted(failing.uploads.values()) == [1] * (3 * files - 1) + [2]


def test_a_transform_of_another_version_starts_anew(
    eight: str, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was replaced between two attempts does not mix two schemas of entities."""
    first = attempt(eight, failing, 1)
    fetched = first.fetch("tables")
    interrupted(failing, 3, lambda: first.transform(fetched))
    monkeypatch.setattr("flowkeep.extraction.metadata.extraction.ENTITY_SCHEMA", 99)
    again = attempt(eight, failing, 2).transform(fetched)
    assert again.rows == 8
    assert max(failing.uploads.values()) == 2
    assert failing.uploads[again.scopes[0].parts[0].key] == 2


def test_checkpoints_are_gone_after_the_manifest(eight: str, failing: Failing) -> None:
    """A finished run holds nothing but what its manifest lists."""
    extraction = attempt(eight, failing, 1)
    fetched = [extraction.fetch(kind) for kind in ("databases", "schemas", "tables", "columns")]
    made = [extraction.transform(one) for one in fetched]
    assert [one for one in failing.list() if "/checkpoints/" in one.key]
    extraction.finish(fetched, made)
    assert not list(failing.list("tenant/app/Flow/run-1/checkpoints"))


def test_a_resumed_run_is_no_base_for_one_that_began_in_between(
    eight: str, failing: Failing
) -> None:
    """What its last snapshot found may have been made after the other run had looked."""
    interrupted(failing, 1, lambda: attempt(eight, failing, 1).fetch("tables"))
    other = extraction_of(eight, failing, "run-2")
    fetched = other.fetch("tables")
    run(eight, "CREATE TABLE new (a integer)")
    resumed = attempt(eight, failing, 2)
    result = resumed.fetch("tables")
    (scope,) = result.scopes
    assert scope.taken_until is not None
    assert scope.taken_at < fetched.scopes[0].taken_at < scope.taken_until
    resumed.finish([result], [resumed.transform(result)])
    assert other.finish([fetched], [other.transform(fetched)]).diff is None
    third = extraction_of(eight, failing, "run-3")
    again = third.fetch("tables")
    diff = third.finish([again], [third.transform(again)]).diff
    assert diff is not None
    assert (diff.added, diff.removed) == (0, 0)
