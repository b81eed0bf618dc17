"""What the extraction activities hand to each other: references, counts and hashes, never rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from flowkeep.contracts.extraction_reports import (
    DiffCounts,
    Message,
    OrphanReport,
    UnresolvedReference,
)

__all__ = [
    "DiffCounts",
    "ExtractionResult",
    "FetchResult",
    "FinishResult",
    "KindAssets",
    "KindResult",
    "ManifestRef",
    "OrphanReport",
    "PartInfo",
    "ScopeDiff",
    "ScopeStatus",
    "SourceInfo",
    "TransformResult",
    "UnresolvedReference",
]

ScopeStatus = Literal["complete", "partial", "denied", "failed"]
"""How much of a scope was extracted; only `complete` ones may ever prove a removal."""


class PartInfo(Message):
    """One stored file.

    Attributes:
        key: Key in object storage, relative to the storage URL.
        rows: Rows (or JSON lines) in the file.
        bytes: Size of the file.
        sha256: Hash of the file, hexadecimal.
        digest: Hash of the entities' names and content hashes, hexadecimal: unlike the file's it
            does not depend on the run. Null for raw parts, whose bytes do not depend on it either.
        etag: What the store called this version of the object when it was put.
    """

    key: str
    rows: int
    bytes: int
    sha256: str
    digest: str | None = None
    etag: str | None = None


class SourceInfo(Message):
    """The server that was read, as it described itself.

    Attributes:
        server_id: The cluster's own identifier where the role may read it, else its address.
        version: Version of the server, for example `16.4`.
        role: Role that the session ran as.
        database: Database of the session.
        namespace: First part of every qualified name, for example `postgres://host:5432`.
    """

    server_id: str
    version: str
    role: str
    database: str
    namespace: str


class KindResult(Message):
    """One kind of object, read from one database in one snapshot.

    Attributes:
        kind: For example `columns`.
        database: The database.
        parts: The raw files, in order.
        planned: Rows that the server counted in this snapshot.
        read: Rows that arrived.
        written: Rows that the files hold.
        snapshot: The server's name of the snapshot, `pg_current_snapshot()` for PostgreSQL.
        taken_at: When the snapshot began, by the server's clock, UTC; the first of several.
        taken_until: When the last of several snapshots began; null for a single one.
        status: `complete` unless `reason` says otherwise.
        reason: Why the scope is not complete.
        visibility: What the role could see; only scopes of equal visibility prove removals.
        statement: Hash of the SQL where it is not the source's own, hexadecimal; runs with another
            one prove no removals.
        source: The server as this session saw it; null when there was no session.
    """

    kind: str
    database: str
    parts: list[PartInfo] = Field(default_factory=list)
    planned: int
    read: int
    written: int
    snapshot: str
    taken_at: datetime
    taken_until: datetime | None = None
    status: ScopeStatus = "complete"
    reason: str | None = None
    visibility: str = "all"
    statement: str | None = None
    source: SourceInfo | None


class FetchResult(Message):
    """What fetching one kind returned.

    Attributes:
        kind: The kind.
        scopes: One entry per database, in the order of the databases.
        rows: Rows in all files.
        bytes: Size of all files.
        not_applicable: Why there is nothing to fetch: sources of this dialect have no such kind.
    """

    kind: str
    scopes: list[KindResult]
    rows: int
    bytes: int
    not_applicable: str | None = None

    @classmethod
    def of(cls, kind: str, scopes: Iterable[KindResult]) -> "FetchResult":
        """Build a result and its totals."""
        listed = list(scopes)
        parts = [part for scope in listed for part in scope.parts]
        return cls(
            kind=kind,
            scopes=listed,
            rows=sum(scope.written for scope in listed),
            bytes=sum(part.bytes for part in parts),
        )


class KindAssets(Message):
    """The entities made of one `KindResult`.

    Attributes:
        kind: The kind.
        database: The database.
        read: Raw rows read.
        written: Entities written, to JSON lines and to Parquet alike.
        parts: The files: for each raw part one `.jsonl.zst` and one `.parquet`.
    """

    kind: str
    database: str
    read: int
    written: int
    parts: list[PartInfo] = Field(default_factory=list)


class TransformResult(Message):
    """What transforming one kind returned.

    Attributes:
        kind: The kind.
        scopes: One entry per database.
        rows: Entities in all scopes.
        bytes: Size of all files.
    """

    kind: str
    scopes: list[KindAssets]
    rows: int
    bytes: int

    @classmethod
    def of(cls, kind: str, scopes: Iterable[KindAssets]) -> "TransformResult":
        """Build a result and its totals."""
        listed = list(scopes)
        return cls(
            kind=kind,
            scopes=listed,
            rows=sum(scope.written for scope in listed),
            bytes=sum(part.bytes for scope in listed for part in scope.parts),
        )


class FinishResult(Message):
    """How an extraction ended, or what has to be read again before it can end.

    Attributes:
        manifest: The manifest; null when kinds have to be read again.
        orphans: What did not fit together.
    """

    manifest: "ManifestRef | None" = None
    orphans: OrphanReport = OrphanReport()


class ScopeDiff(Message):
    """How one kind of one database differs from a run before.

    Attributes:
        base_run_id: The run that was compared with; null when there was no comparison.
        base_taken_at: When its snapshot began, by the server's clock, UTC.
        added: Objects that are new; null when there was no comparison, like the counts below.
        changed: Objects whose content differs.
        unchanged: Objects that are the same.
        removed: Objects that are gone; null when that is not known.
        withheld: Objects that seem gone, too many at once to be believed.
        reason: Why there was no comparison, or why removals are not known or withheld.
        parts: Parquet files that name each object which is added, changed, removed or withheld.
    """

    base_run_id: str | None = None
    base_taken_at: datetime | None = None
    added: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    removed: int | None = None
    withheld: int = 0
    reason: str | None = None
    parts: list[PartInfo] = Field(default_factory=list)


class ManifestRef(Message):
    """Where the manifest of a finished extraction lies.

    Attributes:
        key: Key in object storage, relative to the storage URL.
        url: Storage URL and key, without credentials.
        sha256: Hash of the manifest, hexadecimal.
        counts: Kind to number of rows over all databases.
        parts: Number of files the manifest lists.
        total_bytes: Size of these files.
        diff: What differs from the last complete run; null when there is none to compare with.
        warnings: What is not complete or was held back, one sentence each; the manifest has all.
    """

    key: str
    url: str
    sha256: str
    counts: dict[str, int]
    parts: int
    total_bytes: int
    diff: DiffCounts | None = None
    warnings: list[str] = Field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows over all kinds."""
        return sum(self.counts.values())


class ExtractionResult(Message):
    """What an extraction workflow returns.

    Attributes:
        key: Key of the manifest; null when the workflow's list fetches nothing.
        url: Storage URL and key of the manifest, without credentials.
        sha256: Hash of the manifest, hexadecimal.
        counts: Kind to number of rows over all databases.
        parts: Number of files the manifest lists.
        total_bytes: Size of these files.
        diff: What differs from the last complete run; null when there is none to compare with.
        warnings: What is not complete or was held back, one sentence each; the manifest has all.
        results: Activities that are not the base's own, to what they returned.
    """

    key: str | None = None
    url: str | None = None
    sha256: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    parts: int = 0
    total_bytes: int = 0
    diff: DiffCounts | None = None
    warnings: list[str] = Field(default_factory=list)
    results: dict[str, Any] = Field(default_factory=dict)
