"""The activities of the base, and one more."""

from typing import Any

from temporalio import activity

from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
from flowkeep.errors import Incomplete


class MyExtendedActivities(BaseSQLMetadataExtractionActivities):
    """Everything the base does, with a check of what was fetched."""

    @activity.defn
    def perform_custom_validation(self, workflow_args: dict[str, Any]) -> dict[str, int]:
        """Make sure that no fetch wrote an empty file."""
        prefix = f"{workflow_args['output_path']}/raw"
        stored = list(self.services.storage.list(prefix))
        empty = [file.key for file in stored if file.size == 0]
        if empty or not stored:
            raise Incomplete(f"empty or missing files under {prefix}: {', '.join(empty) or 'all'}")
        return {"files": len(stored), "bytes": sum(file.size for file in stored)}
