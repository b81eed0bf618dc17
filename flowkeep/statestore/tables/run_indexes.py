"""The indexes of run lists, alike for the runs in the ledger and for those in the archive."""

from sqlalchemy import Index, Table
from sqlalchemy import text as sql

# Every list pages by (created_at, id) within equal values of these columns. `updated_at` serves
# the lists of what has rested longest, and the pruning of old runs.
_NEWEST = ("created_at", "id")
_LISTS: dict[str, tuple[str, ...]] = {
    "by_tenant": ("tenant_id", *_NEWEST),
    "by_app": ("tenant_id", "app_id", *_NEWEST),
    "by_trigger": ("tenant_id", "triggered_from", *_NEWEST),
    "by_app_trigger": ("tenant_id", "app_id", "triggered_from", *_NEWEST),
    "by_status": ("tenant_id", "status", *_NEWEST),
    "by_app_status": ("tenant_id", "app_id", "status", *_NEWEST),
    "by_type": ("tenant_id", "workflow_type", *_NEWEST),
    "by_rest": ("tenant_id", "status", "updated_at", "id"),
}
# Columns that few runs fill.
_SPARSE: dict[str, tuple[str, ...]] = {
    "by_owner": ("tenant_id", "owner", *_NEWEST),
    "by_definition": ("definition_id", "tenant_id", *_NEWEST),
}
_SPARSE_COLUMN = {"by_owner": "owner", "by_definition": "definition_id"}


def add_list_indexes(table: Table) -> None:
    """Give a table of runs the indexes that lists read.

    Args:
        table: A table with the columns of `RunSummary`.
    """

    def add(name: str, columns: tuple[str, ...], where: str | None) -> None:
        Index(
            f"{table.name}_{name}_ix",
            *(table.c[column] for column in columns),
            postgresql_where=None if where is None else sql(where),
        )

    for name, columns in _LISTS.items():
        add(name, columns, "kind = 'run'")
    for name, columns in _SPARSE.items():
        add(name, columns, f"kind = 'run' AND {_SPARSE_COLUMN[name]} IS NOT NULL")
    add("by_workflow_id", ("tenant_id", "workflow_id", *_NEWEST), None)
    add("by_parent", ("parent_run_id", *_NEWEST), "parent_run_id IS NOT NULL")
