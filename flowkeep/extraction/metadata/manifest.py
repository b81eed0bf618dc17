"""The manifest of a run: written last, so its presence means that everything it lists is there."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from flowkeep.contracts.extraction import (
    DiffCounts,
    FetchResult,
    KindAssets,
    KindResult,
    ManifestRef,
    PartInfo,
    TransformResult,
    UnresolvedReference,
)
from flowkeep.errors import Incomplete, NotFound
from flowkeep.extraction.metadata.baseline import Baseline, scope_key
from flowkeep.extraction.metadata.baseline_entry import baseline_entry
from flowkeep.extraction.metadata.completeness import (
    check_counts,
    check_databases,
    check_names,
    check_server,
    check_stored,
)
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.manifest_file import ENTITY_SCHEMA, SCHEMA, read_manifest
from flowkeep.extraction.metadata.run_diff import diff_run
from flowkeep.extraction.metadata.warnings import shortened, warnings_of
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage

Export = Callable[[Mapping[tuple[str, str], Sequence[str]]], Sequence[PartInfo]]
"""Gets kind and database to the keys of the files that name what differs; returns its files."""

__all__ = ["ENTITY_SCHEMA", "SCHEMA", "read_manifest", "write_manifest"]


def write_manifest(
    storage: Storage,
    location: RunLocation,
    options: ExtractionOptions,
    fetched: Sequence[FetchResult],
    transformed: Sequence[TransformResult],
    *,
    unresolved: Sequence[UnresolvedReference] = (),
    export: Export | None = None,
) -> ManifestRef:
    """Check everything once more, compare with the run before, and store the manifest.

    Called again with the same results, after the manifest was written, it changes nothing and
    returns the same reference.

    Args:
        storage: Where the parts lie.
        location: Folder of the run.
        options: What was asked for.
        fetched: What was fetched, one entry per kind.
        transformed: What was made of it; kinds that were not transformed are left out.
        unresolved: References without a target.
        export: Writes other files that the manifest is to list, once it is known what differs.

    Raises:
        Incomplete: If counts differ, a part is not what was stored, two entities share a name, or
            two servers answered.
    """
    namespace = _namespace(options, fetched)
    inputs = _digest([*fetched, *transformed])
    content = _written_before(storage, location, inputs)
    baseline = Baseline.find(storage, location, scope_key(namespace, options))
    if content is None:
        made = {(one.kind, scope.database): scope for one in transformed for scope in one.scopes}
        _check(storage, location, fetched, made)
        content = _content(location, options, fetched, made)
        content |= {
            "namespace": namespace,
            "inputs": inputs,
            "unresolved": [one.model_dump() for one in unresolved],
        }
        diff = diff_run(storage, location, options, baseline, content["scopes"], fetched)
        content["diff"] = diff.model_dump() if diff else None
        exported = export(_changes(content["scopes"])) if export else []
        content["exports"] = [_part(part) for part in exported]
        content["warnings"] = warnings_of(content, baseline)
        storage.put(location.manifest, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    content = orjson.loads(storage.get(location.manifest))
    baseline.advance(baseline_entry(content, location.manifest))
    return _reference(storage, location, content)


def _check(
    storage: Storage,
    location: RunLocation,
    fetched: Sequence[FetchResult],
    made: dict[tuple[str, str], KindAssets],
) -> None:
    scopes = [scope for one in fetched for scope in one.scopes]
    check_server(scope.source for scope in scopes if scope.source is not None)
    check_databases(fetched)
    for scope in scopes:
        check_counts(scope, made.get((scope.kind, scope.database)))
    parts = [part for scope in scopes for part in scope.parts]
    parts += [part for assets in made.values() for part in assets.parts]
    check_stored(storage, location.prefix, parts)
    check_names(
        storage,
        {
            f"{kind} of {database}": [
                part.key for part in assets.parts if part.key.endswith(".parquet")
            ]
            for (kind, database), assets in made.items()
        },
    )


def _content(
    location: RunLocation,
    options: ExtractionOptions,
    fetched: Sequence[FetchResult],
    made: dict[tuple[str, str], KindAssets],
) -> dict[str, Any]:
    scopes = [scope for one in fetched for scope in one.scopes]
    sources = [scope.source for scope in scopes if scope.source is not None]
    return {
        "schema": SCHEMA,
        "entity_schema": ENTITY_SCHEMA,
        "run_id": location.run_id,
        "tenant": location.tenant,
        "app": location.app,
        "workflow_type": location.workflow_type,
        "created_at": datetime.now(UTC),
        "source": sources[0].model_dump() if sources else None,
        "filters": options.filters(),
        "databases": [
            rule.model_dump(mode="json", by_alias=True, exclude_none=True)
            for rule in options.rules
            if rule.level == "database"
        ],
        "scopes": [
            _scope(scope, made.get((scope.kind, scope.database)), options) for scope in scopes
        ],
        "not_applicable": {
            one.kind: one.not_applicable for one in fetched if one.not_applicable is not None
        },
    }


def _scope(
    scope: KindResult, assets: KindAssets | None, options: ExtractionOptions
) -> dict[str, Any]:
    return {
        "database": scope.database,
        "schema_set": _schema_set(options, scope.database),
        "kind": scope.kind,
        "status": scope.status,
        "reason": scope.reason,
        "planned": scope.planned,
        "read": scope.read,
        "written": scope.written,
        "snapshot": scope.snapshot,
        "taken_at": scope.taken_at,
        "taken_until": scope.taken_until,
        "role": scope.source.role if scope.source else None,
        "visibility": scope.visibility,
        "statement": scope.statement,
        "parts": [_part(part) for part in scope.parts],
        "assets": None
        if assets is None
        else {"written": assets.written, "parts": [_part(part) for part in assets.parts]},
    }


def _schema_set(options: ExtractionOptions, database: str) -> list[str] | None:
    """Return the schemas by name, when the filters name all of them."""
    rules = [
        rule
        for rule in options.rules
        if rule.level == "schema" and rule.action == "include" and rule.concerns(database)
    ]
    if not rules or any(rule.match != "exact" for rule in rules):
        return None
    return [rule.value for rule in rules]


def _part(part: PartInfo) -> dict[str, Any]:
    listed = part.model_dump(exclude={"etag"})  # a copy of the files has other ones
    if part.digest is None:
        del listed["digest"]
    return listed


def _namespace(options: ExtractionOptions, fetched: Sequence[FetchResult]) -> str:
    """Return the first part of every qualified name; empty when no session came about."""
    sources = [scope.source for one in fetched for scope in one.scopes if scope.source]
    return options.namespace or (sources[0].namespace if sources else "")


def _changes(scopes: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """Return the files that name what differs, for each scope that could be compared."""
    return {
        (scope["kind"], scope["database"]): [part["key"] for part in scope["diff"]["parts"]]
        for scope in scopes
        if scope["diff"]["base_run_id"] is not None
    }


def _digest(results: Sequence[FetchResult | TransformResult]) -> str:
    digest = hashlib.sha256()
    for one in results:
        digest.update(one.model_dump_json().encode() + b"\n")
    return digest.hexdigest()


def _written_before(storage: Storage, location: RunLocation, inputs: str) -> dict[str, Any] | None:
    """Return the manifest that an earlier attempt wrote of the same results."""
    try:
        content = read_manifest(storage, location.manifest)
    except (NotFound, Incomplete):
        return None
    return content if content.get("inputs") == inputs else None


def _reference(storage: Storage, location: RunLocation, content: dict[str, Any]) -> ManifestRef:
    counts: dict[str, int] = {}
    parts: list[dict[str, Any]] = list(content["exports"])
    for scope in content["scopes"]:
        counts[scope["kind"]] = counts.get(scope["kind"], 0) + scope["written"]
        assets = scope["assets"]["parts"] if scope["assets"] else []
        parts += [*scope["parts"], *assets, *scope["diff"]["parts"]]
    return ManifestRef(
        key=location.manifest,
        url=storage.url_of(location.manifest),
        sha256=storage.sha256(location.manifest),
        counts=counts,
        parts=len(parts),
        total_bytes=sum(part["bytes"] for part in parts),
        diff=DiffCounts.model_validate(content["diff"]) if content["diff"] else None,
        warnings=shortened(content["warnings"]),
    )
