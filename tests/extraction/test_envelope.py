"""What makes entities of drafts: hashes, times, JSON lines."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.envelope import ENVELOPE, Envelope, rfc3339
from flowkeep.extraction.metadata.first_seen import FirstSeen
from flowkeep.storage import Storage

TAKEN_AT = datetime(2025, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(-(2**63), 2**63 - 1)
ATTRIBUTES = st.fixed_dictionaries(
    {
        "name": TEXT,
        "number": st.none() | NUMBER,
        "flag": st.none() | st.booleans(),
        "list": st.none() | st.lists(TEXT, max_size=3),
        "seen": st.none() | NUMBER,
        "Über\n": st.none() | TEXT,
    }
)
TYPES = {
    "name": pl.String,
    "number": pl.Int64,
    "flag": pl.Boolean,
    "list": pl.List(pl.String),
    "seen": pl.Int64,
    "Über\n": pl.String,
}


def drafts(attributes: list[dict[str, Any]], type_name: str = "Thing") -> pl.DataFrame:
    """Drafts as a transformer returns them, named by their number."""
    return pl.DataFrame(
        {
            "typeName": [type_name] * len(attributes),
            "qualifiedName": [f"ns/{number}" for number in range(len(attributes))],
            "scope": [{"kind": "things", "database": "d", "schema": None}] * len(attributes),
            "relationshipAttributes": pl.Series([None] * len(attributes), dtype=pl.Null),
            "attributes": pl.Series(attributes, dtype=pl.Struct(TYPES)),
        }
    )


def content_hash(type_name: str, attributes: dict[str, Any]) -> str:
    """The content hash by the standard library alone."""
    text = json.dumps(
        {"typeName": type_name, "attributes": attributes},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()


@given(st.lists(ATTRIBUTES, min_size=1, max_size=4), TEXT)
def test_lines_and_hashes_hold_every_value(
    attributes: list[dict[str, Any]], type_name: str
) -> None:
    """Lines give back what was put in; hashes are those of canonical JSON without volatiles."""
    made = Envelope("run", TAKEN_AT).seal(drafts(attributes, type_name), {"seen"})
    text = "".join(made.lines())
    lines = text.split("\n")
    assert lines.pop() == ""
    found = [json.loads(line) for line in lines]
    assert [tuple(one) for one in found] == [ENVELOPE] * len(attributes)
    assert [one["attributes"] for one in found] == attributes
    assert found == made.frame.to_dicts()
    for one in found:
        stable = {key: value for key, value in one["attributes"].items() if key != "seen"}
        assert one["contentHash"] == content_hash(type_name, stable)
    pairs = "".join(one["guid"] + one["contentHash"] for one in found)
    assert made.identities == pairs.encode()


def test_the_content_hash_never_changes() -> None:
    """Stored hashes are compared with those of later versions."""
    attributes = {"name": 'ä"\n', "number": 1, "flag": None, "list": ["b", "a"], "seen": 7}
    frame = drafts([{**attributes, "Über\n": None}])
    made = Envelope("run", TAKEN_AT).seal(frame, {"seen"})
    assert made.frame["contentHash"].to_list() == [
        "029630923014df5db05a630069cc69d11a4ff43fd15b9057597beebfa72b6f00"
    ]
    other = Envelope("other", TAKEN_AT + timedelta(days=1)).seal(frame, {"seen"})
    assert other.identities == made.identities


def test_times_are_utc_and_sort_as_texts() -> None:
    """Whatever the server's clock says, times are of one form."""
    assert rfc3339(TAKEN_AT) == "2025-03-01T12:00:00.000005Z"
    east = datetime(2025, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(east) == "2025-03-01T12:00:00.000000Z"


def test_an_entity_without_a_name_is_refused() -> None:
    """A transformer that names nothing is told so."""
    frame = drafts([dict.fromkeys(TYPES)]).with_columns(pl.lit(None).alias("qualifiedName"))
    with pytest.raises(ConfigurationError, match="no qualified name"):
        Envelope("run", TAKEN_AT).seal(frame, set())


def base(storage: Storage, seen: dict[str, str]) -> FirstSeen:
    """What two files of a run before say: guid to time."""
    keys = []
    for number, guids in enumerate((list(seen)[::2], list(seen)[1::2])):
        path = Path(str(storage.local_path(f"{number}.parquet")))
        path.parent.mkdir(exist_ok=True)
        times = [seen[guid] for guid in guids]
        pl.DataFrame(
            {"guid": guids, "firstSeen": times},
            schema={"guid": pl.String, "firstSeen": pl.String},
        ).write_parquet(path)
        keys.append(f"{number}.parquet")
    return FirstSeen.read(storage, keys)


def test_first_seen_is_taken_over(storage: Storage) -> None:
    """Entities of the run before keep their time, new ones begin now."""
    known = Envelope("run", TAKEN_AT).seal(drafts([{"name": "a"}] * 1000), set()).frame
    seen = {guid: f"time {number}" for number, guid in enumerate(known["guid"][::3])}
    later = TAKEN_AT + timedelta(days=1)
    again = Envelope("later", later, base(storage, seen)).seal(
        drafts([{"name": "b"}] * 1000), set()
    )
    expected = [seen.get(guid, rfc3339(later)) for guid in known["guid"]]
    assert again.frame["firstSeen"].to_list() == expected
    assert set(again.frame["lastSeen"]) == {rfc3339(later)}


def test_an_empty_run_before_says_nothing(storage: Storage) -> None:
    """A base without objects makes all of them new."""
    made = Envelope("run", TAKEN_AT, base(storage, {})).seal(drafts([{"name": "a"}] * 3), set())
    assert made.frame["firstSeen"].to_list() == [rfc3339(TAKEN_AT)] * 3
