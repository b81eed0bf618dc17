"""Reading a bundle back: every byte against the manifest, every row against its runs."""

import hashlib
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from flowkeep.contracts.archive import Bundle
from flowkeep.errors import NotFound
from flowkeep.statestore.archive import bundles
from flowkeep.statestore.archive.manifest import Manifest, damaged, row_set
from flowkeep.statestore.archive.parts import PARTS, PAYLOADS, RUNS, Part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

MEMBERS = ["id", "family", "revision", "seal"]
"""Columns of the runs that deleting and verifying compare with the ledger."""


def check(storage: Storage, bundle: Bundle, stop: threading.Event) -> "pa.Table":
    """Check all objects of a bundle and return the columns `MEMBERS` of its runs.

    Raises:
        Incomplete: If the manifest or a part is missing or altered, or a row belongs to no run.
        SourceUnavailable: If the storage is away.
    """
    manifest = bundles.manifest_of(storage, bundle)
    return check_parts(storage, bundle.prefix, manifest, stop)


def check_parts(
    storage: Storage,
    prefix: str,
    manifest: Manifest,
    stop: threading.Event,
    keep: Callable[[Part, IO[bytes]], None] | None = None,
) -> "pa.Table":
    """Check the parts of a bundle against its manifest; see `check`.

    Args:
        storage: Where bundles lie.
        prefix: The bundle's folder.
        manifest: Its manifest.
        stop: When set, no further part is read.
        keep: Takes over the local copy of each part; else they are closed.
    """
    members = None
    for part in PARTS:
        if stop.is_set():
            raise InterruptedError
        with ExitStack() as undo:
            file = undo.enter_context(tempfile.TemporaryFile(prefix="flowkeep-archive-"))
            _fetch(storage, prefix, manifest, part, file)
            if members is None:
                members = _members(storage, prefix, manifest, file)
            else:
                _check_rows(storage, prefix, manifest, part, file, members)
            if keep is not None:
                keep(part, file)
                undo.pop_all()
    assert members is not None
    return members


def _fetch(storage: Storage, prefix: str, manifest: Manifest, part: Part, file: IO[bytes]) -> None:
    """Copy a part into a local file, if its bytes are those that the manifest names."""
    key, facts = f"{prefix}/{part.file}", manifest.parts[part.name]
    digest, size = hashlib.sha256(), 0
    try:
        for piece in storage.chunks(key):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
    except NotFound:
        raise damaged(f"{storage.url_of(key)} is missing") from None
    if size != facts.bytes or digest.hexdigest() != facts.sha256:
        raise damaged(f"{storage.url_of(key)} was altered after it was published")
    file.seek(0)


def _members(storage: Storage, prefix: str, manifest: Manifest, file: IO[bytes]) -> "pa.Table":
    """Return the runs of a bundle after checking that they are its own."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    runs = pq.read_table(file, columns=[*MEMBERS, "tenant_id"])
    key = storage.url_of(f"{prefix}/{RUNS.file}")
    if runs.num_rows != manifest.runs or row_set(runs) != manifest.row_set:
        raise damaged(f"{key} holds other runs than the manifest names")
    if pc.count_distinct(runs.column("id")).as_py() != runs.num_rows:
        raise damaged(f"{key} holds a run twice")
    if not pc.all(pc.equal(runs.column("tenant_id"), manifest.tenant)).as_py():
        raise damaged(f"{key} holds runs of another tenant than {manifest.tenant!r}")
    return runs.select(MEMBERS)


def _check_rows(
    storage: Storage,
    prefix: str,
    manifest: Manifest,
    part: Part,
    file: IO[bytes],
    members: "pa.Table",
) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    key = storage.url_of(f"{prefix}/{part.file}")
    found = pq.ParquetFile(file)
    if found.metadata.num_rows != manifest.parts[part.name].rows:
        raise damaged(f"{key} has {found.metadata.num_rows} rows, not what the manifest names")
    if part is PAYLOADS:
        return
    ids = members.column("id").combine_chunks()
    for group in range(found.num_row_groups):
        column = pc.unique(found.read_row_group(group, columns=[part.key]).column(part.key))
        if not pc.all(pc.is_in(column, value_set=ids)).as_py():
            raise damaged(f"{key} holds rows of a run that is not in the bundle")
