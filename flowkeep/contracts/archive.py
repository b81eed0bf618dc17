"""What the archive says of itself: bundles, what was done with them, and one archived run."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from flowkeep.contracts.record import Record
from flowkeep.contracts.records import Event, Pause, Run
from flowkeep.contracts.segment import Segment
from flowkeep.contracts.tasks import Task


class BundleStatus(StrEnum):
    """Where a bundle stands."""

    PUBLISHING = "publishing"
    """Its objects are being written, or were when the process ended: nobody relies on them."""
    PUBLISHED = "published"
    """All objects are stored; its runs are still in the ledger's tables."""
    VERIFIED = "verified"
    """Its objects were read back and fit the ledger."""
    DELETING = "deleting"
    """Its runs are being taken out of the tables, or were when the process ended."""
    ARCHIVED = "archived"
    """Its runs lie in the bundle only, but for those that were kept."""
    RESTORING = "restoring"
    """Some of its runs are back in the tables, or all are on their way."""
    RESTORED = "restored"
    """No run needs it any longer."""


class Bundle(Record):
    """Some runs of one tenant and month in object storage.

    Attributes:
        shard: Number of the bundle among those of its month.
        url: Storage URL, without credentials.
        prefix: Folder under it.
        runs: Runs that were published in it, chunks of maps included.
        rows: Rows of all its parts.
        bytes: Size of all its objects.
    """

    id: UUID
    tenant_id: str
    month: date
    shard: int
    url: str
    prefix: str
    status: BundleStatus
    manifest_sha256: str | None
    runs: int
    rows: int
    bytes: int
    created_at: datetime
    published_at: datetime | None
    verified_at: datetime | None
    deleted_at: datetime | None
    restored_at: datetime | None


class BundleCheck(Record):
    """What reading a bundle back showed.

    Attributes:
        bundle: The bundle, `verified` from now on unless it is further already.
        runs: Runs in it.
        changed: Runs at another revision than when they were published; `delete`, which compares
            all their rows, will keep them and may keep more.
        gone: Runs that have left the tables: archived already, or deleted.
    """

    bundle: Bundle
    runs: int
    changed: int
    gone: int


class BundleDeletion(Record):
    """What happened to the rows of a bundle's runs.

    Attributes:
        archived: Runs that moved to the archive now.
        before: Runs that had moved before.
        kept: Runs that stay in the tables: changed, held or with an open child since publishing.
        gone: Runs that somebody deleted since publishing.
    """

    bundle: Bundle
    archived: int
    before: int
    kept: int
    gone: int


class BundleRestore(Record):
    """What came back into the tables.

    Attributes:
        restored: Runs that are back.
        absent: Runs that no longer lie in this bundle: restored before, deleted or never moved.
        hold_until: Until when retention and archive leave them alone.
    """

    bundle: Bundle
    restored: int
    absent: int
    hold_until: datetime


class Reindexing(Record):
    """What `reindex` found in object storage.

    Attributes:
        bundles: Bundles whose manifest and parts are whole.
        runs: Runs that are archived according to them.
        present: Runs left out because the tables hold them.
        deleted: Runs left out because they were deleted.
        unfinished: Folders without a manifest.
        refused: Manifest or folder, and what is wrong with it; nothing of it was used.
    """

    bundles: int
    runs: int
    present: int
    deleted: int
    unfinished: list[str]
    refused: dict[str, str]


class ArchiveProgress(Record):
    """How far a long command has come.

    Attributes:
        step: What is being done, in one word.
        bundle_id: With which bundle.
        runs: Runs that are done in this call.
    """

    step: str
    bundle_id: UUID
    runs: int


class ArchivedRun(Record):
    """Everything that a bundle keeps of one run.

    Attributes:
        events: Oldest first.
        segments: Oldest first.
        pauses: Oldest first.
        attempts: By (temporal_run_id, activity_id, attempt).
        arguments: What it was started with; null when that was nothing of its own.
    """

    run: Run
    bundle_id: UUID
    archived_at: datetime
    events: list[Event]
    segments: list[Segment]
    pauses: list[Pause]
    attempts: list[Task]
    arguments: dict[str, Any] | None
