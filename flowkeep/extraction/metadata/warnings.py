"""What somebody should know about a run that succeeded."""

from collections.abc import Mapping
from typing import Any

from flowkeep.extraction.metadata.baseline import NO_BASE, Baseline

_EVERYTHING = "all"
"""Visibility of roles from whom nothing is hidden."""
_MOST = 20
"""Sentences that travel with the result; the manifest has all."""


def warnings_of(manifest: Mapping[str, Any], baseline: Baseline) -> list[str]:
    """Return one sentence for each thing that is not complete or was held back.

    Args:
        manifest: Its content.
        baseline: The earlier runs of the scope.
    """
    scopes = manifest["scopes"]
    return [
        *_incomplete(scopes),
        *_hidden(scopes),
        *_removals(scopes),
        *_gone(manifest, baseline),
        *_unresolved(manifest),
        *baseline.problems,
    ]


def shortened(warnings: list[str]) -> list[str]:
    """Return the first of many sentences, and how many there are beside them."""
    if len(warnings) <= _MOST:
        return list(warnings)
    more = len(warnings) - _MOST
    return [*warnings[:_MOST], f"and {more} more warnings, which the manifest lists"]


def _incomplete(scopes: list[dict[str, Any]]) -> list[str]:
    """Kinds that share a database and a reason share a sentence."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for scope in scopes:
        if scope["status"] != "complete":
            place = (scope["database"], scope["status"], scope["reason"])
            groups.setdefault(place, []).append(scope["kind"])
    return [
        f"{', '.join(kinds)} of {database}: {status}: {reason}"
        for (database, status, reason), kinds in groups.items()
    ]


def _hidden(scopes: list[dict[str, Any]]) -> list[str]:
    """Say once per database and role what a count cannot tell: how much there is beside it."""
    seen = {
        (scope["database"], scope["role"]): scope["visibility"]
        for scope in scopes
        if scope["role"] is not None and scope["visibility"] != _EVERYTHING
    }
    return [
        f"{database} was read as {role or 'the default role'}, who may not see everything "
        f"(visibility: {visibility}): objects that the source hides are not extracted; "
        "the preflight says which rights are missing"
        for (database, role), visibility in seen.items()
    ]


def _removals(scopes: list[dict[str, Any]]) -> list[str]:
    found = []
    for scope in scopes:
        diff = scope["diff"]
        if diff["reason"] == NO_BASE or diff["removed"] is not None:
            continue
        if scope["status"] != "complete":
            continue  # said already
        base = diff["base_run_id"]
        how = f"compared with run {base}" if base else "not compared with the run before"
        sentence = f"{scope['kind']} of {scope['database']}, {how}: {diff['reason']}"
        if diff["withheld"]:
            sentence += "; if they are right, run once with metadata.removal_threshold = 1.0"
        else:
            sentence += ", so nobody knows what was removed"
        found.append(sentence)
    return found


def _gone(manifest: Mapping[str, Any], baseline: Baseline) -> list[str]:
    here = [scope["database"] for scope in manifest["scopes"]]
    return [
        f"database {name} was in the last run, with {rows} objects, and is not visible any more: "
        "nothing of it is reported as removed"
        for name, rows in baseline.gone_databases(manifest["databases"], here).items()
    ]


def _unresolved(manifest: Mapping[str, Any]) -> list[str]:
    return [
        f"{one['count']} {' or '.join(one['targets'])} that {one['kind']} of {one['database']} "
        f"point to ({one['reference']}): {one['reason']}, for example {', '.join(one['examples'])}"
        for one in manifest["unresolved"]
        if one["expected"]
    ]
