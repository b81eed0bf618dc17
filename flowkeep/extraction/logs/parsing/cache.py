"""Answers of the parser, kept from run to run.

An answer is found by what it was made of: text, database, search path, and what the catalogue knows
of the tables in it. So it is never out of date, and nobody has to throw it away. It lies in one of
256 parts, by the first byte of the shape's key, as buckets are divided: no two activities of a run
write the same one, and a run reads those parts only that its own shapes are in.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from flowkeep.errors import NotFound
from flowkeep.extraction.logs.frames import empty_frame, read_frame, store_frame
from flowkeep.extraction.logs.parsing.pool import Answer
from flowkeep.extraction.metadata.parts import Damaged
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = {"content": "string", "answer": "string", "used": "int32"}
_MOST_ANSWERS = 5_000
"""Answers that a part keeps: those that were used last."""
_NOT_KEPT = frozenset({"cpu_limit", "memory_limit", "crashed"})
"""Failures that another machine, or another limit, may not have."""


def content_key(text: str, database: str, search_path: Iterable[str], catalogue: str) -> str:
    """Return what an answer is found by.

    Args:
        text: The redacted statement.
        database: Where it runs.
        search_path: Schemas of names without one.
        catalogue: Digest of what the catalogue knows of its tables.
    """
    content = orjson.dumps([text, database, list(search_path), catalogue])
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class ParseCache:
    """The cache of one dialect.

    Args:
        storage: Where it lies.
        folder: Folder of its parts.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._folder = folder
        self._today = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
        self._used: dict[str, dict[str, str]] = {}
        self._changed: set[str] = set()

    def find(self, wanted: Mapping[str, Iterable[str]]) -> dict[str, Answer]:
        """Return the answers that are known, by content.

        Args:
            wanted: Names of parts to contents, as `content_key` returns them.
        """
        found: dict[str, Answer] = {}
        there = {stored.key for stored in self._storage.list(self._folder)}
        for part, contents in wanted.items():
            if self._key(part) not in there:
                continue
            rows = self._read(part).filter(_one_of(contents))
            for content, answer, used in rows.iter_rows():
                found[content] = Answer(*orjson.loads(answer))
                self._note(part, content, answer, changed=used != self._today)
        return found

    def add(self, part: str, content: str, answer: Answer) -> None:
        """Remember an answer; `store` writes it."""
        if answer.reason not in _NOT_KEPT:
            self._note(part, content, orjson.dumps(tuple(answer)).decode(), changed=True)

    def store(self) -> None:
        """Write the parts that have changed."""
        import polars as pl

        for part in sorted(self._changed):
            rows = [(content, answer, self._today) for content, answer in self._used[part].items()]
            mine = pl.DataFrame(rows, schema=self._schema(), orient="row")
            others = self._read(part).filter(~_one_of(self._used[part]))
            merged = pl.concat([mine, others.select(mine.columns).cast(mine.schema)])
            newest = merged.sort("used", descending=True, maintain_order=True).head(_MOST_ANSWERS)
            store_frame(self._storage, self._key(part), _COLUMNS, newest)

    def _note(self, part: str, content: str, answer: str, *, changed: bool) -> None:
        self._used.setdefault(part, {})[content] = answer
        if changed:
            self._changed.add(part)

    def _read(self, part: str) -> "pl.DataFrame":
        try:
            return read_frame(self._storage, self._key(part))
        except (NotFound, Damaged):  # another run writes it anew; nothing of it is missed
            return empty_frame(_COLUMNS)

    def _key(self, part: str) -> str:
        return f"{self._folder}/{part}.parquet"

    def _schema(self) -> dict[str, Any]:
        return dict(empty_frame(_COLUMNS).schema)


def _one_of(contents: Iterable[str]) -> "pl.Expr":
    import polars as pl

    return pl.col("content").is_in(list(contents))
