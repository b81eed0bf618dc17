"""Rollups: whatever happens to runs, and whenever it is counted, the totals are right."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from flowkeep.contracts import RunStatus, Source
from flowkeep.statestore import Store
from flowkeep.statestore.repositories import folding, rollups
from flowkeep.statestore.session import Session
from tests.statestore.records import OTHER, TENANT, at, new_id, new_run

Key = tuple[str, str, str]
"""Tenant, app, status."""

TOTALS = f"""
SELECT tenant_id, app_id, status, sum(runs)::bigint AS runs, coalesce(sum((
    SELECT sum({rollups.COUNT_OF}) FROM unnest(durations) AS d)), 0)::bigint AS ended
FROM {{schema}}.run_rollup WHERE grain = :grain GROUP BY 1, 2, 3 HAVING sum(runs) <> 0
ORDER BY 1, 2, 3
"""
WHOLE = "SELECT tenant_id, '', status, sum(runs), sum(ended) FROM ({}) AS apps GROUP BY 1, 3"
INSERT = """
INSERT INTO {schema}.run (id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT :id, :tenant, :app, 'default', :id, 'Extract', 'q', '{}', :kind, '{}', 'cli', 'pending',
    '{}', 0, :created_at, now()
"""
END = """
UPDATE {schema}.run SET status = :status, started_at = created_at,
    finished_at = created_at + :took, updated_at = now() WHERE id = :id
"""

ARCHIVE = """
INSERT INTO {schema}.run_archive
SELECT a.* FROM {schema}.run AS r CROSS JOIN LATERAL jsonb_populate_record(
    null::{schema}.run_archive,
    to_jsonb(r) || jsonb_build_object('bundle_id', gen_random_uuid(), 'archived_at', now())
) AS a WHERE r.id = ANY(:ids)
"""


async def execute(store: Store, statement: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own."""
    async with store._scope.write() as session:
        return await session.execute(statement, values)


async def totals(store: Store) -> tuple[Counter[Key], Counter[Key]]:
    """Return runs and ended runs as the rollups have them."""
    async with store._scope.read() as session:
        rows = (await session.execute(TOTALS, {"grain": "app"})).all()
        assert (await session.execute(TOTALS, {"grain": "each"})).all() == rows
        whole = (await session.execute(TOTALS, {"grain": "all"})).all()
        summed = await session.execute(WHOLE.format(TOTALS), {"grain": "app"})
        assert sorted(whole) == sorted(tuple(row) for row in summed)
    runs = Counter({(t, a, s): int(n) for t, a, s, n, _ in rows})
    return runs, Counter({(t, a, s): int(m) for t, a, s, _, m in rows if m})


class Model:
    """The same moves on plain dictionaries, and on a ledger.

    Args:
        store: The ledger.
        seed: Makes the moves repeatable.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.held: dict[UUID, Key] = {}
        self.away: dict[UUID, Key] = {}
        self.deleted: list[Key] = []

    async def create(self) -> None:
        run_id, tenant = new_id(), self.random.choice([TENANT, OTHER])
        app = self.random.choice(["a", None])
        created_at = at(self.random.choice([0, 100, 900, 86_400]))
        values = {"id": run_id, "tenant": tenant, "app": app, "created_at": created_at}
        await execute(self.store, INSERT, **values, kind="run")
        self.held[run_id] = (tenant, app or "", "pending")

    async def end(self) -> None:
        if not self.held:
            return
        run_id = self.random.choice(list(self.held))
        status = self.random.choice(["succeeded", "failed", "cancelled"])
        took = timedelta(milliseconds=self.random.choice([0, 0.4, 1, 7, 1e3, 1e7]))
        await execute(self.store, END, id=run_id, status=status, took=took)
        self.held[run_id] = (*self.held[run_id][:2], status)

    async def delete(self) -> None:
        ids = self.random.sample(list(self.held), min(len(self.held), 3))
        async with self.store._scope.write() as session:
            await rollups.note_gone(session, ids)
            await session.execute("DELETE FROM {schema}.run WHERE id = ANY(:ids)", {"ids": ids})
        self.deleted += [self.held.pop(run_id) for run_id in ids]

    async def archive(self) -> None:
        ids = self.random.sample(list(self.held), min(len(self.held), 3))
        where = {"ids": ids}
        async with self.store._scope.write() as session:
            await session.execute(
                "CREATE TABLE IF NOT EXISTS {schema}.elsewhere (LIKE {schema}.run)"
            )
            of_them = "SELECT * FROM {schema}.run WHERE id = ANY(:ids)"
            await session.execute("INSERT INTO {schema}.elsewhere " + of_them, where)
            await session.execute(ARCHIVE, where)
            await session.execute("DELETE FROM {schema}.run WHERE id = ANY(:ids)", where)
            await rollups.note_archived(session, ids)
        self.away |= {run_id: self.held.pop(run_id) for run_id in ids}

    async def restore(self) -> None:
        ids = self.random.sample(list(self.away), min(len(self.away), 2))
        if not ids:
            return
        where = {"ids": ids}
        async with self.store._scope.write() as session:
            await session.execute(
                "INSERT INTO {schema}.run SELECT * FROM {schema}.elsewhere WHERE id = ANY(:ids)",
                where,
            )
            for table in ("elsewhere", "run_archive"):
                await session.execute(f"DELETE FROM {{schema}}.{table} WHERE id = ANY(:ids)", where)
        self.held |= {run_id: self.away.pop(run_id) for run_id in ids}

    async def forget(self) -> None:
        """Delete archived runs."""
        ids = self.random.sample(list(self.away), min(len(self.away), 2))
        async with self.store._scope.write() as session:
            await rollups.note_gone(session, ids, archived=True)
            await session.execute(
                "DELETE FROM {schema}.run_archive WHERE id = ANY(:ids)", {"ids": ids}
            )
        self.deleted += [self.away.pop(run_id) for run_id in ids]

    async def count(self) -> None:
        counting = folding.rebuild if self.random.random() < 0.2 else folding.fold
        await counting(self.store._scope)

    async def forget_the_margin(self) -> None:
        """Move the mark to now, as if the margin had passed; nothing else runs meanwhile."""
        await folding.fold(self.store._scope)
        await execute(
            self.store, "UPDATE {schema}.run_rollup_mark SET folded_to = clock_timestamp()"
        )

    async def move(self) -> None:
        await self.random.choice(
            [
                *[self.create] * 4,
                *[self.end] * 4,
                self.delete,
                *[self.archive] * 2,
                self.restore,
                self.forget,
                self.count,
                self.forget_the_margin,
            ]
        )()

    def expected(self) -> tuple[Counter[Key], Counter[Key]]:
        keys = [*self.held.values(), *self.away.values(), *self.deleted]
        return Counter(keys), Counter(key for key in keys if key[2] != "pending")


@pytest.mark.parametrize("seed", [1, 2])
async def test_totals_equal_an_independent_count(store: Store, seed: int) -> None:
    """After any moves, with counts in between or not, the rollups hold every run exactly once."""
    model = Model(store, seed)
    for step in range(90):
        await model.move()
        if step % 30 == 29:
            assert await folding.fold(store._scope)
            assert await totals(store) == model.expected(), step
    assert await folding.rebuild(store._scope)
    assert await totals(store) == model.expected()


async def test_chunks_are_not_counted(store: Store) -> None:
    """Chunks of a map are hidden from lists, so they are no runs in statistics either."""
    chunk = new_id()
    values = {"tenant": TENANT, "app": None, "created_at": at(0)}
    await execute(store, INSERT, id=chunk, kind="chunk", **values)
    await folding.fold(store._scope)
    async with store._scope.write() as session:
        await rollups.note_gone(session, [chunk])
    assert await totals(store) == (Counter(), Counter())


async def test_a_change_committed_late_is_not_missed(store: Store, second: Store) -> None:
    """A transaction that was open while others counted is counted once it commits."""
    await folding.fold(store._scope)
    async with second.transaction() as tx:
        run = await tx.runs.create(TENANT, new_run(app_id=None))
        for _ in range(2):
            assert await folding.fold(store._scope)
        async with store._scope.read() as session:
            mark = await folding.read_mark(session)
        assert mark.folded_to is not None
        assert mark.folded_to < run.updated_at
        assert not (await totals(store))[0]
    await folding.fold(store._scope)
    assert (await totals(store))[0] == {(TENANT, "", "pending"): 1}


async def test_a_count_and_a_removal_do_not_cross(store: Store, second: Store) -> None:
    """A count waits for runs that are leaving, so that it never holds them afterwards."""
    runs = [await store.runs.create(TENANT, new_run(app_id=None)) for _ in range(4)]
    for run in runs:
        await store.runs.fail(TENANT, run.id)
    await folding.fold(store._scope)
    gone = [run.id for run in runs[:2]]
    async with second._scope.write() as session:
        await session.execute("DELETE FROM {schema}.run_event WHERE run_id = ANY(:i)", {"i": gone})
        await rollups.note_gone(session, gone)
        counting = asyncio.create_task(folding.rebuild(store._scope))
        done, _ = await asyncio.wait({counting}, timeout=0.5)
        assert not done
        await session.execute("DELETE FROM {schema}.run WHERE id = ANY(:i)", {"i": gone})
    assert await counting
    assert (await totals(store))[0] == {(TENANT, "", "failed"): 4}


async def test_a_rebuild_that_begins_meanwhile_keeps_no_removed_run(
    store: Store, second: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild that counts a run, right before its removal is counted, does not hold it."""
    run = await store.runs.create(TENANT, new_run(app_id=None))
    await folding.fold(store._scope)
    await execute(store, "UPDATE {schema}.run_rollup_mark SET folded_to = clock_timestamp()")
    pass_gate = rollups.pass_gate

    async def overtaken(session: Session, *, alone: bool) -> None:
        await execute(second, folding._RESTART, first=folding._FIRST)
        await folding._alone(second._scope, folding._rebuild_step)
        await pass_gate(session, alone=alone)

    async with store._scope.write() as session:
        with monkeypatch.context() as patched:
            patched.setattr(rollups, "pass_gate", overtaken)
            await rollups.note_gone(session, [run.id])
        await session.execute("DELETE FROM {schema}.run WHERE id = :id", {"id": run.id})
    assert await folding.fold(store._scope)
    assert (await totals(store))[0] == {(TENANT, "", "pending"): 1}


async def test_one_process_counts_at_a_time(store: Store, second: Store) -> None:
    """Who finds another one counting does not wait: it says that not everything is counted."""
    await store.runs.create(TENANT, new_run())
    async with second._scope.write() as session:
        await session.execute(folding._ALONE, {"schema": session.schema_name})
        assert not await folding.fold(store._scope)
        assert not await folding.rebuild(store._scope)
    assert await folding.fold(store._scope)


async def test_a_stopped_count_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a first count did before its time ran out stays done; the next one finishes."""
    for tenant in (TENANT, OTHER, "third"):
        await store.runs.create(tenant, new_run(app_id=None))
    rounds = 0
    while not await folding.fold(store._scope, within=0):
        rounds += 1
        assert len((await totals(store))[0]) == rounds
    assert rounds == 3
    assert sum((await totals(store))[0].values()) == 3


async def test_a_repeated_count_changes_nothing(store: Store) -> None:
    """Counting twice gives the rows that counting once gave."""
    run = await store.runs.create(TENANT, new_run())
    await store.runs.record_outcome(
        TENANT, run.id, RunStatus.SUCCEEDED, source=Source.SERVER, closed_at=at(1)
    )
    await folding.fold(store._scope)
    before = await totals(store)
    for _ in range(2):
        assert await folding.fold(store._scope)
    assert await totals(store) == before


async def test_a_catalogue_made_anew_is_counted(store: Store) -> None:
    """A rebuild counts archived runs however they came to be there."""
    await store.runs.create(TENANT, new_run(app_id=None))
    copy = """
    INSERT INTO {schema}.run_archive
    SELECT (jsonb_populate_record(null::{schema}.run_archive,
        to_jsonb(r) || jsonb_build_object('id', gen_random_uuid(), 'bundle_id', gen_random_uuid(),
            'archived_at', now()))).*
    FROM {schema}.run AS r
    """
    for _ in range(2):
        await execute(store, copy)
    for _ in range(2):
        assert await folding.rebuild(store._scope)
        assert (await totals(store))[0] == {(TENANT, "", "pending"): 3}
