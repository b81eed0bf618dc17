"""Checking what a run says of the difference to the run before."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowkeep.contracts.extraction import ScopeDiff
from flowkeep.errors import Incomplete, NotFound
from flowkeep.extraction.metadata.changes import count_changes
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.scope_diff import Side, compare_scopes, total
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment

_COUNTS = ("added", "changed", "unchanged")


def verify_diff(storage: Storage, key: str, manifest: Mapping[str, Any]) -> list[str]:
    """Compare counts with the files that name what differs, and with a comparison made anew.

    Args:
        storage: Where the run and its base lie.
        key: Key of the manifest.
        manifest: Its content.

    Returns:
        One sentence per difference. A base that has been deleted, or repeated, since proves
        nothing and is passed over.
    """
    problems: list[str] = []
    bases: dict[str, Mapping[str, Any] | None] = {}
    diffs = []
    for scope in manifest["scopes"]:
        if scope.get("diff") is None:
            continue  # written before runs were compared
        diff = ScopeDiff.model_validate(scope["diff"])
        diffs.append(diff)
        name = f"{scope['kind']} of {scope['database']}"
        problems += [f"{name}: {one}" for one in _verify_names(storage, scope, diff)]
        run_id = diff.base_run_id
        if run_id is None:
            continue
        if run_id not in bases:
            bases[run_id] = _base(storage, key, run_id)
        problems += [
            f"{name}: {one}"
            for one in _verify_counts(storage, manifest, scope, diff, bases[run_id])
        ]
    whole = total(diffs)
    if diffs and manifest["diff"] != (whole.model_dump() if whole else None):
        problems.append("the diff of the run is not the sum of its scopes")
    return problems


def _verify_names(storage: Storage, scope: Mapping[str, Any], diff: ScopeDiff) -> Iterator[str]:
    named = count_changes(storage, scope["diff"]["parts"])
    counted = {
        "added": diff.added or 0,
        "changed": diff.changed or 0,
        "removed": diff.removed or 0,
        "withheld": diff.withheld,
    }
    for change in dict.fromkeys((*counted, *named)):
        if named.get(change, 0) != counted.get(change, 0):
            yield (
                f"{counted.get(change, 0)} objects are {change}, the files name "
                f"{named.get(change, 0)}"
            )


def _verify_counts(
    storage: Storage,
    manifest: Mapping[str, Any],
    scope: Mapping[str, Any],
    diff: ScopeDiff,
    base: Mapping[str, Any] | None,
) -> Iterator[str]:
    before = [
        one
        for one in (base["scopes"] if base else ())
        if (one["kind"], one["database"]) == (scope["kind"], scope["database"])
    ]
    if base is None or not before or before[0]["taken_at"] != scope["diff"]["base_taken_at"]:
        return
    try:
        again, _ = compare_scopes(storage, Side.of(base, before[0]), Side.of(manifest, scope))
    except NotFound:
        return  # the base is being deleted
    except Incomplete as error:
        yield f"comparing it with run {diff.base_run_id} failed: {error}"
        return
    for name in _COUNTS:
        if getattr(again, name) != getattr(diff, name):
            yield (
                f"{getattr(diff, name)} objects are {name}, a comparison with run "
                f"{diff.base_run_id} finds {getattr(again, name)}"
            )
    gone = diff.withheld or diff.removed
    if again.removed != gone:
        yield (
            f"{gone} objects are removed or withheld, a comparison with run "
            f"{diff.base_run_id} finds {again.removed}"
        )


def _base(storage: Storage, key: str, run_id: str) -> Mapping[str, Any] | None:
    """Return the manifest of another run of the same workflow, if it is still there."""
    folder = key.rsplit("/", 2)[0]
    try:
        return read_manifest(storage, f"{folder}/{safe_segment(run_id)}/manifest.json")
    except (NotFound, Incomplete):
        return None
