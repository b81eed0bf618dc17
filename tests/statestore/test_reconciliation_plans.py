"""What is due and what is proven are index look-ups, however many executions there are."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import RunStatus
from flowkeep.contracts.reconciliation import ClosedExecution, NextLook, Standing
from flowkeep.statestore import Store, connect
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.plans import check, plans

NS = "default"
DUE = 10_000
PAGE = 500

# Of 30,000 executions with a task each a third is due: ended, with the tasks that were counted.
FILL = """
INSERT INTO flowkeep.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT gen_random_uuid(), 'acme', 'default', 'w' || n, 'Extract', 'q', '{}', 'run', '{}', 'sdk',
    'succeeded', '{}', 3, timestamptz '2026-01-01' + n * interval '1 second', now()
FROM generate_series(1, 30000) AS n
"""
SEGMENTS = """
INSERT INTO flowkeep.run_segment (namespace, temporal_run_id, run_id, tenant_id, kind, status,
    source, started_at, closed_at, expected_tasks, reconcile_at)
SELECT 'default', id::text, id, tenant_id, 'start', 'succeeded', 3, created_at, created_at, 1,
    CASE WHEN row_number() OVER (ORDER BY id) <= 10000 THEN created_at END
FROM flowkeep.run
"""
TASKS = """
INSERT INTO flowkeep.task (run_id, tenant_id, temporal_run_id, activity_id, attempt, task_name,
    type, status, created_at, scheduled_at, updated_at, source)
SELECT id, tenant_id, id::text, '1', 1, 'fetch', 'activity', 'succeeded', now(), created_at,
    now(), 2
FROM flowkeep.run
"""


@pytest.fixture
async def filled(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A ledger of 30,000 executions, analysed."""
    url = await engine.create_database("ledger_due", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            for statement in (FILL, SEGMENTS, TASKS, "ANALYZE"):
                await tx.connection.execute(text(statement))
        yield store
    await drop_database(engine, "ledger_due")


async def ended(store: Store, limit: int = PAGE) -> list[ClosedExecution]:
    page = await store.system.due_executions(NS, closed=True, limit=limit)
    return [
        ClosedExecution(one.temporal_run_id, RunStatus.SUCCEEDED, one.closed_at)
        for one in page
        if one.closed_at is not None
    ]


@pytest.mark.parametrize("generic", [False, True])
async def test_the_queue_and_the_proof_are_look_ups(filled: Store, generic: bool) -> None:
    """Neither reads a table as a whole, with or without knowledge of the values."""
    system = filled.system
    closed = await ended(filled, 50)
    (first, *_) = await system.due_executions(NS, closed=True, limit=1)
    look = NextLook(first.temporal_run_id, first.due_at, 60)
    until = datetime.now(UTC) + timedelta(days=1)
    for call, wanted in [
        (
            lambda: system.due_executions(NS, closed=True, limit=PAGE, after=first, until=until),
            {"run_segment_due_ix"},
        ),
        (lambda: system.backlog(NS), {"run_segment_due_ix"}),
        (lambda: system.look_again(NS, [look]), {"run_segment_pk"}),
        (
            lambda: system.reconcile_all_soon([(NS, first.temporal_run_id)]),
            {"run_segment_pk"},
        ),
        (lambda: system.confirm(NS, closed), {"run_segment_pk", "run_pk"}),
    ]:
        found = await plans(filled, call, generic=generic)
        check(found, wanted=wanted, most_sorted=30_000)


async def test_ten_thousand_due_executions_are_proven_in_bounded_time(filled: Store) -> None:
    """A backlog of 10,000 is proven page by page, in a minute even on a busy machine."""
    assert (await filled.system.backlog(NS)).due == DUE
    started, proven = time.monotonic(), 0
    while closed := await ended(filled):
        standings = await filled.system.confirm(NS, closed)
        assert set(standings.values()) == {Standing.PROVEN}
        proven += len(standings)
    assert proven == DUE
    assert (await filled.system.backlog(NS)).due == 0
    assert time.monotonic() - started < 60
