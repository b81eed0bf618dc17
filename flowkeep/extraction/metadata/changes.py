"""The files that name what differs from the run before: one row for each object."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flowkeep.contracts.extraction import PartInfo
from flowkeep.errors import NotFound
from flowkeep.extraction.metadata.comparison import Comparison
from flowkeep.extraction.metadata.keys import RunLocation, database_hash
from flowkeep.extraction.metadata.parts import PartWriter, delete_others, read_tables
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment


def changes_folder(location: RunLocation, kind: str, database: str) -> str:
    """Return the folder of the changes of one kind of one database."""
    return f"{location.prefix}/changes/{safe_segment(kind)}/{database_hash(database)}"


def write_changes(
    storage: Storage,
    location: RunLocation,
    kind: str,
    database: str,
    comparison: Comparison,
    removed_as: str | None,
) -> list[PartInfo]:
    """Write what differs in one scope to Parquet parts.

    Args:
        storage: Where they go.
        location: Folder of the run.
        kind: Kind of object.
        database: Its database.
        comparison: What differs.
        removed_as: What stands under `change` for removed objects; None leaves them out.

    Returns:
        The parts, none when nothing differs; what an earlier attempt wrote beside them is deleted.
    """
    folder = changes_folder(location, kind, database)
    writer = PartWriter(storage, lambda number: f"{folder}/part-{number:05d}.parquet")
    with _abandoned_on_error(writer):
        for rows in comparison.rows(removed_as=removed_as):
            writer.write(rows.to_arrow())
        writer.finish()
    delete_others(storage, folder, {part.key for part in writer.parts})
    return writer.parts


def read_changes(
    storage: Storage, manifest: Mapping[str, Any], kind: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what a finished run found different from the run before.

    Args:
        storage: Where the run lies.
        manifest: Content of its manifest.
        kind: Only this one; all when None.

    Yields:
        `kind`, `database`, `change` (added, changed, removed, withheld), `typeName`,
        `qualifiedName`, `guid`, `contentHashBefore` and `contentHashAfter`.

    Raises:
        NotFound: If a file of the manifest is gone.
    """
    for scope in manifest["scopes"]:
        if kind not in (None, scope["kind"]):
            continue
        for part in (scope.get("diff") or {}).get("parts", ()):
            for table in read_tables(storage, part["key"]):
                for row in table.to_pylist():
                    yield {"kind": scope["kind"], "database": scope["database"], **row}


def count_changes(storage: Storage, parts: list[dict[str, Any]]) -> dict[str, int]:
    """Return how often each word stands under `change` in some files."""
    counts: dict[str, int] = {}
    for part in parts:
        try:
            for table in read_tables(storage, part["key"], ["change"]):
                for entry in table.column("change").value_counts().to_pylist():
                    counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
        except NotFound:
            continue  # reported where files are checked
    return counts


@contextmanager
def _abandoned_on_error(writer: PartWriter) -> Iterator[None]:
    try:
        yield
    except BaseException:
        writer.abandon()
        raise
