"""The manifest of a query extraction: written last, so its presence means that all is there.

It has the shape of a catalogue's manifest, so that the same programs verify it, and beside the
kinds it lists what became of every window.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flowkeep.contracts.extraction import KindAssets, KindResult, PartInfo
from flowkeep.contracts.query_extraction import QueryExtractionResult
from flowkeep.extraction.logs.fetch import Receipt
from flowkeep.extraction.logs.plan_file import PlanFile
from flowkeep.extraction.logs.sources.base import Window
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.manifest_file import ENTITY_SCHEMA, SCHEMA
from flowkeep.extraction.metadata.warnings import shortened
from flowkeep.storage import Storage

_STATUSES = ("parsed", "utility", "failed", "unparsed")


def window_entry(window: Window, receipt: Receipt, statuses: Mapping[str, int]) -> dict[str, Any]:
    """Return what the manifest says of a window.

    Args:
        window: As it was planned.
        receipt: What was read.
        statuses: How many of its statements ended with which status.
    """
    parts = [part for part in (receipt.usage, receipt.shapes) if part is not None]
    return {
        "number": receipt.number,
        "where": window.where,
        "late": receipt.late,
        "planned": receipt.planned,
        "unit": receipt.unit,
        "fetched": receipt.read,
        "fetched_bytes": receipt.bytes,
        "statements": receipt.statements,
        "reduced": sum(statuses.values()),
        **{name: statuses.get(name, 0) for name in _STATUSES},
        "rejected": receipt.rejected,
        "rejections": receipt.rejections,
        "repeated": receipt.repeated,
        "other": receipt.other,
        "notes": receipt.notes,
        "parts": [_part(part) for part in parts],
    }


def content(
    run: RunLocation,
    plan: PlanFile,
    receipts: Sequence[Receipt],
    windows: Sequence[dict[str, Any]],
    written: Sequence[tuple[KindResult, KindAssets]],
    *,
    namespace: str,
    statements: Mapping[str, int],
    failures: Mapping[str, dict[str, Any]],
    exports: Sequence[PartInfo],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return what the manifest says.

    Args:
        run: The run.
        plan: Its plan.
        receipts: Those of all windows.
        windows: Their entries.
        written: The kinds and their entities.
        namespace: First part of qualified names.
        statements: How many statements ended with which status.
        failures: Reason to what is known of it.
        exports: Other files.
        warnings: One sentence each.
    """
    return {
        "schema": SCHEMA,
        "entity_schema": ENTITY_SCHEMA,
        "run_id": run.run_id,
        "tenant": run.tenant,
        "app": run.app,
        "workflow_type": run.workflow_type,
        "created_at": datetime.now(UTC),
        "namespace": namespace,
        "logs": {
            "source": plan.source,
            "identity": plan.identity,
            "dialect": plan.dialect,
            "since": plan.since,
            "until": plan.until,
            "base_run_id": plan.base.run_id,
            "base_manifest": plan.base.manifest,
            "catalogue": plan.catalogue,
            "planned": plan.planned,
            "unit": plan.unit,
            "fetched": sum(receipt.read for receipt in receipts),
            "statements": sum(receipt.statements for receipt in receipts),
            "rejected": sum(receipt.rejected for receipt in receipts),
            "repeated": sum(receipt.repeated for receipt in receipts),
            **{name: statements[name] for name in _STATUSES},
            "failures": sorted(failures.values(), key=lambda one: str(one["reason"])),
        },
        "windows": list(windows),
        "scopes": [_scope(result, assets) for result, assets in written],
        "exports": [_part(part) for part in exports],
        "warnings": list(warnings),
        "diff": None,
    }


def result_of(storage: Storage, key: str, found: Mapping[str, Any]) -> QueryExtractionResult:
    """Return what a run answers with, from its manifest.

    Args:
        storage: Where the manifest lies.
        key: Its key.
        found: What it says.
    """
    logs = found["logs"]
    parts = list(found["exports"])
    for scope in found["scopes"]:
        parts += [*scope["parts"], *scope["assets"]["parts"]]
    for window in found["windows"]:
        parts += window["parts"]
    return QueryExtractionResult(
        key=key,
        url=storage.url_of(key),
        sha256=storage.sha256(key),
        counts={scope["kind"]: scope["written"] for scope in found["scopes"]},
        parts=len(parts),
        total_bytes=sum(part["bytes"] for part in parts),
        windows=len(found["windows"]),
        warnings=shortened(found["warnings"]),
        **{name: logs[name] for name in ("statements", "rejected", "failed", "since", "until")},
    )


def _scope(result: KindResult, assets: KindAssets) -> dict[str, Any]:
    return {
        "database": result.database,
        "kind": result.kind,
        "status": result.status,
        "reason": result.reason,
        "planned": result.planned,
        "read": result.read,
        "written": result.written,
        "taken_at": result.taken_at,
        "parts": [_part(part) for part in result.parts],
        "assets": {"written": assets.written, "parts": [_part(part) for part in assets.parts]},
        "diff": None,
    }


def _part(part: PartInfo) -> dict[str, Any]:
    listed = part.model_dump(exclude={"etag"})  # a copy of the files has other ones
    if part.digest is None:
        del listed["digest"]
    return listed
