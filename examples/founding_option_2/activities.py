"""The activities of the base, and the two steps of the example."""

from typing import Any

import psycopg
from temporalio import activity

from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities


class MyExtendedActivities(BaseSQLMetadataExtractionActivities):
    """Finds the schema with the most tables, in two steps."""

    @activity.defn
    async def custom_step_one(self, workflow_args: dict[str, Any]) -> dict[str, int]:
        """Count the tables of each schema of the source."""
        arguments = await self.services.secrets.resolve(workflow_args)
        url = arguments["credentials"]["url"]
        async with await psycopg.AsyncConnection.connect(url) as connection:
            cursor = await connection.execute(
                "SELECT schemaname, count(*) FROM pg_catalog.pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1"
            )
            return dict(await cursor.fetchall())

    @activity.defn
    async def custom_step_two(self, workflow_args: dict[str, Any]) -> str:
        """Name the largest of them."""
        counts: dict[str, int] = workflow_args["step_one_output"]
        schema = max(counts, key=lambda name: (counts[name], name))
        return f"{schema} has {counts[schema]} tables"
