"""Plans on a filled table: lists are ordered ranges of an index, whatever the table's size."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.statestore import Store, connect, migrate
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.plans import check, plans
from tests.statestore.records import TENANT, attempt, close_of, new_id, new_run, ref_of

FILL = """
INSERT INTO flowkeep.run (id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 't' || n % 50 END, 'app' || n % 20,
    'default', 'w' || n, 'Extract', 'q', '{}', CASE WHEN n % 5 = 0 THEN 'chunk' ELSE 'run' END,
    '{}', (ARRAY['cli', 'api', 'schedule', 'sdk'])[1 + n % 4],
    CASE WHEN n % 100 = 2 THEN 'running' ELSE 'succeeded' END, '{}', 3,
    timestamptz '2026-01-01' + n * interval '1 second', now()
FROM generate_series(1, 30000) AS n
"""
TASKS = """
INSERT INTO flowkeep.task (run_id, tenant_id, temporal_run_id, activity_id, attempt, task_name,
    type, status, created_at, scheduled_at, updated_at, source)
SELECT r.id, r.tenant_id, r.id::text, a::text, 1, 'fetch', 'activity', 'succeeded', now(),
    r.created_at, now(), 2
FROM (SELECT * FROM flowkeep.run LIMIT 3000) AS r, generate_series(1, 10) AS a
"""
EVENTS = """
INSERT INTO flowkeep.run_event (run_id, tenant_id, kind, payload, revision, at)
SELECT id, tenant_id, 'created', '{}', 0, now() FROM flowkeep.run
"""
SEGMENTS = """
INSERT INTO flowkeep.run_segment
    (namespace, temporal_run_id, run_id, tenant_id, kind, status, source)
SELECT 'default', id::text, id, tenant_id, 'start', 'running', 2 FROM flowkeep.run
"""


@pytest.fixture(scope="module")
async def filled(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A ledger of 30,000 runs and 30,000 attempts, analysed."""
    url = await engine.create_database("ledger_filled", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            for statement in (FILL, TASKS, EVENTS, SEGMENTS, "ANALYZE"):
                await tx.connection.execute(text(statement))
        yield store
    await drop_database(engine, "ledger_filled")


@pytest.mark.parametrize("generic", [False, True])
async def test_reads_of_one_run_are_index_look_ups(filled: Store, generic: bool) -> None:
    """Run, events, segments, tasks, attempts and runs of a workflow_id are each a look-up."""
    run = (await filled.runs.get_paginated_runs(TENANT, limit=1)).data[0]
    for call, index in [
        (lambda: filled.runs.get(TENANT, run.id), "run_pk"),
        (lambda: filled.runs.list_events(TENANT, run.id), "run_event_pk"),
        (lambda: filled.runs.list_segments(TENANT, run.id), "run_segment_by_run_ix"),
        (lambda: filled.tasks.list_tasks(TENANT, run.id), "task_by_time_ix"),
        # A short run's attempts come from either of its indexes.
        (lambda: filled.tasks.list_attempts(TENANT, run.id), None),
        (
            lambda: filled.runs.find_by_workflow_id(TENANT, run.workflow_id),
            "run_by_workflow_id_ix",
        ),
    ]:
        check(await plans(filled, call, generic=generic), wanted={index} - {None}, most_sorted=200)


@pytest.mark.parametrize("generic", [False, True])
async def test_recording_and_closing_look_up_only_what_they_touch(
    filled: Store, generic: bool
) -> None:
    """A flush and a close read no table as a whole, however many runs there are."""
    run = await filled.runs.create(TENANT, new_run())
    ref = ref_of(run, temporal_run_id=str(new_id()))
    batch = [attempt(ref, str(n)) for n in range(3)]
    await filled.system.record(batch)
    found = await plans(filled, lambda: filled.system.record(batch), generic=generic)
    check(found, wanted={"run_pk", "run_segment_pk", "task_pk"})
    fresh = [ref_of(new_run()) for _ in range(3)]
    whole = [attempt(ref) for ref in fresh]
    ends = [close_of(ref) for ref in fresh]
    found = await plans(filled, lambda: filled.system.record(whole, closes=ends), generic=generic)
    check(found, wanted={"run_pk", "run_segment_pk", "run_segment_by_run_ix", "task_pending_ix"})
    found = await plans(filled, lambda: filled.runs.fail(TENANT, run.id), generic=generic)
    check(found, wanted={"run_pk", "task_pending_ix"})


async def test_a_plan_made_on_an_empty_ledger_is_right_on_a_full_one(ledger_url: str) -> None:
    """What a young process caches are look-ups by key, so growth does not slow it down."""
    async with await connect(settings=settings_for(ledger_url, pool_size=1)) as store:
        run = await store.runs.create(TENANT, new_run())
        ref = ref_of(run, temporal_run_id=str(new_id()))
        await store.system.record([attempt(ref)])
        batch = [attempt(ref, str(n)) for n in range(3)]
        found = await plans(store, lambda: store.system.record(batch), generic=True)
        check(found, wanted={"run_pk", "run_segment_pk", "task_pk"}, most_sorted=200)
        used = {node.get("Index Name") for plan in found for node in plan}
        assert "task_by_time_ix" not in used
        for plan in found:
            for node in plan:
                keyed = node.get("Index Cond") or node["Node Type"] not in {
                    "Index Scan",
                    "Index Only Scan",
                    "Bitmap Index Scan",
                }
                assert keyed, node


async def test_the_filled_ledger_is_a_ledger(filled: Store) -> None:
    """The plans were read on the schema that migrations make."""
    await filled.check()
    assert migrate.head()
