"""The manifest: what a bundle says of its own files, written when all of them are stored."""

import hashlib
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from pydantic import Field, ValidationError

from flowkeep.contracts.record import Record
from flowkeep.errors import Incomplete, NotFound
from flowkeep.statestore.archive.parts import MANIFEST, PARTS, RUNS
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "flowkeep.archive/1"
"""Layout of bundles that this version writes and reads."""
_MOST_BYTES = 1024 * 1024


class PartFacts(Record):
    """What one file must be: rows, bytes, and SHA-256 of the file as hexadecimal."""

    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(Record):
    """What a bundle holds.

    Attributes:
        bundle: The bundle's id.
        shard: Its number in its month.
        runs: Runs in it.
        row_set: SHA-256 over the lines `id revision seal` of its runs, by id.
        flowkeep: Version that wrote it.
        migration: Of the ledger it was written from.
    """

    schema_: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    bundle: UUID
    tenant: str
    month: date
    shard: int
    runs: int
    row_set: str
    parts: dict[str, PartFacts]
    flowkeep: str
    migration: str
    created_at: datetime

    def to_bytes(self) -> bytes:
        """Return the object as it is stored."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True), option=orjson.OPT_INDENT_2)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts.values())

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.bytes for part in self.parts.values())


def tenant_folder(tenant_id: str) -> str:
    """Return the folder of a tenant; its name cannot lead out of it."""
    return safe_segment(tenant_id)


def prefix_of(tenant_id: str, month: date, bundle_id: UUID) -> str:
    """Return the folder of a bundle."""
    return f"{tenant_folder(tenant_id)}/{month:%Y-%m}/{bundle_id}"


def load(storage: Storage, prefix: str) -> tuple[Manifest, bytes]:
    """Read a manifest and check that it lies where it says it belongs.

    Args:
        storage: Where bundles lie.
        prefix: The bundle's folder.

    Returns:
        The manifest, and the object as it lies there.

    Raises:
        Incomplete: If there is none, it cannot be read, or belongs to another folder.
    """
    key = f"{prefix}/{MANIFEST}"
    try:
        size = storage.size(key)
        data = storage.get(key) if size <= _MOST_BYTES else b""
    except NotFound:
        raise damaged(f"there is no manifest at {storage.url_of(key)}") from None
    try:
        found = Manifest.model_validate_json(data)
    except ValidationError as error:
        fields = ", ".join(sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]}))
        raise damaged(
            f"the manifest at {storage.url_of(key)} cannot be read"
            + (f": {fields}" if fields else "")
        ) from None
    if (
        set(found.parts) != {part.name for part in PARTS}
        or found.parts[RUNS.name].rows != found.runs
    ):
        raise damaged(f"the manifest at {storage.url_of(key)} does not name the parts of a bundle")
    if prefix_of(found.tenant, found.month, found.bundle) != prefix:
        raise damaged(
            f"the manifest at {storage.url_of(key)} belongs to bundle {found.bundle} of tenant"
            f" {found.tenant!r}"
        )
    return found, data


def row_set(runs: "pa.Table") -> str:
    """Return the digest of a bundle's runs.

    Args:
        runs: Columns id, revision and seal, by id.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.sha256()
    for batch in runs.select(["id", "revision", "seal"]).to_batches(max_chunksize=10_000):
        columns = [pc.cast(column, pa.string()) for column in batch.columns]
        lines = pc.binary_join_element_wise(*columns, " ")
        digest.update("".join(f"{line}\n" for line in lines.to_pylist()).encode())
    return digest.hexdigest()


def damaged(message: str) -> Incomplete:
    """Return the error of a bundle that is not what it should be."""
    return Incomplete(
        message,
        hint="its runs stay where they are; discard the bundle and publish again, or restore the"
        " object from a backup",
        code="ARCHIVE_DAMAGED",
    )
