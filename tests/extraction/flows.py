"""Workflows of the tests: the base, and what people make of it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
    from flowkeep.contracts import CheckResult, PreflightResult
    from flowkeep.extraction.handler import HandlerInterface
    from flowkeep.extraction.metadata.kinds import Kind
    from flowkeep.extraction.sources.postgresql import PostgreSQLSource
    from flowkeep.extraction.sources.postgresql_statements import STATEMENTS
    from flowkeep.workflows import steps
    from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow


class ValidatingActivities(BaseSQLMetadataExtractionActivities):
    """Adds a step between fetches and transforms."""

    @activity.defn
    async def perform_custom_validation(self, workflow_args: dict[str, Any]) -> dict[str, Any]:
        """Look at what lies in storage at this moment."""
        storage, prefix = self.services.storage, workflow_args["output_path"]
        listed = [stored.key for stored in storage.list(prefix)]
        return {
            "raw": sorted({key.split("/")[5] for key in listed if "/raw/" in key}),
            "assets": [key for key in listed if "/assets/" in key],
        }


@workflow.defn
class Validating(BaseSQLMetadataExtractionWorkflow):
    """Leaves procedures out and validates before it transforms."""

    activities_cls = ValidatingActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        mine = cast("ValidatingActivities", activities)
        return [
            mine.preflight_check,
            mine.fetch_databases,
            mine.fetch_schemas,
            mine.fetch_tables,
            mine.fetch_columns,
            mine.perform_custom_validation,
            mine.transform_data,
        ]


@workflow.defn
class RawOnly(BaseSQLMetadataExtractionWorkflow):
    """Fetches two kinds and transforms nothing."""

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [activities.fetch_tables, activities.fetch_columns]


class OwnSqlActivities(BaseSQLMetadataExtractionActivities):
    """Replaces one statement, one fetch and the handler's check."""

    fetch_schema_sql = """SELECT current_database() AS database_name, nspname AS schema_name,
        'mine' AS team FROM pg_namespace WHERE nspname LIKE 's%' OR nspname LIKE 'hr'"""

    class handler_class(HandlerInterface):  # noqa: N801 - named like the attribute it is
        """A handler of nobody's family."""

        def load(self, credentials: Any) -> None:
            self.host = credentials["url"].rpartition("@")[2]

        async def test_auth(self) -> bool:
            return True

        async def preflight_check(self, arguments: Any) -> PreflightResult:
            message = f"{self.host} was not looked at"
            return PreflightResult(
                checks=[CheckResult(name="mine", ok=False, message=message, level="warning")]
            )

        def fetch_metadata(self, kind: str = "databases", database: str | None = None) -> Any:
            return []

    @activity.defn(name="fetch_procedures")
    async def fetch_procedures(self, workflow_args: dict[str, Any]) -> None:
        """Leave procedures out."""


@workflow.defn
class OwnSql(BaseSQLMetadataExtractionWorkflow):
    """Extracts by statements of its own, and goes on after the base flow."""

    activities_cls = OwnSqlActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [
            activities.fetch_schemas,
            activities.fetch_procedures,
            activities.transform_data,
        ]

    @workflow.run
    async def run(self, workflow_config: Any) -> dict[str, Any]:
        found = await super().run(workflow_config)
        return {"counts": found.counts, "warnings": len(self.preflight_result.warnings)}


class LateActivities(BaseSQLMetadataExtractionActivities):
    """Adds a table behind the back of the fetch of tables."""

    @activity.defn
    async def add_a_table(self, workflow_args: dict[str, Any]) -> None:
        """Create a table in the source."""
        import psycopg

        arguments = await self.services.secrets.resolve(workflow_args)
        url = arguments["credentials"]["url"]
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("CREATE TABLE late (a integer, b integer)")

    @activity.defn
    async def add_a_comment(self, workflow_args: dict[str, Any]) -> str:
        """Do a second thing, as a step behind the first."""
        return "commented"


@workflow.defn
class Late(BaseSQLMetadataExtractionWorkflow):
    """Fetches tables first and columns when there is one more table."""

    activities_cls = LateActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [
            activities.fetch_tables,
            activities.transform_data,
            steps(activities.add_a_table, activities.add_a_comment),
            activities.fetch_columns,
        ]


@workflow.defn
class FetchingInSteps(BaseSQLMetadataExtractionWorkflow):
    """Declares a fetch as a step."""

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [steps(activities.fetch_tables), activities.transform_data]


class ForgetfulActivities(BaseSQLMetadataExtractionActivities):
    """Leaves tables out that columns belong to."""

    fetch_table_sql = """SELECT current_database() AS database_name, schemaname AS schema_name,
        tablename AS table_name FROM pg_tables WHERE tablename = 'no such table'"""


@workflow.defn
class Forgetful(BaseSQLMetadataExtractionWorkflow):
    """Can never end well."""

    activities_cls = ForgetfulActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        return [activities.fetch_tables, activities.fetch_columns]


class StallingActivities(BaseSQLMetadataExtractionActivities):
    """Stands still in the middle of the columns while somebody holds the lock 4711."""

    fetch_column_sql = f"""SELECT c.*, CASE WHEN pg_catalog.current_query() LIKE 'COPY%%'
        THEN pg_catalog.pg_advisory_xact_lock_shared(4711) IS NULL END AS waited
        FROM ({STATEMENTS["columns"]}) AS c ORDER BY table_oid, ordinal_position"""


@workflow.defn
class Stalling(BaseSQLMetadataExtractionWorkflow):
    """Notices a dead worker quickly."""

    activities_cls = StallingActivities
    default_heartbeat_timeout = timedelta(seconds=2)


@workflow.defn
class Parted(BaseSQLMetadataExtractionWorkflow):
    """Notices a dead worker quickly; its worker cuts small parts."""

    default_heartbeat_timeout = timedelta(seconds=2)


class PoliciesActivities(BaseSQLMetadataExtractionActivities):
    """Adds a kind with its SQL and one activity."""

    extra_kinds = (
        Kind(
            name="policies",
            type_name="Policy",
            columns={"policy_name": "text", "roles": "list"},
            identity=("schema_name", "table_name", "policy_name"),
            own_name="policy_name",
            tag="policy",
            parent="tables",
            parent_identity=("schema_name", "table_name"),
        ),
    )
    fetch_kind_sql = {  # noqa: RUF012 - as users write it
        "policies": """SELECT current_database() AS database_name, schemaname AS schema_name,
            tablename AS table_name, policyname AS policy_name, to_json(roles)::text AS roles,
            cmd AS command FROM pg_policies"""
    }

    @activity.defn
    async def fetch_policies(self, workflow_args: dict[str, Any]) -> Any:
        """Fetch row security policies."""
        return await self.fetch("policies", workflow_args)


@workflow.defn
class Policies(BaseSQLMetadataExtractionWorkflow):
    """Extracts all that the base does, and policies."""

    activities_cls = PoliciesActivities

    @staticmethod
    def get_activities(activities: Any) -> Any:
        base = BaseSQLMetadataExtractionWorkflow.get_activities(activities)
        return [*base, activities.fetch_policies]


class PlainSource(PostgreSQLSource):
    """A dialect that has tables with columns and nothing else."""

    dialect = "plain"
    statements = {  # noqa: RUF012 - as users write it
        name: PostgreSQLSource.statements[name] for name in ("schemas", "tables", "columns")
    }


class PlainActivities(BaseSQLMetadataExtractionActivities):
    """Reads a source of one's own."""

    client_class = PlainSource


@workflow.defn
class Plain(BaseSQLMetadataExtractionWorkflow):
    """Asks a source for kinds that it does not have."""

    activities_cls = PlainActivities


@workflow.defn(name="BaseSQLMetadataExtractionWorkflow")
class InTheOrderOfTheList(BaseSQLMetadataExtractionWorkflow):
    """Schedules as the extraction did before it began with the largest kinds."""

    def _ordered(self, names: Iterable[str]) -> list[str]:
        return list(names)


@workflow.defn(name="BaseSQLMetadataExtractionWorkflow")
class UnmarkedOrder(BaseSQLMetadataExtractionWorkflow):
    """Begins with the largest kinds, whatever history says."""

    def _ordered(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=self._place)
