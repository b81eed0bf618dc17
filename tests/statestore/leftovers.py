"""What must not be left of runs that are gone."""

from datetime import UTC, datetime
from typing import Any

from flowkeep.contracts import Run
from flowkeep.errors import Forbidden
from flowkeep.statestore import Store
from tests.statestore.records import OTHER

_CHILDREN = ("run_event", "run_segment", "run_pause", "task", "payload_ref", "secret_ref")
_ORPHANS = {
    **{
        table: f"SELECT count(*) FROM {{schema}}.{table} AS x WHERE NOT EXISTS"
        " (SELECT FROM {schema}.run AS r WHERE r.id = x.run_id)"
        for table in _CHILDREN
    },
    "run_label": "SELECT count(*) FROM {schema}.run_label AS x WHERE NOT archived AND NOT EXISTS"
    " (SELECT FROM {schema}.run AS r WHERE r.id = x.run_id)",
    "arguments": "SELECT count(*) FROM {schema}.state_entry AS x WHERE kind = 'arguments'"
    " AND NOT EXISTS (SELECT FROM {schema}.run AS r WHERE r.id = CAST(x.key AS uuid))",
    "aliases": "SELECT count(*) FROM {schema}.state_entry AS x WHERE arguments_of IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM {schema}.run AS r WHERE r.id = x.arguments_of)",
    "payload": "SELECT count(*) FROM {schema}.payload AS p WHERE NOT EXISTS (SELECT FROM"
    " {schema}.payload_ref AS r WHERE r.tenant_id = p.tenant_id AND r.hash = p.hash)",
    "secret": "SELECT count(*) FROM {schema}.secret AS s WHERE run_scoped AND NOT EXISTS"
    " (SELECT FROM {schema}.secret_ref AS r WHERE r.secret_id = s.id)",
    "chunks": "SELECT count(*) FROM {schema}.run AS c WHERE kind = 'chunk' AND NOT EXISTS"
    " (SELECT FROM {schema}.run AS r WHERE r.id = c.parent_run_id)",
}
_SIZES = {
    "runs": "SELECT count(*) FROM {schema}.run",
    "tasks": "SELECT count(*) FROM {schema}.task",
    "events": "SELECT count(*) FROM {schema}.run_event",
    "segments": "SELECT count(*) FROM {schema}.run_segment",
    "pauses": "SELECT count(*) FROM {schema}.run_pause",
    "labels": "SELECT count(*) FROM {schema}.run_label",
    "arguments": "SELECT count(*) FROM {schema}.state_entry"
    " WHERE kind = 'arguments' OR arguments_of IS NOT NULL",
    "payloads": "SELECT count(*) FROM {schema}.payload",
    "secrets": "SELECT count(*) FROM {schema}.secret WHERE run_scoped",
    "tombstones": "SELECT count(*) FROM {schema}.run_tombstone",
}


async def numbers(store: Store, statements: dict[str, str]) -> dict[str, Any]:
    """Run counting statements."""
    async with store._scope.read() as session:
        return {
            name: (await session.execute(statement)).scalar_one()
            for name, statement in statements.items()
        }


async def orphans(store: Store) -> dict[str, int]:
    """Return how many rows of each table belong to no run, where there are any."""
    return {name: n for name, n in (await numbers(store, _ORPHANS)).items() if n}


async def sizes(store: Store) -> dict[str, int]:
    """Return how many rows there are of everything that goes with runs."""
    return await numbers(store, _SIZES)


def foreign_deletes(store: Store, run: Run) -> dict[str, Any]:
    """Return, by method, a delete with a foreign tenant and what must come of it."""
    runs, retention, absent = store.runs, store.retention, "absent"
    now = datetime.now(UTC)
    return {
        "runs.get_expired_runs_batch": (runs.get_expired_runs_batch(OTHER, now), absent),
        "runs.delete_runs_by_ids": (runs.delete_runs_by_ids(OTHER, [run.id], force=True), absent),
        "runs.delete_runs_by_app": (runs.delete_runs_by_app(OTHER, "app", force=True), absent),
        "runs.prune_terminal_runs": (runs.prune_terminal_runs(OTHER, 0), absent),
        "runs.set_hold": (runs.set_hold(OTHER, run.id, now), Forbidden),
        "retention.list_policies": (retention.list_policies(OTHER), absent),
        "retention.get_policy": (retention.get_policy(OTHER), absent),
        "retention.delete_policy": (retention.delete_policy(OTHER), absent),
        "retention.set_policy": (retention.set_policy(OTHER, days=0), None),
        "retention.plan": (retention.plan(OTHER), None),
        "retention.apply": (retention.apply(OTHER), None),
    }
