"""Plans of the lists of tasks on a filled table: ordered ranges of an index, without payloads."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import NewTask, TaskKey
from flowkeep.contracts.sight import Sight
from flowkeep.statestore import Store, connect
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.plans import check, plans
from tests.statestore.records import TENANT, at

RUNS = """
INSERT INTO flowkeep.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT md5(n::text)::uuid, CASE WHEN n % 3 = 0 THEN 'rival' ELSE 'acme' END, 'default', 'w' || n,
    'Extract', 'q', '{}', 'run', '{}', 'cli', 'running', '{}', 3,
    timestamptz '2026-01-01 12:00Z' + n * interval '1 second', now()
FROM generate_series(1, 3000) AS n
"""
# One task in five has not simply succeeded, like one in five that waits, is due or has an id.
TASKS = """
INSERT INTO flowkeep.task (run_id, tenant_id, temporal_run_id, activity_id, attempt, task_name,
    type, status, external_id, child_run_id, next_retry_at, deadline_at, input, created_at,
    scheduled_at, updated_at, source)
SELECT r.id, r.tenant_id, r.id::text, a::text, 1, 'fetch' || a % 5, 'activity',
    CASE WHEN n % 100 > 20 THEN 'succeeded'
         ELSE (ARRAY['running', 'failed', 'timed_out', 'cancelled', 'waiting'])[1 + n % 5] END,
    CASE WHEN n % 5 = 0 THEN 'job-' || n % 500 END,
    CASE WHEN n % 50 = 0 THEN r.id END,
    CASE WHEN n % 100 <= 20 AND n % 5 = 1 THEN r.created_at END,
    CASE WHEN n % 2 = 0 THEN r.created_at END,
    '{}', now(), r.created_at, r.created_at + a * interval '1 second', 2
FROM (SELECT *, row_number() OVER () AS i FROM flowkeep.run) AS r, generate_series(1, 12) AS a,
     LATERAL (SELECT (r.i * 37 + a * 11)) AS x(n)
"""

QUESTIONS = """
UPDATE flowkeep.task SET type = 'human', input = '{"assignee": ["ann"]}' WHERE status = 'waiting'
"""


@pytest.fixture(scope="module")
async def filled(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A ledger of 36,000 attempts, analysed."""
    url = await engine.create_database("ledger_tasks", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            for statement in (RUNS, TASKS, QUESTIONS, "ANALYZE"):
                await tx.connection.execute(text(statement))
        yield store
    await drop_database(engine, "ledger_tasks")


@pytest.mark.parametrize("generic", [False, True])
async def test_lists_of_tasks_are_ranges_of_an_index(filled: Store, generic: bool) -> None:
    """Each list and finder, first page and next, reads an ordered index and no payload."""
    tasks = filled.tasks
    run_id = (await tasks.list(TENANT, status="failed", limit=1)).data[0].run_id
    end = at(10_000)
    for call, index in [
        (lambda **p: tasks.list(TENANT, status="failed", **p), "task_by_status_ix"),
        (lambda **p: tasks.list(TENANT, status="failed", name="fetch1", **p), "task_by_status_ix"),
        (lambda **p: tasks.list(TENANT, run_id=run_id, **p), "task_pk"),
        (lambda **p: tasks.list(TENANT, run_id=run_id, status="succeeded", **p), "task_pk"),
        (lambda **p: tasks.find_by_name(TENANT, run_id, "fetch1", **p), "task_pk"),
        (
            lambda **p: tasks.find_by_external_id(TENANT, "job-5", **p),
            "task_by_external_id_ix",
        ),
        (lambda **p: tasks.find_pending_retries(TENANT, end, **p), "task_retry_ix"),
        (lambda **p: tasks.find_overdue(TENANT, end, **p), "task_deadline_ix"),
        (lambda **p: tasks.find_timed_out(TENANT, at(0), **p), "task_by_status_ix"),
    ]:
        page = await call(limit=2)
        assert page.has_more, index
        for cursor in (None, page.data[-1].cursor):
            found = await plans(
                filled, lambda c=cursor, call=call: call(limit=50, cursor=c), generic=generic
            )
            # A range of a run's few tasks may be sorted; one across runs is in order already.
            most_sorted = 100 if index in ("task_pk", "task_by_external_id_ix") else 0
            check(found, wanted=set(), most_sorted=most_sorted)
            used = {node.get("Index Name") for plan in found for node in plan}
            # A run's tasks may come from any index that begins with the run.
            assert index in used or (index == "task_pk" and "task_by_time_ix" in used), used
            check_output(found)
    child = await plans(filled, lambda: tasks.find_by_child_run(TENANT, run_id), generic=generic)
    check(child, wanted={"task_by_child_run_ix"}, most_sorted=50)
    check_output(child)


@pytest.mark.parametrize("generic", [False, True])
async def test_open_questions_are_a_range_of_an_index(filled: Store, generic: bool) -> None:
    """First page and next read the waiting tasks in order, and look runs up by their key."""
    for sight in (None, Sight(subject="ann"), Sight(subject="bob", apps=("a",), staff_apps=("a",))):
        page = await filled.tasks.open_questions(TENANT, visible_to=sight, limit=2)
        cursors = [None, page.data[-1].cursor] if page.data else [None]
        for cursor in cursors:
            found = await plans(
                filled,
                lambda c=cursor, s=sight: filled.tasks.open_questions(
                    TENANT, visible_to=s, limit=20, cursor=c
                ),
                generic=generic,
            )
            # Few tasks wait: where the planner takes them for even fewer, it sorts them.
            check(found, wanted={"task_by_status_ix"}, most_sorted=1_000)


def check_output(found: list[list[dict[str, Any]]]) -> None:
    """Fail if a payload is read."""
    for plan in found:
        columns = {column.rpartition(".")[2] for column in plan[0]["Output"]}
        assert "task_name" in columns
        assert not columns & {"input", "output", "error", "input_hash", "output_hash"}, columns


@pytest.mark.parametrize("generic", [False, True])
async def test_writes_of_tasks_are_look_ups(filled: Store, generic: bool) -> None:
    """Reading, inserting, claiming and changing one task read no table as a whole."""
    tasks = filled.tasks
    run_id = (await tasks.list(TENANT, status="failed", limit=1)).data[0].run_id
    name = f"s{generic}"
    added = await tasks.insert(TENANT, NewTask(run_id=run_id, task_name=name))
    for call in (
        lambda: tasks.get(TENANT, TaskKey(run_id=run_id, activity_id=name)),
        lambda: tasks.insert(TENANT, NewTask(run_id=run_id, task_name=f"{name}2")),
        lambda: tasks.claim(TENANT, run_id, f"{name}3"),
        lambda: tasks.update(TENANT, added.evolve(status="cancelled")),
    ):
        check(await plans(filled, call, generic=generic), wanted={"task_pk"})
