"""How much room rows take on disk, indexes included."""

from typing import Any

import psycopg

_TABLES = """
SELECT relname, pg_total_relation_size(oid), pg_table_size(oid)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'flowkeep'::regnamespace
"""


def sizes_of(url: str) -> dict[str, Any]:
    """Return the size of the ledger, and bytes per row of what is big.

    Args:
        url: Of its database.
    """
    with psycopg.connect(url) as connection:
        rows = {name: (total, heap) for name, total, heap in connection.execute(_TABLES)}
        counts = {name: _count(connection, name) for name in ("run", "task", "run_event")}
        labels = rows["run_label"][0]
    run, task, event = rows["run"], rows["task"], rows["run_event"]
    return {
        "ledger, GB": sum(total for total, _ in rows.values()) / 1e9,
        "run with its indexes and labels, bytes": (run[0] + labels) // counts["run"],
        "run without indexes, bytes": run[1] // counts["run"],
        "task with its indexes, bytes": task[0] // counts["task"],
        "event with its index, bytes": event[0] // counts["run_event"],
    }


def _count(connection: psycopg.Connection, table: str) -> int:
    """Return how many rows a table has."""
    found = connection.execute(f"SELECT count(*) FROM flowkeep.{table}").fetchone()
    assert found is not None
    return int(found[0])
