"""The plan of a run as it lies in storage: every activity works on the same one."""

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, ValidationError

from flowkeep.contracts.extraction_reports import Message
from flowkeep.contracts.query_extraction import QueryBatch
from flowkeep.errors import Incomplete, NotFound
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.sources.base import Window
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.storage import Storage

MOST_BUCKETS = 256
"""A shape's bucket is told by the first byte of its key."""


class MarkEntry(Message):
    """The high-water mark as it stands in the state store.

    Attributes:
        revision: Of the entry; 0 when there is none yet.
        mark: What the source's plan ended with; null when there is none yet.
        kept: Keys of what the source keeps.
        run_id: The run that wrote it.
        manifest: Key of that run's manifest.
    """

    revision: int = 0
    mark: dict[str, Any] | None = None
    kept: list[str] = Field(default_factory=list)
    run_id: str | None = None
    manifest: str | None = None


class PlanFile(Message):
    """What one run reads.

    Attributes:
        schema_version: Version of this shape.
        tenant: Tenant of the run.
        app: App of the run, or None.
        workflow_type: Its workflow class.
        run_id: The run.
        source: Kind of the source.
        identity: What is read; names the high-water mark.
        namespace: First part of qualified names.
        dialect: The SQL of the statements, as sqlglot names it.
        base: The mark the plan starts from.
        windows: The windows, oldest first.
        mark: The mark once all of them are counted.
        keep: What earlier runs kept and the next one still needs.
        since: Where the plan begins, for people.
        until: Where it ends, for people.
        notes: What the report is to say, one sentence each.
        catalogue: Key of the manifest of the metadata extraction that knows the tables.
        buckets: How many buckets the shapes are divided into; a power of two.
        planned_at: When it was planned.
    """

    schema_version: Literal[1] = 1
    tenant: str
    app: str | None
    workflow_type: str
    run_id: str
    source: str
    identity: str
    namespace: str
    dialect: str
    base: MarkEntry
    windows: list[Window]
    mark: dict[str, Any]
    keep: list[str] = Field(default_factory=list)
    since: str = ""
    until: str = ""
    notes: list[str] = Field(default_factory=list)
    catalogue: str | None = None
    buckets: int
    planned_at: datetime

    @property
    def location(self) -> LogLocation:
        """Folder of the run that planned: child runs work in it too."""
        return LogLocation(RunLocation(self.tenant, self.app, self.workflow_type, self.run_id))

    @property
    def planned(self) -> int:
        """What all windows together were planned to hold."""
        return sum(window.planned for window in self.windows)

    @property
    def unit(self) -> str:
        """What `planned` counts."""
        return self.windows[0].unit if self.windows else "rows"

    def store(self, storage: Storage, key: str) -> str:
        """Put it into storage; returns its hash."""
        content = self.model_dump_json().encode()
        storage.put(key, content)
        return hashlib.sha256(content).hexdigest()

    @classmethod
    def read(cls, storage: Storage, batch: QueryBatch, tenant: str) -> "PlanFile":
        """Return the plan that a batch belongs to.

        Args:
            storage: Where it lies.
            batch: Names it.
            tenant: Whose it has to be.

        Raises:
            Incomplete: If it has gone, or is another one: the run was reset meanwhile.
        """
        found = _read(storage, batch.key, batch.digest)
        if found.tenant != tenant:
            raise Incomplete(f"the plan {batch.key} belongs to another tenant")
        return found


@lru_cache(maxsize=4)
def _read(storage: Storage, key: str, digest: str) -> PlanFile:
    """Read a plan once per process: it may list thousands of windows, and never changes."""
    try:
        content = storage.get(key)
        if hashlib.sha256(content).hexdigest() == digest:
            return PlanFile.model_validate_json(content)
        why = "was written again"
    except NotFound:
        why = "has gone"
    except ValidationError:
        why = "is of another version"
    raise Incomplete(f"the plan {key} {why}", hint="start the extraction again")


def buckets_for(rows: int, bucket_rows: int) -> int:
    """Return into how many buckets the shapes of some rows are divided: a power of two.

    Args:
        rows: Rows of the log.
        bucket_rows: Rows that one bucket may take.
    """
    wanted = -(-rows // bucket_rows)
    return min(1 << max(wanted - 1, 0).bit_length(), MOST_BUCKETS)
