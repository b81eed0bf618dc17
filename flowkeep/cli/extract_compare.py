"""What `flowkeep extract diff` shows: a run's own record, or two runs compared from their files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowkeep.cli.extract_changes import Compared, Shown
from flowkeep.cli.extract_place import Place
from flowkeep.contracts.extraction import ScopeDiff
from flowkeep.errors import InvalidInput
from flowkeep.extraction.metadata.changes import read_changes
from flowkeep.extraction.metadata.diff import diff_manifests

Changes = Iterator[Mapping[str, Any]]


def recorded(
    place: Place, manifest: Mapping[str, Any], kinds: set[str], changes: set[str]
) -> Shown:
    """Return what a run found different from the run before when it ended.

    Args:
        place: Where its manifest lies.
        manifest: Its content.
        kinds: Kinds that are wanted; all when empty.
        changes: Changes that are wanted; all when empty.

    Raises:
        InvalidInput: If the run has no such kind.
    """
    scopes = _of_kinds(
        [
            Compared(
                one["kind"],
                one["database"],
                ScopeDiff.model_validate(one.get("diff") or {"reason": "it was not compared"}),
            )
            for one in manifest["scopes"]
        ],
        kinds,
    )
    rows = (
        row
        for kind in dict.fromkeys(one.kind for one in scopes)
        for row in read_changes(place.storage, manifest, kind)
    )
    return Shown(manifest["run_id"], _bases(scopes), scopes, _wanted(rows, changes))


def compare(base: Place, new: Place, kinds: set[str], changes: set[str]) -> Shown:
    """Compare any two finished runs of one storage.

    Args:
        base: Manifest of the run before.
        new: Manifest of the run now.
        kinds: Kinds that are wanted; all when empty.
        changes: Changes that are wanted; all when empty.

    Raises:
        InvalidInput: If they lie in different storages, or neither run has such a kind.
    """
    if base.storage.url != new.storage.url:
        raise InvalidInput(
            f"the runs lie in different storages, {base.storage.url} and {new.storage.url}",
            hint="copy one of them into the storage of the other",
        )
    report = diff_manifests(new.storage, base.key, new.key)
    scopes = _of_kinds([Compared(one.kind, one.database, one.diff) for one in report.scopes], kinds)
    rows = (
        row for kind in dict.fromkeys(one.kind for one in scopes) for row in report.changes(kind)
    )
    return Shown(report.run_id, _bases(scopes), scopes, _wanted(rows, changes))


def _of_kinds(scopes: list[Compared], kinds: set[str]) -> list[Compared]:
    known = dict.fromkeys(one.kind for one in scopes)
    unknown = sorted(kinds - known.keys())
    if unknown:
        raise InvalidInput(
            f"there are no {', '.join(unknown)} in this run", hint=f"it has {', '.join(known)}"
        )
    return [one for one in scopes if not kinds or one.kind in kinds]


def _bases(scopes: Iterable[Compared]) -> list[str]:
    found = (one.diff.base_run_id for one in scopes)
    return sorted({run for run in found if run is not None})


def _wanted(rows: Changes, changes: set[str]) -> Changes:
    return (row for row in rows if not changes or row["change"] in changes)
