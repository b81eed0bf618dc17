"""The results of many databases fit into one argument, or say that they do not."""

import hashlib
from datetime import UTC, datetime

import pytest
from pydantic_core import to_json

from flowkeep.contracts.extraction import FetchResult, KindResult, PartInfo, SourceInfo
from flowkeep.contracts.packed import MOST_BYTES, PLAIN_BYTES, pack, unpack
from flowkeep.errors import InvalidInput

SOURCE = SourceInfo(
    server_id="7412345678901234567",
    version="18.1",
    role="reader",
    database="d",
    namespace="postgres://db.example.com:5432",
)


def part(name: str) -> PartInfo:
    """A file whose hashes are as good as random."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    key = f"default/default/Flow/0197f0aa-1111-7000-8000-000000000000/raw/{name}/part-00000.parquet"
    return PartInfo(key=key, rows=1, bytes=1, sha256=digest, etag=f'"{digest[::2]}"')


def results(kinds: int, databases: int) -> list[FetchResult]:
    """What fetching some kinds of some databases returns."""
    return [
        FetchResult.of(
            f"kind{kind}",
            [
                KindResult(
                    kind=f"kind{kind}",
                    database=f"d{number}",
                    parts=[part(f"{kind}/{number}")],
                    planned=1,
                    read=1,
                    written=1,
                    snapshot="1:1:",
                    taken_at=datetime(2026, 1, 1, tzinfo=UTC),
                    source=SOURCE,
                )
                for number in range(databases)
            ],
        )
        for kind in range(kinds)
    ]


def test_few_results_stay_readable() -> None:
    """In history they are the values themselves."""
    few = results(3, 2)
    packed = pack(few)
    assert packed == [one.model_dump(mode="json") for one in few]
    assert unpack(FetchResult, packed) == few


def test_many_results_come_back_as_they_were() -> None:
    """Eleven kinds of five hundred databases are above what one argument takes, and fit."""
    many = results(11, 500)
    assert len(to_json(many)) > 2 * 1024 * 1024 > PLAIN_BYTES
    packed = pack(many)
    assert isinstance(packed, str)
    assert len(packed) <= MOST_BYTES
    assert unpack(FetchResult, packed) == many


def test_too_many_results_name_the_way_out() -> None:
    """The run fails with a sentence, not with the server's refusal of a payload."""
    with pytest.raises(InvalidInput, match="extract fewer databases per run") as caught:
        pack(results(11, 2_000))
    assert caught.value.code == "TOO_MANY_FILES"
