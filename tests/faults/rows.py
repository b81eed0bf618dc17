"""What the ledger says, read by plain SQL and none of flowkeep's own code."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

RUNS = """
SELECT id, workflow_id, workflow_type, status, outputs, error, failure_reason, kind, source,
       parent_run_id, tasks_total, tasks_finished, exceptions_count, started_at, finished_at
FROM flowkeep.run
"""
SEGMENTS = """
SELECT run_id, temporal_run_id, seq, kind, status, started_at, closed_at, source, expected_tasks,
       reconcile_at, reconcile_tries
FROM flowkeep.run_segment ORDER BY seq
"""
_TOLD = "type IN ('child', 'human', 'item', 'timer')"
TASKS = f"""
SELECT run_id, temporal_run_id, activity_id, attempt, task_name, type, status, error, source,
       superseded, started_at, finished_at, updated_at
FROM flowkeep.task WHERE NOT {_TOLD}
"""
TOLD = f"""
SELECT run_id, activity_id, attempt, task_name, type, status, finished_at
FROM flowkeep.task WHERE {_TOLD}
"""
EVENTS = """
SELECT kind, coalesce(payload ->> 'source', '') AS source, count(*) AS number
FROM flowkeep.run_event GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass
class Ledger:
    """All rows that matter.

    Attributes:
        runs: By id.
        segments: By Temporal's run id.
        tasks: By (Temporal's run id, activity id), then by attempt.
        told: Those that no activity carries out, as runs of definitions tell of them.
        events: How often each kind of event was written, by (kind, source).
    """

    runs: dict[UUID, dict[str, Any]]
    segments: dict[str, dict[str, Any]]
    tasks: dict[tuple[str, str], dict[int, dict[str, Any]]] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return every row in words, to be read when something differs."""
        tasks = [row for attempts in self.tasks.values() for row in attempts.values()]
        rows = [*self.runs.values(), *self.segments.values(), *tasks, *self.told]
        return [", ".join(f"{name} {value}" for name, value in row.items()) for row in rows]


async def read_ledger(url: str) -> Ledger:
    """Read everything in one snapshot.

    Args:
        url: Of the ledger, past all proxies.
    """
    connection = await psycopg.AsyncConnection.connect(url, row_factory=dict_row)
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        runs = await (await connection.execute(RUNS)).fetchall()
        segments = await (await connection.execute(SEGMENTS)).fetchall()
        tasks = await (await connection.execute(TASKS)).fetchall()
        told = await (await connection.execute(TOLD)).fetchall()
        events = await (await connection.execute(EVENTS)).fetchall()
    ledger = Ledger(
        runs={row["id"]: row for row in runs},
        segments={row["temporal_run_id"]: row for row in segments},
        told=told,
        events={(row["kind"], row["source"]): row["number"] for row in events},
    )
    for row in tasks:
        attempts = ledger.tasks.setdefault((row["temporal_run_id"], row["activity_id"]), {})
        if row["attempt"] in attempts:  # the key holds the run too: two runs claim one attempt
            ledger.doubles.append(
                f"{row['activity_id']} attempt {row['attempt']} of {row['temporal_run_id']} "
                f"is in runs {attempts[row['attempt']]['run_id']} and {row['run_id']}"
            )
        attempts[row["attempt"]] = row
    return ledger
