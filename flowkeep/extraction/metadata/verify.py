"""Checking a finished extraction against its manifest, from the files alone."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import orjson

from flowkeep.errors import NotFound
from flowkeep.extraction.metadata.manifest import SCHEMA, read_manifest
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage


def verify_manifest(storage: Storage, key: str) -> list[str]:
    """Read every file that a manifest lists and compare it with what the manifest says.

    Sizes, hashes, row counts, digests, sums per scope, that JSON lines and Parquet hold the same
    entities, and that no qualified name comes twice in a scope.

    Args:
        storage: Where manifest and files lie.
        key: Key of the manifest.

    Returns:
        One sentence per difference; empty when there is none.

    Raises:
        NotFound: If there is no manifest.
    """
    manifest = read_manifest(storage, key)
    if manifest["schema"] != SCHEMA:
        return [f"{key}: schema {manifest['schema']} is not {SCHEMA}, which this version reads"]
    problems: list[str] = []
    for scope in manifest["scopes"]:
        name = f"{scope['kind']} of {scope['database']}"
        raw = sum(part["rows"] for part in scope["parts"])
        if scope["status"] == "complete" and not (
            scope["planned"] == scope["read"] == scope["written"] == raw
        ):
            problems.append(f"{name}: planned, read, written and listed rows differ")
        for part in scope["parts"]:
            problems += _verify_file(storage, part)
        if scope["assets"] is not None:
            problems += _verify_assets(storage, name, scope["assets"], scope["written"])
    return problems


def _verify_assets(storage: Storage, name: str, assets: dict[str, Any], rows: int) -> list[str]:
    problems: list[str] = []
    for suffix in (".jsonl.zst", ".parquet"):
        parts = [part for part in assets["parts"] if part["key"].endswith(suffix)]
        if sum(part["rows"] for part in parts) != rows or assets["written"] != rows:
            problems.append(f"{name}: {suffix} files do not hold {rows} entities")
        names: set[int] = set()
        count = 0
        for part in parts:
            broken = _verify_file(storage, part)
            problems += broken
            if broken:
                continue
            digest = hashlib.sha256()
            for guid, content in _entities(storage, part["key"]):
                digest.update((guid + content).encode())
                names.add(int(guid.replace("-", ""), 16))
                count += 1
            if digest.hexdigest() != part["digest"]:
                problems.append(f"{part['key']}: the entities are not those that were written")
        if len(names) != count:
            problems.append(f"{name}: {count - len(names)} entities come more than once")
    return problems


def _verify_file(storage: Storage, part: dict[str, Any]) -> list[str]:
    key = part["key"]
    try:
        size = storage.size(key)
        digest = storage.sha256(key)
    except NotFound:
        return [f"{key}: the file is missing"]
    if size != part["bytes"] or digest != part["sha256"]:
        return [f"{key}: {size} bytes with hash {digest} instead of {part['bytes']} bytes"]
    rows = sum(1 for _ in _lines(storage, key)) if key.endswith(".zst") else _rows(storage, key)
    return [] if rows == part["rows"] else [f"{key}: {rows} rows instead of {part['rows']}"]


def _rows(storage: Storage, key: str) -> int:
    return sum(table.num_rows for table in read_tables(storage, key, []))


def _entities(storage: Storage, key: str) -> Iterator[tuple[str, str]]:
    """Yield guid and content hash of each entity in a file."""
    if key.endswith(".zst"):
        for line in _lines(storage, key):
            entity = orjson.loads(line)
            yield entity["guid"], entity["contentHash"]
        return
    for table in read_tables(storage, key, ["guid", "contentHash"]):
        yield from zip(
            table.column("guid").to_pylist(), table.column("contentHash").to_pylist(), strict=True
        )


def _lines(storage: Storage, key: str) -> Iterator[bytes]:
    import pyarrow as pa

    packed = pa.BufferReader(storage.get(key))
    with io.BufferedReader(pa.CompressedInputStream(packed, "zstd")) as text:
        yield from text
