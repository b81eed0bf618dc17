"""Where the files of a query extraction lie: all keys are made of the run and of numbers.

A retry writes the same keys again. What has to outlive the run, and what runs share, lies beside
the runs' folders.
"""

import hashlib
from dataclasses import dataclass

from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.storage.names import safe_segment


@dataclass(frozen=True, slots=True)
class LogLocation:
    """The folder of one run, and what lies beside it.

    Attributes:
        run: The run.
    """

    run: RunLocation

    @property
    def plan(self) -> str:
        """Key of the plan."""
        return f"{self.run.prefix}/plan.json"

    @property
    def manifest(self) -> str:
        """Key of the manifest."""
        return self.run.manifest

    def window(self, number: int, name: str) -> str:
        """Return the key of a file that one window became.

        Args:
            number: Of the window, from 0.
            name: `usage.parquet`, `shapes.parquet` or `receipt.json`.
        """
        kind, _, suffix = name.partition(".")
        return f"{self.run.prefix}/raw/{kind}/part-{number:05d}.{suffix}"

    def bucket(self, stage: str, number: int, suffix: str = "parquet") -> str:
        """Return the key of a file that one bucket of shapes became.

        Args:
            stage: What it holds, for example `reduced/usage`.
            number: Of the bucket, from 0.
            suffix: Of the file.
        """
        return f"{self.run.prefix}/{stage}/part-{number:05d}.{suffix}"

    def memory(self, identity: str, window: int, name: str) -> str:
        """Return the key of a table that a source keeps for the next run.

        Args:
            identity: Of the source.
            window: Number of the window that kept it.
            name: Of the table among those of the window.
        """
        folder = f"{self.memories(identity)}/{safe_segment(self.run.run_id)}"
        return f"{folder}/window-{window:05d}-{name}.parquet"

    def memories(self, identity: str) -> str:
        """Return the folder of all that a source keeps."""
        return f"{self._shared}/marks/{identity_hash(identity)}"

    def cache(self, parser: str, dialect: str) -> str:
        """Return the folder of what was parsed before.

        Args:
            parser: Name and version of the parser, and of what reads its trees.
            dialect: The SQL.
        """
        return f"{self._shared}/parsed/{safe_segment(parser)}/{safe_segment(dialect)}"

    def mark(self, identity: str) -> str:
        """Return the name of the high-water mark in the state store."""
        app = safe_segment(self.run.app or "default")
        return f"query-logs/{app}/{self.run.workflow_type}/{identity_hash(identity)}"

    @property
    def _shared(self) -> str:
        return self.run.prefix.rpartition("/")[0]


def identity_hash(identity: str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of what names a source."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
