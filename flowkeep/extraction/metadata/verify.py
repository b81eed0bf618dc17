"""Checking a finished extraction against its manifest, from the files alone, in flat memory."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.completeness import check_names
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.verify_diff import verify_diff
from flowkeep.extraction.metadata.verify_files import (
    Entity,
    json_entities,
    parquet_entities,
    verify_file,
)
from flowkeep.storage import Storage


def verify_manifest(
    storage: Storage, key: str, checked: Callable[[int], None] | None = None
) -> list[str]:
    """Read every file that a manifest lists and compare it with what the manifest says.

    Sizes, hashes, row counts, digests, sums per scope, that JSON lines and Parquet hold the same
    entities, that no qualified name comes twice in the run, and that the changes are those that a
    new comparison with the base run finds, as long as that is still there.

    Args:
        storage: Where manifest and files lie.
        key: Key of the manifest.
        checked: Called with the bytes of each file once it has been compared.

    Returns:
        One sentence per difference; empty when there is none.

    Raises:
        NotFound: If there is no manifest.
    """
    try:
        manifest = read_manifest(storage, key)
    except Incomplete as error:
        return [str(error)]
    problems: list[str] = []
    check = _Check(storage, checked)
    for scope in manifest["scopes"]:
        problems += _verify_scope(check, scope)
    for part in manifest.get("exports", ()):
        problems += check.file(part)
    # Comparing damaged files would only say the same again, in other words.
    problems = problems or _verify_names(storage, manifest)
    return problems or verify_diff(storage, key, manifest)


@dataclass(frozen=True, slots=True)
class _Check:
    """Where files lie, and who is told how far the checking is."""

    storage: Storage
    checked: Callable[[int], None] | None

    def file(self, part: Mapping[str, Any]) -> list[str]:
        problems = verify_file(self.storage, part)
        if self.checked is not None:
            self.checked(part["bytes"])
        return problems


def _verify_scope(check: _Check, scope: Mapping[str, Any]) -> list[str]:
    problems = []
    name = f"{scope['kind']} of {scope['database']}"
    raw = sum(part["rows"] for part in scope["parts"])
    complete = scope["status"] == "complete"
    if (complete and scope["planned"] != scope["read"]) or not (
        scope["read"] == scope["written"] == raw
    ):
        problems.append(f"{name}: planned, read, written and listed rows differ")
    for part in scope["parts"]:
        problems += check.file(part)
    if scope["assets"] is not None:
        problems += _verify_assets(check, name, scope["assets"], scope["written"])
    for part in (scope.get("diff") or {}).get("parts", ()):
        problems += check.file(part)
    return problems


def _verify_assets(check: _Check, name: str, assets: Mapping[str, Any], rows: int) -> list[str]:
    problems: list[str] = []
    for suffix, read in ((".jsonl.zst", json_entities), (".parquet", parquet_entities)):
        parts = [part for part in assets["parts"] if part["key"].endswith(suffix)]
        if sum(part["rows"] for part in parts) != rows or assets["written"] != rows:
            problems.append(f"{name}: {suffix} files do not hold {rows} entities")
        for part in parts:
            broken = check.file(part)
            problems += broken
            if not broken and _digest(read(check.storage, part["key"])) != part["digest"]:
                problems.append(f"{part['key']}: the entities are not those that were written")
    return problems


def _digest(batches: Iterator[list[Entity]]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        digest.update("".join([guid + content for guid, content in batch]).encode())
    return digest.hexdigest()


def _verify_names(storage: Storage, manifest: Mapping[str, Any]) -> list[str]:
    assets = {
        f"{scope['kind']} of {scope['database']}": [
            part["key"] for part in scope["assets"]["parts"] if part["key"].endswith(".parquet")
        ]
        for scope in manifest["scopes"]
        if scope["assets"] is not None
    }
    try:
        check_names(storage, assets)
    except Incomplete as error:
        return [str(error)]
    return []
