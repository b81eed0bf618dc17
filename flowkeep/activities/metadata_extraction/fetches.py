"""The activities that fetch: one per kind of object, each with the SQL that may replace ours."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.contracts.extraction import FetchResult
from flowkeep.extraction.legacy.statements import with_temp_tables
from flowkeep.extraction.metadata.kinds import KINDS, Kind

Arguments = dict[str, Any]


class KindFetches(ActivitiesInterface):
    """One activity per kind, each with a class attribute for the kind's SQL.

    A kind of one's own is an entry of `extra_kinds`, its SQL in `fetch_kind_sql`, and an activity
    named `fetch_` and the kind:

        extra_kinds = (Kind(name="policies", type_name="Policy", columns={…}, identity=(…)),)
        fetch_kind_sql = {"policies": "SELECT …"}

        @activity.defn
        async def fetch_policies(self, workflow_args):
            return await self.fetch("policies", workflow_args)

    Attributes:
        fetch_database_sql: SQL that replaces the source's own for databases.
        fetch_schema_sql: The same for schemas.
        fetch_table_sql: The same for tables and views.
        fetch_column_sql: The same for columns.
        fetch_procedure_sql: The same for functions and procedures.
        fetch_constraint_sql: The same for constraints.
        fetch_index_sql: The same for indexes.
        fetch_sequence_sql: The same for sequences.
        fetch_trigger_sql: The same for triggers.
        fetch_type_sql: The same for types.
        fetch_view_dependency_sql: The same for what views read.
        fetch_kind_sql: Kind to its SQL, for `extra_kinds`.
        extract_temp_table_regex_table_sql: Stands for `{temp_table_regex_sql}` in
            `fetch_table_sql` when `metadata.temp-table-regex` is set.
        extract_temp_table_regex_column_sql: The same in `fetch_column_sql`.
        extra_kinds: Kinds beside those of `flowkeep.extraction.metadata.kinds`; one of the same
            name takes its place.
    """

    fetch_database_sql: ClassVar[str | None] = None
    fetch_schema_sql: ClassVar[str | None] = None
    fetch_table_sql: ClassVar[str | None] = None
    fetch_column_sql: ClassVar[str | None] = None
    fetch_procedure_sql: ClassVar[str | None] = None
    fetch_constraint_sql: ClassVar[str | None] = None
    fetch_index_sql: ClassVar[str | None] = None
    fetch_sequence_sql: ClassVar[str | None] = None
    fetch_trigger_sql: ClassVar[str | None] = None
    fetch_type_sql: ClassVar[str | None] = None
    fetch_view_dependency_sql: ClassVar[str | None] = None

    extract_temp_table_regex_table_sql: ClassVar[str | None] = None
    extract_temp_table_regex_column_sql: ClassVar[str | None] = None

    fetch_kind_sql: ClassVar[Mapping[str, str]] = {}
    extra_kinds: ClassVar[Sequence[Kind]] = ()

    async def fetch(self, kind: str, workflow_args: Arguments) -> FetchResult | None:
        """Fetch one kind; what the activities of single kinds call.

        Args:
            kind: For example `tables`.
            workflow_args: The arguments of the run.

        Returns:
            References and counts. An override may return None: the kind is left out.
        """
        raise NotImplementedError

    @activity.defn(name="fetch_databases")
    async def fetch_databases(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch the databases that are in the scope."""
        return await self.fetch("databases", workflow_args)

    @activity.defn(name="fetch_schemas")
    async def fetch_schemas(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch schemas."""
        return await self.fetch("schemas", workflow_args)

    @activity.defn(name="fetch_tables")
    async def fetch_tables(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch tables, views, materialised views, partitioned and foreign tables."""
        return await self.fetch("tables", workflow_args)

    @activity.defn(name="fetch_columns")
    async def fetch_columns(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch columns."""
        return await self.fetch("columns", workflow_args)

    @activity.defn(name="fetch_procedures")
    async def fetch_procedures(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch functions, procedures and aggregates."""
        return await self.fetch("procedures", workflow_args)

    @activity.defn(name="fetch_constraints")
    async def fetch_constraints(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch primary and foreign keys, unique, check and exclusion constraints."""
        return await self.fetch("constraints", workflow_args)

    @activity.defn(name="fetch_indexes")
    async def fetch_indexes(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch indexes."""
        return await self.fetch("indexes", workflow_args)

    @activity.defn(name="fetch_sequences")
    async def fetch_sequences(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch sequences, those of identity columns included."""
        return await self.fetch("sequences", workflow_args)

    @activity.defn(name="fetch_triggers")
    async def fetch_triggers(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch triggers."""
        return await self.fetch("triggers", workflow_args)

    @activity.defn(name="fetch_types")
    async def fetch_types(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch types that people made: enums, domains, composite and range types."""
        return await self.fetch("types", workflow_args)

    @activity.defn(name="fetch_view_dependencies")
    async def fetch_view_dependencies(self, workflow_args: Arguments) -> FetchResult | None:
        """Fetch which tables and columns each view reads."""
        return await self.fetch("view_dependencies", workflow_args)

    def own_statements(self) -> dict[str, str]:
        """Return kind to SQL, for the kinds whose SQL is not the source's own."""
        texts = {kind: getattr(self, f"fetch_{name}_sql") for kind, name in _SINGULAR.items()}
        texts |= dict(self.fetch_kind_sql)
        snippets = {
            "tables": self.extract_temp_table_regex_table_sql,
            "columns": self.extract_temp_table_regex_column_sql,
        }
        return {
            kind: with_temp_tables(text, snippets.get(kind))
            for kind, text in texts.items()
            if text is not None
        }

    def kinds(self) -> dict[str, Kind]:
        """Return all kinds by name, `extra_kinds` included."""
        return {**KINDS, **{kind.name: kind for kind in self.extra_kinds}}


_SINGULAR = {
    "databases": "database",
    "schemas": "schema",
    "tables": "table",
    "columns": "column",
    "procedures": "procedure",
    "constraints": "constraint",
    "indexes": "index",
    "sequences": "sequence",
    "triggers": "trigger",
    "types": "type",
    "view_dependencies": "view_dependency",
}
