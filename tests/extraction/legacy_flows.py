"""A connector as people bring it from the original SDK: class attributes with SQL, no more."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
    from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

_IN_SCOPE = """
    concat({catalog}, concat('.', {schema})) !~ '{{normalized_exclude_regex}}'
    AND concat({catalog}, concat('.', {schema})) ~ '{{normalized_include_regex}}'
"""
_OF_TABLES = _IN_SCOPE.format(catalog="table_catalog", schema="table_schema")


class BroughtActivities(BaseSQLMetadataExtractionActivities):
    """SQL over the information schema, with placeholders."""

    fetch_database_sql = """
        SELECT datname AS database_name FROM pg_catalog.pg_database
        WHERE datname ~ {include_databases} AND datname !~ {exclude_databases}
    """
    fetch_schema_sql = "SELECT * FROM information_schema.schemata WHERE" + _IN_SCOPE.format(
        catalog="catalog_name", schema="schema_name"
    )
    fetch_table_sql = (
        "SELECT * FROM information_schema.tables WHERE (NOT {exclude_views}"
        " OR table_type NOT LIKE '%VIEW') {temp_table_regex_sql} AND" + _OF_TABLES
    )
    fetch_column_sql = (
        "SELECT c.* FROM information_schema.columns AS c"
        " JOIN information_schema.tables USING (table_catalog, table_schema, table_name)"
        " WHERE (NOT {exclude_views} OR table_type NOT LIKE '%VIEW')"
        " {temp_table_regex_sql} AND" + _OF_TABLES
    )
    extract_temp_table_regex_table_sql = "AND table_name !~ '{exclude_table_regex}'"
    extract_temp_table_regex_column_sql = "AND table_name !~ '{exclude_table_regex}'"


@workflow.defn
class Brought(BaseSQLMetadataExtractionWorkflow):
    """The base flow over these texts."""

    activities_cls = BroughtActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [
            activities.preflight_check,
            activities.fetch_databases,
            activities.fetch_schemas,
            activities.fetch_tables,
            activities.fetch_columns,
            activities.transform_data,
        ]
