"""The manifest of a run: written last, so its presence means that everything it lists is there."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from flowkeep.contracts.extraction import (
    FetchResult,
    KindAssets,
    KindResult,
    ManifestRef,
    PartInfo,
    TransformResult,
)
from flowkeep.errors import Incomplete, NotFound
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage

SCHEMA = 1
"""Version of the manifest's shape and of the entities' content."""


def write_manifest(
    storage: Storage,
    location: RunLocation,
    options: ExtractionOptions,
    fetched: Sequence[FetchResult],
    transformed: Sequence[TransformResult],
) -> ManifestRef:
    """Check everything once more and store the manifest.

    Args:
        storage: Where the parts lie.
        location: Folder of the run.
        options: What was asked for.
        fetched: What was fetched, one entry per kind.
        transformed: What was made of it; kinds that were not transformed are left out.

    Raises:
        Incomplete: If counts differ, a part is not what was stored, or two servers answered.
    """
    assets = {(one.kind, scope.database): scope for one in transformed for scope in one.scopes}
    scopes = [scope for one in fetched for scope in one.scopes]
    sources = [scope.source for scope in scopes if scope.source is not None]
    servers = {source.server_id for source in sources}
    if len(servers) > 1:
        raise Incomplete(
            f"the kinds were read from different servers: {', '.join(sorted(servers))}",
            hint="name the host of one server instead of an address that several share",
        )
    for scope in scopes:
        _check(scope, assets.get((scope.kind, scope.database)))
    parts = [part for scope in scopes for part in scope.parts]
    parts += [part for made in assets.values() for part in made.parts]
    for part in parts:
        _check_stored(storage, part)
    content = orjson.dumps(
        {
            "schema": SCHEMA,
            "run_id": location.run_id,
            "tenant": location.tenant,
            "app": location.app,
            "workflow_type": location.workflow_type,
            "created_at": datetime.now(UTC),
            "source": sources[0].model_dump() if sources else None,
            "filters": options.filters(),
            "scopes": [
                _scope(scope, assets.get((scope.kind, scope.database)), options) for scope in scopes
            ],
            "diff": None,
        },
        option=orjson.OPT_INDENT_2,
    )
    storage.put(location.manifest, content)
    return ManifestRef(
        key=location.manifest,
        url=storage.url_of(location.manifest),
        sha256=hashlib.sha256(content).hexdigest(),
        counts={one.kind: one.rows for one in fetched},
        parts=len(parts),
        total_bytes=sum(part.bytes for part in parts),
    )


def read_manifest(storage: Storage, key: str) -> dict[str, Any]:
    """Return a stored manifest.

    Raises:
        NotFound: If there is none: the run has not finished.
    """
    content: dict[str, Any] = orjson.loads(storage.get(key))
    return content


def _check(scope: KindResult, assets: KindAssets | None) -> None:
    name = f"{scope.kind} of {scope.database}"
    listed = sum(part.rows for part in scope.parts)
    if scope.status != "complete":
        raise Incomplete(f"{name}: {scope.status}: {scope.reason}")
    if not scope.planned == scope.read == scope.written == listed:
        raise Incomplete(
            f"{name}: planned {scope.planned}, read {scope.read}, written {scope.written}, "
            f"listed {listed}"
        )
    if assets is not None and not scope.written == assets.read == assets.written:
        raise Incomplete(
            f"{name}: {scope.written} rows were fetched, {assets.read} transformed, "
            f"{assets.written} written",
            hint="transform what the last fetch returned",
        )


def _check_stored(storage: Storage, part: PartInfo) -> None:
    """Check that an object is still the one that was counted and hashed."""
    try:
        stored = storage.head(part.key)
    except NotFound:
        raise Incomplete(f"{part.key} has gone from {storage.url}") from None
    if stored.size != part.bytes or (part.etag and stored.etag and stored.etag != part.etag):
        raise Incomplete(
            f"{part.key} was written again after it was counted",
            hint="run it again; another attempt of the same run may still have been at work",
        )


def _scope(
    scope: KindResult, assets: KindAssets | None, options: ExtractionOptions
) -> dict[str, Any]:
    return {
        "database": scope.database,
        "schema_set": list(options.include_schemas) or None,
        "kind": scope.kind,
        "status": scope.status,
        "reason": scope.reason,
        "planned": scope.planned,
        "read": scope.read,
        "written": scope.written,
        "snapshot": scope.snapshot,
        "taken_at": scope.taken_at,
        "parts": [_part(part) for part in scope.parts],
        "assets": None
        if assets is None
        else {"written": assets.written, "parts": [_part(part) for part in assets.parts]},
    }


def _part(part: PartInfo) -> dict[str, Any]:
    listed = part.model_dump(exclude={"etag"})  # a copy of the files has other ones
    if part.digest is None:
        del listed["digest"]
    return listed
