"""The connector's workflow: what runs, in which order."""

from typing import Any, ClassVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from examples.duckdb_connector.activities import DuckDBActivities
    from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow


@workflow.defn
class DuckDBExtraction(BaseSQLMetadataExtractionWorkflow):
    """Extracts a DuckDB file."""

    activities_cls: ClassVar[Any] = DuckDBActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [
            activities.preflight_check,
            activities.fetch_schemas,
            activities.fetch_tables,
            activities.fetch_columns,
            activities.fetch_constraints,
            activities.fetch_extensions,
            activities.transform_data,
        ]
