"""What a finished run leaves in the baseline: its complete scopes, in one small object."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

SCHEMA = 1
"""Version of the object's shape; those of another one are not read."""
KEEP = 5
"""Runs of a scope that stay listed: when the newest has been deleted, the next one serves."""


def baseline_entry(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return what a finished run leaves for later ones.

    Only complete scopes with entities are in it, and none whose removals were withheld: those are
    compared with the same base again, until somebody has looked at them.

    Args:
        manifest: Content of the run's manifest.
        key: Key of the manifest.
    """
    return {
        "schema": SCHEMA,
        "run_id": manifest["run_id"],
        "manifest": key,
        "inputs": manifest["inputs"],
        "entity_schema": manifest["entity_schema"],
        "selection": manifest["databases"],
        "scopes": [
            {
                "kind": scope["kind"],
                "database": scope["database"],
                "taken_at": scope["taken_at"],
                "taken_until": scope.get("taken_until"),
                "role": scope["role"],
                "visibility": scope["visibility"],
                "statement": scope["statement"],
                "rows": scope["written"],
            }
            for scope in manifest["scopes"]
            if scope["status"] == "complete"
            and scope["assets"] is not None
            and not scope["diff"]["withheld"]
        ],
    }


def check_entry(entry: dict[str, Any]) -> None:
    """Touch every field, so that an object of another shape is noticed here.

    Raises:
        KeyError: If a field is missing.
        TypeError: If it is not a mapping of lists of mappings.
        ValueError: If a value does not fit.
    """
    if not entry["scopes"]:
        raise ValueError("it lists no scopes")
    for name in ("run_id", "manifest", "inputs", "entity_schema", "selection"):
        entry[name]
    for one in entry["scopes"]:
        if datetime.fromisoformat(one["taken_at"]).tzinfo is None:
            raise ValueError("a time has no zone")
        for name in ("kind", "database", "role", "visibility", "statement", "rows"):
            one[name]


def newest_snapshot(entry: Mapping[str, Any]) -> datetime:
    """Return when the last of an entry's snapshots began."""
    return max(datetime.fromisoformat(one["taken_at"]) for one in entry["scopes"])


def superseded(entries: list[dict[str, Any]]) -> list[str]:
    """Return the runs that are not among the newest `KEEP` of any scope."""
    times: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for entry in entries:
        for one in entry["scopes"]:
            place = times.setdefault((one["kind"], one["database"]), [])
            place.append((datetime.fromisoformat(one["taken_at"]), entry["run_id"]))
    needed = {run for place in times.values() for _, run in sorted(place)[-KEEP:]}
    return [entry["run_id"] for entry in entries if entry["run_id"] not in needed]
