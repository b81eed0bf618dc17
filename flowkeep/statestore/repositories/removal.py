"""The one way rows of runs leave the tables, and the same count without removing anything."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from flowkeep.contracts import StateType
from flowkeep.contracts.retention import Removed
from flowkeep.statestore.repositories import arguments, inputs, rollups
from flowkeep.statestore.session import Session

# Conditions of what goes with runs. Counting and deleting both read them, so they cannot
# disagree. Ids travel as one array literal: adapting a list for each statement costs more.
_OF_RUN = "run_id = ANY(CAST(:runs AS uuid[]))"
# No index leads from a run to its labels, but its row says which ones there are. `OFFSET 0` keeps
# look-ups by key what they are. Labels of a run that moved to the archive stay.
_LABELS = """ctid = ANY(ARRAY(
    SELECT found.ctid FROM {schema}.run AS r
    CROSS JOIN LATERAL jsonb_each_text(r.labels) AS label
    CROSS JOIN LATERAL (
        SELECT l.ctid FROM {schema}.run_label AS l
        WHERE l.tenant_id = r.tenant_id AND l.key = label.key AND l.value = label.value
          AND NOT l.archived AND l.created_at = r.created_at AND l.run_id = r.id OFFSET 0
    ) AS found
    WHERE r.id = ANY(CAST(:runs AS uuid[])) AND r.labels <> '{}'
))"""
_ARGUMENTS = f"""tenant_id = :tenant AND kind = '{arguments.KIND}'
    AND key = ANY(CAST(:runs AS text[]))"""
# A workflow_id that leads to another run's arguments, or to what users saved, is left.
_ALIASES = f"""arguments_of = ANY(CAST(:runs AS uuid[])) AND ctid = ANY(ARRAY(
    SELECT found.ctid FROM {{schema}}.run AS r
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {{schema}}.state_entry AS s
        WHERE s.tenant_id = r.tenant_id AND s.kind = '{StateType.WORKFLOWS.value}'
          AND s.key = r.workflow_id AND s.arguments_of = r.id OFFSET 0
    ) AS found
    WHERE r.id = ANY(CAST(:runs AS uuid[]))
))"""
_ROWS = {
    "labels": ("run_label", _LABELS),
    "events": ("run_event", _OF_RUN),
    "segments": ("run_segment", _OF_RUN),
    "pauses": ("run_pause", _OF_RUN),
    "tasks": ("task", _OF_RUN),
}
_RUNS = ("run", "id = ANY(CAST(:runs AS uuid[]))")


@dataclass(frozen=True)
class _Shared:
    """Statements about rows that several runs may need, and the table that says which do.

    Attributes:
        release: Removes the references of some runs and returns the keys of what they needed.
        lock: Locks rows by key. Whoever is about to refer to a row holds it: it is passed over.
        sweep: Deletes rows by key that nobody refers to.
        released: How many references to each key some runs have.
        needed: How many references to some keys there are at all.
    """

    release: str
    lock: str
    sweep: str
    released: str
    needed: str

    @classmethod
    def of(cls, table: str, key: str, refs: str, ref: str, kind: str, tenant: str = "") -> Self:
        """Return the statements for two tables.

        Args:
            table: Where the rows lie.
            key: Their key.
            refs: The table that refers to them.
            ref: Its column that holds the key.
            kind: SQL type of the key.
            tenant: Condition on the tenant, where both tables' indexes begin with it.
        """
        rows = f"{{schema}}.{table} WHERE {tenant}{key} = ANY(CAST(:keys AS {kind}[]))"
        one = f"SELECT true FROM {{schema}}.{refs} WHERE {tenant}{ref} = {table}.{key} LIMIT 1"
        every = f"SELECT count(*) FROM {{schema}}.{refs} WHERE {tenant}{ref} = k.key"
        return cls(
            release=f"DELETE FROM {{schema}}.{refs} WHERE {_OF_RUN} RETURNING {ref}",
            lock=f"SELECT {key} FROM {rows} ORDER BY 1 FOR UPDATE SKIP LOCKED",
            sweep=f"DELETE FROM {rows} AND ({one}) IS NULL",
            released=f"SELECT {ref} AS key, count(*) AS refs FROM {{schema}}.{refs}"
            f" WHERE {_OF_RUN} GROUP BY 1",
            needed=f"SELECT k.key, ({every}) AS refs"
            f" FROM unnest(CAST(:keys AS {kind}[])) AS k(key)",
        )


_SHARED = {
    "payloads": _Shared.of(
        "payload", "hash", "payload_ref", "hash", "bytea", "tenant_id = :tenant AND "
    ),
    "secrets": _Shared.of("secret", "id", "secret_ref", "secret_id", "uuid"),
}


async def remove(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> Removed:
    """Delete runs of one tenant with everything that is theirs alone.

    They stay counted in the statistics. No tombstone is written: the caller says why they go.

    Args:
        session: The transaction that holds the locks of these runs.
        tenant_id: Whose runs.
        run_ids: Terminal runs, their chunks among them.
    """
    if not run_ids:
        return Removed()
    await rollups.note_gone(session, run_ids)
    return await clear(session, tenant_id, run_ids)


async def clear(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> Removed:
    """Delete all rows of runs, whatever becomes of them; labels marked as archived stay.

    Args:
        session: The transaction that holds the locks of these runs.
        tenant_id: Whose runs.
        run_ids: Terminal runs, their chunks among them.
    """
    bound = _bound(tenant_id, run_ids)
    gone: dict[str, int] = {}
    # First, and not counted: who records a step holds its scope, and writes none without it.
    await _delete(session, "step_scope", _OF_RUN, bound)
    await _delete(session, "task_log", _OF_RUN, bound)
    for name, (table, condition) in _ROWS.items():
        gone[name] = await _delete(session, table, condition, bound)
    gone["arguments"] = await _delete(session, "state_entry", _ARGUMENTS, bound)
    if gone["arguments"]:
        gone["arguments"] += await _delete(session, "state_entry", _ALIASES, bound)
    for name, shared in _SHARED.items():
        gone[name] = await _release(session, shared, bound)
    gone["runs"] = await _delete(session, *_RUNS, bound)
    return Removed(**gone)


async def _delete(session: Session, table: str, condition: str, bound: dict[str, Any]) -> int:
    found = await session.execute(f"DELETE FROM {{schema}}.{table} WHERE {condition}", bound)
    return found.rowcount


async def _release(session: Session, shared: _Shared, bound: dict[str, Any]) -> int:
    released = await session.execute(shared.release, bound)
    keys = sorted(set(released.scalars()))
    if not keys:
        return 0
    free = (await session.execute(shared.lock, {**bound, "keys": keys})).scalars().all()
    if not free:
        return 0
    # A statement of its own, which sees references that were committed before the lock was ours.
    swept = await session.execute(shared.sweep, {**bound, "keys": list(free)})
    return swept.rowcount


class Count:
    """What `remove` would delete of runs that are named in several batches, each run once."""

    def __init__(self) -> None:
        self.removed = Removed()
        # References that are left to what some of the runs need: at zero it goes with them.
        self._left: dict[str, dict[Any, int]] = {name: {} for name in _SHARED}

    async def add(self, session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> Removed:
        """Count a batch, and return what it adds."""
        if not run_ids:
            return Removed()
        bound = _bound(tenant_id, run_ids)
        gone: dict[str, int] = {}
        for name, (table, condition) in (_ROWS | {"runs": _RUNS}).items():
            gone[name] = await _count(session, table, condition, bound)
        gone["arguments"] = await _count(session, "state_entry", _ARGUMENTS, bound)
        if gone["arguments"]:
            gone["arguments"] += await _count(session, "state_entry", _ALIASES, bound)
        for name, shared in _SHARED.items():
            gone[name] = await self._released(session, name, shared, bound)
        added = Removed(**gone)
        self.removed += added
        return added

    async def _released(
        self, session: Session, name: str, shared: _Shared, bound: dict[str, Any]
    ) -> int:
        left = self._left[name]
        found = await session.execute(shared.released, bound)
        released = {row.key: int(row.refs) for row in found}
        unknown = sorted(key for key in released if key not in left)
        if unknown:
            needed = await session.execute(shared.needed, {**bound, "keys": unknown})
            left.update((row.key, int(row.refs)) for row in needed)
        free = 0
        for key, number in released.items():
            left[key] -= number
            if left[key] <= 0:
                free += 1
                del left[key]
        return free


async def _count(session: Session, table: str, condition: str, bound: dict[str, Any]) -> int:
    found = await session.execute(
        f"SELECT count(*) FROM {{schema}}.{table} WHERE {condition}", bound
    )
    return int(found.scalar_one())


def _bound(tenant_id: str, run_ids: Iterable[UUID]) -> dict[str, Any]:
    return {"tenant": tenant_id, "runs": inputs.array(run_ids)}
