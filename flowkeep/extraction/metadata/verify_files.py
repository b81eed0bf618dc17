"""Reading the files of a run again, as a stream."""

import io
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from flowkeep.errors import NotFound
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage

Entity = tuple[str, str]
"""Guid and content hash."""
_BATCH = 8_192


def verify_file(storage: Storage, part: Mapping[str, Any]) -> list[str]:
    """Compare one file with what the manifest says of it: size, hash, number of rows.

    Args:
        storage: Where it lies.
        part: Its entry in the manifest.

    Returns:
        One sentence if it differs.
    """
    key = part["key"]
    try:
        size = storage.size(key)
        digest = storage.sha256(key)
    except NotFound:
        return [f"{key}: the file is missing"]
    if size != part["bytes"] or digest != part["sha256"]:
        return [f"{key}: {size} bytes with hash {digest} instead of {part['bytes']} bytes"]
    if key.endswith(".zst"):
        rows = sum(1 for _ in _lines(storage, key))
    else:
        rows = sum(table.num_rows for table in read_tables(storage, key, []))
    return [] if rows == part["rows"] else [f"{key}: {rows} rows instead of {part['rows']}"]


def json_entities(storage: Storage, key: str) -> Iterator[list[Entity]]:
    """Yield the entities of a file of JSON lines, some thousand at a time."""
    found = (orjson.loads(line) for line in _lines(storage, key))
    entities = ((one["guid"], one["contentHash"]) for one in found)
    while batch := list(islice(entities, _BATCH)):
        yield batch


def parquet_entities(storage: Storage, key: str) -> Iterator[list[Entity]]:
    """Yield the entities of a Parquet file, a row group at a time."""
    for table in read_tables(storage, key, ["guid", "contentHash"]):
        guids, contents = table.column("guid"), table.column("contentHash")
        yield list(zip(guids.to_pylist(), contents.to_pylist(), strict=True))


def _lines(storage: Storage, key: str) -> Iterator[bytes]:
    import pyarrow as pa

    with tempfile.TemporaryFile(prefix="flowkeep-") as copy:
        storage.download(key, copy)
        with io.BufferedReader(pa.CompressedInputStream(copy, "zstd")) as text:
            yield from text
