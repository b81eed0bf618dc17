"""The connector's activities: which source, handler, transformer and kinds it is made of."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from temporalio import activity

from examples.duckdb_connector.handler import DuckDBHandler
from examples.duckdb_connector.source import DuckDBSource
from examples.duckdb_connector.transformer import DuckDBTransformer
from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
from flowkeep.contracts.extraction import FetchResult
from flowkeep.extraction.metadata.kinds import Kind

EXTENSIONS = Kind(
    name="extensions",
    type_name="Extension",
    columns={
        "database_name": "text",
        "extension_name": "text",
        "extension_version": "text",
        "description": "text",
    },
    identity=("extension_name",),
    own_name="extension_name",
    tag="extension",
)


class DuckDBActivities(BaseSQLMetadataExtractionActivities):
    """Extracts DuckDB files, and which extensions are loaded."""

    client_class: ClassVar[type[Any] | None] = DuckDBSource
    handler_class: ClassVar[type[Any] | None] = DuckDBHandler
    transformer_class: ClassVar[type[Any] | None] = DuckDBTransformer

    extra_kinds: ClassVar[Sequence[Kind]] = (EXTENSIONS,)
    fetch_kind_sql: ClassVar[Mapping[str, str]] = {
        "extensions": """
            SELECT current_database() AS database_name, extension_name, extension_version,
                description
            FROM duckdb_extensions() WHERE loaded
        """
    }
    # The SQL of a kind that the source has too: this one takes the place of the source's.
    fetch_schema_sql: ClassVar[str | None] = """
        SELECT t.database_name, t.schema_name, t.comment, t.sql AS definition
        FROM duckdb_schemas() AS t
        WHERE t.database_name = current_database() AND {schema_filter}
    """

    @activity.defn
    async def fetch_extensions(self, workflow_args: dict[str, Any]) -> FetchResult | None:
        """Fetch the extensions that are loaded."""
        return await self.fetch("extensions", workflow_args)
