"""What a run does not say, because the run before cannot prove it, and what it says of that."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.parts import Damaged
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.support import entities, extract, extraction_of, run, scope_of

TABLES = ("CREATE TABLE filled (a integer)", "INSERT INTO filled VALUES (1)")


def test_a_table_that_was_emptied_is_not_removed(database_url: str, storage: Storage) -> None:
    """Where row estimates choose the tables, what is gone from the scope may be there still."""
    run(database_url, *TABLES, "CREATE TYPE mood AS ENUM ('sad')", "ANALYZE filled")
    options = {"exclude_empty_tables": True}
    _, manifest = extract(extraction_of(database_url, storage, "run-1", options=options))
    assert scope_of(manifest, "tables")["written"] == 1
    run(database_url, "DELETE FROM filled", "DROP TYPE mood")
    run(database_url, "VACUUM ANALYZE filled")
    reference, manifest = extract(extraction_of(database_url, storage, "run-2", options=options))
    assert scope_of(manifest, "tables")["written"] == 0
    for kind in ("tables", "columns"):
        diff = scope_of(manifest, kind)["diff"]
        assert (diff["base_run_id"], diff["removed"]) == ("run-1", None)
        assert "emptied" in diff["reason"]
    assert scope_of(manifest, "types")["diff"]["removed"] == 1
    assert any("nobody knows what was removed" in one for one in reference.warnings)
    assert verify_manifest(storage, reference.key) == []


def halve(path: Path) -> None:
    """Lose the second half, as a full disk under the store may do."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    """Change the bytes of the content, not those at the ends."""
    content = bytearray(path.read_bytes())
    content[16:-1200] = bytes(byte ^ 0xA5 for byte in content[16:-1200])
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [halve, garble])
def test_a_damaged_run_is_no_base_and_stops_nobody(
    database_url: str, storage: Storage, damage: Any
) -> None:
    """The run before it takes its place, and a warning names the file."""
    run(database_url, *(f"CREATE TABLE t{number} (a integer)" for number in range(40)))
    _, first = extract(extraction_of(database_url, storage, "run-1"))
    _, manifest = extract(extraction_of(database_url, storage, "run-2"))
    broken = scope_of(manifest, "tables")["assets"]["parts"][1]["key"]
    path = storage.local_path(broken)
    assert path is not None
    damage(path)
    run(database_url, "DROP TABLE t7")
    reference, manifest = extract(extraction_of(database_url, storage, "run-3"))
    diff = scope_of(manifest, "tables")["diff"]
    assert (diff["base_run_id"], diff["removed"], diff["unchanged"]) == ("run-1", 1, 39)
    (warning,) = reference.warnings
    assert warning.startswith(f"this run is not compared with run run-2: {broken} cannot be read")
    seen = {one["firstSeen"] for one in entities(storage, manifest, "tables")}
    assert seen == {one["firstSeen"] for one in entities(storage, first, "tables")}
    assert verify_manifest(storage, reference.key) == []


def test_a_damaged_part_of_the_run_itself_fails_it(database_url: str, storage: Storage) -> None:
    """By the name of the file; nothing of the run before is blamed for it."""
    run(database_url, *TABLES)
    extract(extraction_of(database_url, storage, "run-1"))
    extraction = extraction_of(database_url, storage, "run-2")
    fetched = extraction.fetch("tables")
    key = fetched.scopes[0].parts[0].key
    path = storage.local_path(key)
    assert path is not None
    halve(path)
    with pytest.raises(Damaged, match=key) as caught:
        extraction.transform(fetched)
    assert isinstance(caught.value, Incomplete)


def test_entities_of_another_schema_are_warned_about(database_url: str, storage: Storage) -> None:
    """What was removed between the two runs is not known, and somebody is told."""
    run(database_url, *TABLES, "CREATE TABLE b (a integer)")
    reference, manifest = extract(extraction_of(database_url, storage, "run-1"))
    manifest["entity_schema"] = 1
    storage.put(reference.key, orjson.dumps(manifest))
    (entry,) = storage.list("tenant/app/Flow/baselines")
    content = orjson.loads(storage.get(entry.key))
    storage.put(entry.key, orjson.dumps({**content, "entity_schema": 1}))
    run(database_url, "DROP TABLE b")
    reference, manifest = extract(extraction_of(database_url, storage, "run-2"))
    assert reference.diff is None
    (warning,) = [one for one in reference.warnings if one.startswith("tables of")]
    assert "the entities have different schemas: version 1 and 2" in warning
    assert "nobody knows what was removed" in warning


def test_a_run_that_is_reset_takes_its_manifest_back_with_the_first_file(
    database_url: str, storage: Storage
) -> None:
    """Where fetches are not repeated, the first transform does it."""
    run(database_url, *TABLES)
    extraction = extraction_of(database_url, storage)
    fetched = [extraction.fetch("tables")]
    first = extraction.finish(fetched, [extraction.transform(fetched[0])])
    assert storage.exists(first.key)
    made = extraction.transform(fetched[0])
    assert not storage.exists(first.key)
    assert extraction.finish(fetched, [made]).counts == first.counts
