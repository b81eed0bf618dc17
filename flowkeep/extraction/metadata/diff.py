"""Comparing any two finished runs, from their files alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowkeep.contracts.extraction import DiffCounts, ScopeDiff
from flowkeep.extraction.metadata.baseline import scope_key_of
from flowkeep.extraction.metadata.comparison import Comparison
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.scope_diff import Side, compare_scopes, removed_as, total
from flowkeep.storage import Storage


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """One scope of a report.

    Attributes:
        kind: Kind of object.
        database: Its database.
        diff: The counts.
    """

    kind: str
    database: str
    diff: ScopeDiff


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What differs between two finished runs.

    Attributes:
        base_run_id: The run before.
        run_id: The run now.
        scopes: One entry per kind and database that either run has.
        total: Their sum; None when nothing could be compared.
    """

    base_run_id: str
    run_id: str
    scopes: list[ScopeReport]
    total: DiffCounts | None
    _comparisons: list[Comparison | None] = field(repr=False)

    def changes(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield each object that differs, as `read_changes` does; reads the files again.

        Args:
            kind: Only this one; all when None.

        Raises:
            NotFound: If a file of either run is gone.
        """
        for scope, comparison in zip(self.scopes, self._comparisons, strict=True):
            if comparison is None or kind not in (None, scope.kind):
                continue
            for rows in comparison.rows(removed_as=removed_as(scope.diff)):
                for row in rows.iter_rows(named=True):
                    yield {"kind": scope.kind, "database": scope.database, **row}


def diff_manifests(storage: Storage, base_key: str, key: str) -> DiffReport:
    """Compare any two finished runs, from their files alone.

    Nothing is withheld here: the threshold guards what runs say by themselves.

    Args:
        storage: Where both lie.
        base_key: Key of the manifest of the run before.
        key: Key of the manifest of the run now.

    Raises:
        NotFound: If a manifest or a file that it lists is gone.
        Incomplete: If a run names an object twice.
    """
    base, current = read_manifest(storage, base_key), read_manifest(storage, key)
    obstacle = _runs_obstacle(base, current)
    before = {(one["kind"], one["database"]): one for one in base["scopes"]}
    now = {(one["kind"], one["database"]): one for one in current["scopes"]}
    scopes: list[ScopeReport] = []
    comparisons: list[Comparison | None] = []
    for place in dict.fromkeys((*now, *before)):
        comparison = None
        if obstacle is not None:
            diff = ScopeDiff(reason=obstacle)
        elif place not in before or place not in now:
            which = base if place not in before else current
            diff = ScopeDiff(reason=f"run {which['run_id']} did not read it")
        else:
            diff, comparison = compare_scopes(
                storage, Side.of(base, before[place]), Side.of(current, now[place])
            )
        scopes.append(ScopeReport(*place, diff))
        comparisons.append(comparison)
    whole = total([one.diff for one in scopes])
    return DiffReport(base["run_id"], current["run_id"], scopes, whole, comparisons)


def namespace_of(manifest: Mapping[str, Any]) -> str:
    """Return the first part of a run's qualified names."""
    source = manifest["source"] or {}
    return str(manifest.get("namespace") or source.get("namespace") or "")


def _runs_obstacle(base: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
    before, now = namespace_of(base), namespace_of(current)
    if before != now:
        return f"the runs have different namespaces: {before} and {now}"
    if scope_key_of(now, base["filters"]) != scope_key_of(now, current["filters"]):
        return "the runs have different filters"
    return None
