"""The diff of a run that is about to finish, against the last complete run of each scope."""

from collections.abc import Sequence
from typing import Any

from flowkeep.contracts.extraction import DiffCounts, FetchResult, KindResult, ScopeDiff
from flowkeep.errors import NotFound, SourceUnavailable
from flowkeep.extraction.metadata.baseline import NO_BASE, Baseline
from flowkeep.extraction.metadata.changes import changes_folder, write_changes
from flowkeep.extraction.metadata.comparison import HashCollision
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.manifest_file import ENTITY_SCHEMA
from flowkeep.extraction.metadata.parts import Damaged, delete_others
from flowkeep.extraction.metadata.scope_diff import Guard, Side, compare_scopes, removed_as, total
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage

_BASES = 4
"""How many bases in a row may vanish while they are being compared with."""


def diff_run(
    storage: Storage,
    location: RunLocation,
    options: ExtractionOptions,
    baseline: Baseline,
    scopes: Sequence[dict[str, Any]],
    fetched: Sequence[FetchResult],
) -> DiffCounts | None:
    """Compare every scope with its base, and write what differs.

    Args:
        storage: Where both runs lie.
        location: Folder of the run.
        options: Threshold and minimum of the guard.
        baseline: The earlier runs.
        scopes: The scopes of the manifest; each gets its `diff`.
        fetched: The same scopes as they were fetched.

    Returns:
        The sum; None when there was nothing to compare with.

    Raises:
        SourceUnavailable: If one base after another vanishes.
    """
    guard = Guard(options.removal_threshold, options.removal_minimum)
    raw = {(one.kind, scope.database): scope for one in fetched for scope in one.scopes}
    diffs = []
    for scope in scopes:
        place = (scope["kind"], scope["database"])
        side = _side(location, options, scope)
        diff = _diff_scope(storage, location, baseline, guard, side, raw[place])
        scope["diff"] = diff.model_dump(exclude={"parts": {"__all__": {"etag", "digest"}}})
        diffs.append(diff)
    return total(diffs)


def _diff_scope(
    storage: Storage,
    location: RunLocation,
    baseline: Baseline,
    guard: Guard,
    current: Side,
    raw: KindResult,
) -> ScopeDiff:
    for _ in range(_BASES):
        base = baseline.of(raw)
        if base is None:
            delete_others(storage, changes_folder(location, raw.kind, raw.database), set())
            return ScopeDiff(reason=NO_BASE)
        try:
            diff = _compare(storage, location, Side.of_base(base), current, guard, raw)
        except NotFound:
            diff = None
        except Damaged as error:
            if error.key not in base.assets:
                raise
            baseline.distrust(base, str(error))
            continue
        # A run takes its manifest back before it writes files again: they were what it lists.
        if diff is not None and baseline.still_there(base):
            return diff
        baseline.forget(base)
    raise SourceUnavailable(
        f"{raw.kind} of {raw.database}: the runs to compare with vanish one after another",
        hint="try again when they are not being deleted or repeated",
    )


def _compare(
    storage: Storage,
    location: RunLocation,
    base: Side,
    current: Side,
    guard: Guard,
    raw: KindResult,
) -> ScopeDiff:
    for seed in range(3):
        diff, found = compare_scopes(storage, base, current, guard, seed)
        if found is None:
            delete_others(storage, changes_folder(location, raw.kind, raw.database), set())
            return diff
        try:
            parts = write_changes(
                storage, location, raw.kind, raw.database, found, removed_as(diff)
            )
        except HashCollision:
            continue
        return diff.model_copy(update={"parts": parts})
    raise HashCollision("names collide under every seed", hint="report this")


def _side(location: RunLocation, options: ExtractionOptions, scope: dict[str, Any]) -> Side:
    manifest = {
        "run_id": location.run_id,
        "source": None,
        "entity_schema": ENTITY_SCHEMA,
        "filters": options.filters(),
    }
    return Side.of(manifest, scope)
