"""Plans of statistics on a filled ledger: no table of runs is read as a whole."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.statestore import Store, connect
from flowkeep.statestore.repositories import folding, rollups
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.records import TENANT
from tests.statestore.test_plans import plans

FILL = """
INSERT INTO flowkeep.run (id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, started_at,
    finished_at, updated_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 't' || n % 50 END, 'app' || n % 20,
    'default', 'w' || n, 'Extract', 'q', '{}', 'run', '{}', 'cli', 'succeeded', '{}', 3, at, at,
    at + interval '3 seconds', at
FROM generate_series(1, 30000) AS n, LATERAL (
    SELECT now() - (30000 - n) * interval '1 minute' AS at) AS moment
"""
CHANGE = """
UPDATE flowkeep.run SET updated_at = now()
WHERE id IN (SELECT id FROM flowkeep.run ORDER BY created_at DESC LIMIT 20)
"""
ARCHIVE = """
INSERT INTO flowkeep.run_archive
SELECT a.* FROM flowkeep.run AS r CROSS JOIN LATERAL jsonb_populate_record(
    null::flowkeep.run_archive, to_jsonb(r) || jsonb_build_object(
        'id', gen_random_uuid(), 'bundle_id', gen_random_uuid(), 'archived_at', now())
) AS a WHERE r.updated_at < now() - interval '5 days'
"""
BIG = {"run", "run_archive", "run_rollup", "definition_component"}


@pytest.fixture(scope="module")
async def filled(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A counted ledger of 30,000 runs, of which 20 changed since, and most archived once more."""
    url = await engine.create_database("ledger_counted", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            await tx.connection.execute(text(FILL))
            await tx.connection.execute(text(ARCHIVE))
        assert await folding.rebuild(store._scope)
        async with store._scope.write() as session:
            await session.execute(text(CHANGE))
        async with store._scope.read() as session:
            await session.execute("VACUUM ANALYZE")
        yield store
    await drop_database(engine, "ledger_counted")


def check(found: list[list[dict[str, Any]]], wanted: set[str]) -> None:
    """Fail unless the plans read the wanted indexes and no table as a whole."""
    used: set[str] = set()
    for plan in found:
        for node in plan:
            whole = node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG
            assert not whole, node
            name = node.get("Index Name")
            if name and name.startswith("run_"):
                assert node.get("Index Cond"), node
            used.add(name or "")
    assert wanted <= used, used


@pytest.mark.parametrize("generic", [False, True])
async def test_counts_read_indexes(filled: Store, generic: bool) -> None:
    """A window is rollup rows of a key range, what changed, and ranges of the index by status."""
    runs = filled.runs
    for app, index in ((None, "run_by_status_ix"), ("app2", "run_by_app_status_ix")):
        for window in ("7d", "30m"):

            async def call(app: str | None = app, window: str = window) -> None:
                await runs.count_by_status(TENANT, window, app_id=app)

            found = await plans(filled, call, generic=generic)
            archived = index.replace("run_", "run_archive_")
            check(found, {"run_rollup_pk", "run_changed_ix", index, archived})


@pytest.mark.parametrize("generic", [False, True])
async def test_statistics_read_rollups_alone(filled: Store, generic: bool) -> None:
    """Days, durations, types and use of a tenant or of all are key ranges of the rollups."""
    since = datetime.now(UTC) - timedelta(days=3)
    tenant, system = filled.statistics, filled.system
    for call in (
        lambda: tenant.per_day(TENANT, "Asia/Kolkata", since),
        lambda: tenant.durations(TENANT, since, app_id="app2"),
        lambda: tenant.most_executed(TENANT, 20, since, by="workflow_type"),
        lambda: tenant.usage(TENANT, 20, since),
        lambda: system.per_day("UTC", since),
        lambda: system.durations(since),
        lambda: system.per_tenant(since),
        lambda: system.usage(20, since),
    ):
        found = await plans(filled, call, generic=generic)
        check(found, set())
        assert not any(node.get("Relation Name") == "run" for plan in found for node in plan)


@pytest.mark.parametrize("generic", [False, True])
async def test_counting_reads_what_changed(filled: Store, generic: bool) -> None:
    """Counting anew finds changed runs in their index, and counts ranges of the tenant's."""

    async def fold() -> None:
        await filled.system.fold_rollups()

    check(await plans(filled, fold, generic=generic), {"run_changed_ix"})

    async def rebuild() -> None:
        await filled.system.fold_rollups(rebuild=True)

    check(
        await plans(filled, rebuild, generic=generic),
        {"run_by_tenant_ix", "run_archive_by_tenant_ix"},
    )


@pytest.mark.parametrize("generic", [False, True])
async def test_leaving_runs_are_looked_up(filled: Store, generic: bool) -> None:
    """Runs that leave are looked up by id, and their rollup rows by key."""
    page = await filled.runs.get_paginated_runs(TENANT, limit=100)
    ids = [run.id for run in page.data]
    async with filled._scope.read() as session:
        found = await session.execute("SELECT id FROM {schema}.run_archive LIMIT 100")
        archived = list(found.scalars())

    async def leave() -> None:
        async with filled._scope.write() as session:
            await rollups.note_gone(session, ids)
            await rollups.note_gone(session, archived, archived=True)
            await rollups.note_archived(session, archived)

    check(
        await plans(filled, leave, generic=generic),
        {"run_pk", "run_archive_pk", "run_rollup_pk"},
    )
