"""Where the files of a run lie: `{tenant}/{app}/{workflow_type}/{run_id}/…` under the storage URL.

Keys are made of what names the run, the kind, the database and the part, and of nothing else: a
retry writes the same keys again.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from flowkeep.storage.names import safe_segment

Stage = Literal["raw", "assets"]
"""`raw`: rows as the source gave them; `assets`: entities made of them."""


@dataclass(frozen=True, slots=True)
class RunLocation:
    """The folder of one run.

    Attributes:
        tenant: Tenant of the run.
        app: App of the run, or None.
        workflow_type: Its workflow class.
        run_id: Its id.
        root: Folder under the storage URL that holds all runs; empty for the URL itself.
    """

    tenant: str
    app: str | None
    workflow_type: str
    run_id: str
    root: str = ""

    @property
    def prefix(self) -> str:
        """Folder of the run, without a slash at the end."""
        names = (self.tenant, self.app or "default", self.workflow_type, self.run_id)
        folder = "/".join(safe_segment(name) for name in names)
        return f"{self.root.strip('/')}/{folder}" if self.root.strip("/") else folder

    @property
    def manifest(self) -> str:
        """Key of the manifest."""
        return f"{self.prefix}/manifest.json"

    @property
    def checkpoints(self) -> str:
        """Folder of the checkpoints, which are deleted once the manifest is written."""
        return f"{self.prefix}/checkpoints"

    def checkpoint(self, stage: Stage, kind: str, database: str) -> str:
        """Return the key of the checkpoint of one kind of one database."""
        return f"{self.checkpoints}/{stage}/{safe_segment(kind)}/{database_hash(database)}.json"

    def scope(self, stage: Stage, kind: str, database: str) -> str:
        """Return the folder of one kind of one database."""
        return f"{self.prefix}/{stage}/{safe_segment(kind)}/{database_hash(database)}"

    def part(self, stage: Stage, kind: str, database: str, number: int, suffix: str) -> str:
        """Return the key of a part.

        Args:
            stage: `raw` or `assets`.
            kind: Kind of object.
            database: Name of the database.
            number: Of the part, from 0.
            suffix: `parquet` or `jsonl.zst`.
        """
        return f"{self.scope(stage, kind, database)}/part-{number:05d}.{suffix}"


def database_hash(database: str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a database's name.

    A hash, because a name may hold anything, differ only by case, or be too long for a folder.
    """
    return hashlib.sha256(database.encode()).hexdigest()[:16]
