"""Plans of the lists of runs, on filled tables: ordered ranges of the right index, nothing else."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import md5
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flowkeep.contracts import Page, RunKind, RunSummary
from flowkeep.statestore import Store, connect
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.plans import plans
from tests.statestore.records import TENANT, at

COLUMNS = """id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue, kind, labels,
    definition_id, parent_run_id, triggered_from, owner, status, created_at, updated_at"""
ROWS = """
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 't' || n % 50 END, 'app' || n % 20,
    'default', 'w' || n, CASE WHEN n % 6 = 0 THEN 'Rare' ELSE 'Extract' END, 'q',
    CASE WHEN n % 10 = 0 THEN 'chunk' ELSE 'run' END,
    jsonb_build_object('env', CASE WHEN n % 3 = 0 THEN 'prod' ELSE 'test' END, 'ticket',
        'T' || n % 1000),
    md5('d' || n % 100)::uuid, CASE WHEN n % 10 = 0 THEN md5('p' || n % 100)::uuid END,
    (ARRAY['cli', 'api', 'schedule', 'sdk'])[1 + n / 2 % 4],
    CASE WHEN n % 3 = 0 THEN 'owner' || n % 99 END,
    CASE WHEN n % 100 = 2 AND n > 7500 THEN 'waiting' WHEN n % 100 = 4 THEN 'failed'
        ELSE 'succeeded' END,
    timestamptz '2026-01-01 12:00Z' + n * interval '1 second',
    timestamptz '2026-01-01 12:00Z' + n * interval '1 second'
"""
BUNDLE = "00000000-0000-0000-0000-000000000001"
LABELS = """
INSERT INTO flowkeep.run_label (tenant_id, key, value, archived, created_at, run_id)
SELECT r.tenant_id, label.key, label.value, {archived}, r.created_at, r.id
FROM flowkeep.{table} AS r, jsonb_each_text(r.labels) AS label
"""
FILL = (
    f"INSERT INTO flowkeep.run ({COLUMNS}, start_options, state, source) "
    f"{ROWS.rstrip()}, '{{}}', '{{}}', 3 FROM generate_series(7501, 30000) AS n",
    f"""
    INSERT INTO flowkeep.archive_bundle
        (id, tenant_id, month, shard, url, prefix, status, created_at)
    VALUES ('{BUNDLE}', 'acme', '2026-01-01', 0, 'file:///x', 'p', 'archived', now())
    """,
    f"INSERT INTO flowkeep.run_archive ({COLUMNS}, bundle_id, archived_at) "
    f"{ROWS.rstrip()}, '{BUNDLE}', now() FROM generate_series(1, 7500) AS n",
    LABELS.format(table="run", archived="false"),
    LABELS.format(table="run_archive", archived="true"),
    """
    INSERT INTO flowkeep.run_pause (id, run_id, tenant_id, paused_at, resumed_at)
    SELECT gen_random_uuid(), r.id, r.tenant_id, r.updated_at - again * interval '1 hour',
        CASE WHEN again > 0 OR r.status <> 'waiting' THEN now() END
    FROM flowkeep.run AS r, generate_series(0, 1) AS again
    WHERE r.kind = 'run' AND r.id < 'a0000000-0000-0000-0000-000000000000'
    """,
    "ANALYZE",
)
SEGMENTS = """
INSERT INTO flowkeep.run_segment
    (namespace, temporal_run_id, run_id, tenant_id, kind, status, started_at, source)
SELECT 'default', 's' || n, :run, :tenant, 'continue', 'running',
    timestamptz '2026-01-01 12:00Z' - n * interval '1 second', 3
FROM generate_series(1, 3000) AS n ORDER BY n
ON CONFLICT DO NOTHING
"""
PAYLOAD = {"start_options", "state", "wait", "error", "inputs", "outputs", "payload"}
RANGES = {"Index Scan", "Index Only Scan"}
MERGING = {"Limit", "Append", "Merge Append", "Nested Loop", "Subquery Scan", "Result", "Memoize"}


@pytest.fixture(scope="module")
async def lists(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A ledger of 22,500 runs and 7,500 archived ones, with labels and pauses, analysed."""
    url = await engine.create_database("ledger_lists", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            for statement in FILL:
                await tx.connection.execute(text(statement))
        yield store
    await drop_database(engine, "ledger_lists")


async def ranges(
    store: Store, call: Callable[[], Awaitable[Any]], *, generic: bool
) -> list[dict[str, Any]]:
    """Return the index ranges a call reads; fail on any node that is no such range or its merge."""

    async def run() -> None:
        await call()

    found = []
    planned = await plans(store, run, generic=generic)
    assert planned
    for plan in planned:
        for node in plan:
            assert node["Node Type"] in RANGES | MERGING, node
            if node["Node Type"] in RANGES:
                assert node.get("Index Cond"), node
                found.append(node)
        # A scan names the whole row it points to; what is taken of it stands in the nodes above.
        above = [node for node in plan if node["Node Type"] not in RANGES and "Output" in node]
        taken = {name.split(".")[-1] for node in above or plan for name in node.get("Output", [])}
        assert taken, plan
        assert not taken & PAYLOAD
    return found


def used(found: list[dict[str, Any]]) -> set[str]:
    """Return the indexes of some ranges, without those that look up one run or one label of it."""
    names = {node["Index Name"] for node in found}
    return names - {"run_pk", "run_archive_pk"}


def both(*names: str) -> set[str]:
    """Return the names of an index in both tables."""
    return {f"{table}_{name}_ix" for table in ("run", "run_archive") for name in names}


async def deep(read: Callable[[UUID | None], Awaitable[Page[RunSummary]]]) -> UUID:
    """Return the cursor behind three pages, or behind as many as there are."""
    last: UUID | None = None
    for _ in range(3):
        page = await read(last)
        last = page.data[-1].id
        if not page.has_more:
            break
    assert last is not None
    return last


SINGLE: list[tuple[dict[str, Any], set[str]]] = [
    ({}, both("by_tenant")),
    ({"app_id": "app2"}, both("by_app")),
    ({"triggered_from": "schedule"}, both("by_trigger")),
    ({"triggered_from": ["schedule", "cli"]}, both("by_trigger")),
    ({"app_id": "app2", "triggered_from": "sdk"}, both("by_app_trigger")),
    ({"app_id": "app2", "triggered_from": ["sdk", "api", "cli"]}, both("by_app_trigger")),
    ({"status": "failed"}, both("by_status")),
    ({"app_id": "app4", "status": "failed"}, both("by_app_status")),
    ({"workflow_type": "Rare"}, both("by_type")),
    ({"apps": ["app2", "app4"]}, both("by_app")),
    ({"apps": ["app2", "app4"], "status": "failed"}, both("by_app_status")),
    ({"owner": "owner6"}, both("by_owner")),
    ({"owner": "nobody"}, both("by_owner")),
    ({"definition_id": UUID(md5(b"d2").hexdigest())}, both("by_definition")),
    ({"since": at(2000), "until": at(20_000)}, both("by_tenant")),
    ({"app_id": "app2", "since": at(2000), "until": at(20_000)}, both("by_app")),
    ({"kinds": [RunKind.CHUNK]}, both("chunk")),
    ({"kinds": list(RunKind)}, both("chunk", "by_tenant")),
]


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("page", ["first", "deep"])
async def test_each_filter_is_a_range_of_its_index(lists: Store, page: str, generic: bool) -> None:
    """With one filter, every branch reads what it returns from the filter's index, in its order."""
    for filters, indexes in SINGLE:

        async def read(last: UUID | None, filters: dict[str, Any] = filters) -> Page[RunSummary]:
            return await lists.runs.get_paginated_runs(TENANT, limit=20, last_id=last, **filters)

        empty = filters.get("owner") == "nobody"
        last = await deep(read) if page == "deep" and not empty else None
        found = await ranges(lists, lambda: read(last), generic=generic)  # noqa: B023
        assert used(found) == indexes, filters
        for node in found:
            assert node["Index Name"].endswith("_pk") or "Filter" not in node, (filters, node)


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
async def test_what_nearly_all_runs_have_may_come_from_the_list_of_all(
    lists: Store, generic: bool
) -> None:
    """A status or class of most runs is read from its own index, or picked from the tenant's."""
    for filters, indexes in (
        ({"status": "succeeded"}, both("by_status", "by_tenant")),
        ({"workflow_type": "Extract"}, both("by_type", "by_tenant")),
        ({"app_id": "app6", "status": "succeeded"}, both("by_app_status", "by_app")),
    ):
        found = await ranges(
            lists,
            lambda: lists.runs.get_paginated_runs(TENANT, **filters),  # type: ignore[arg-type]  # noqa: B023
            generic=generic,
        )
        assert used(found) <= indexes, filters


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("page", ["first", "deep"])
async def test_labels_lead_or_are_looked_up(lists: Store, page: str, generic: bool) -> None:
    """A filter by labels reads label rows in the list's order, or looks each run's label up."""
    for filters in (
        {"labels": {"ticket": "T6"}},
        {"labels": {"env": "prod"}},
        {"labels": {"env": "prod", "ticket": "T6"}},
        {"labels": {"env": "prod"}, "status": "failed"},
        {"labels": {"ticket": "T6"}, "owner": "owner6"},
        {"labels": {"env": "test"}, "triggered_from": ["api", "cli"], "since": at(10)},
    ):

        async def read(last: UUID | None, filters: dict[str, Any] = filters) -> Page[RunSummary]:
            return await lists.runs.get_paginated_runs(TENANT, limit=5, last_id=last, **filters)

        first = await read(None)
        last = await deep(read) if page == "deep" and first.data else None
        found = await ranges(lists, lambda: read(last), generic=generic)  # noqa: B023
        assert "run_label_pk" in used(found), filters
    rare = await ranges(
        lists,
        lambda: lists.runs.get_paginated_runs(TENANT, labels={"env": "prod", "ticket": "T6"}),
        generic=False,
    )
    # Conditions on constants alone: this range leads, the others look up what it names.
    leading = {n["Index Name"] for n in rare if not re.search(r"= (r|label)\w*\.", n["Index Cond"])}
    assert leading == {"run_label_pk"}


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
async def test_two_filters_read_the_index_of_one(lists: Store, generic: bool) -> None:
    """Filters without a common index are a range of one of theirs; with values known, the rarer."""
    for filters, rarer in (
        ({"status": "succeeded", "owner": "owner6"}, "by_owner"),
        ({"status": "failed", "workflow_type": "Extract"}, "by_status"),
        ({"workflow_type": "Extract", "owner": "owner6"}, "by_owner"),
        (
            {"definition_id": UUID(md5(b"d2").hexdigest()), "status": "succeeded"},
            "by_definition",
        ),
        ({"app_id": "app2", "owner": "owner6"}, "by_owner"),
    ):
        found = await ranges(
            lists,
            lambda: lists.runs.get_paginated_runs(TENANT, **filters),  # noqa: B023
            generic=generic,
        )
        if not generic:
            assert used(found) >= {f"run_{rarer}_ix"}, filters


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
async def test_finders_are_ranges_of_their_index(lists: Store, generic: bool) -> None:
    """Parents, workflow ids, pauses, owners, definitions and statuses each have their own range."""
    runs = lists.runs
    parent = UUID(md5(b"p10").hexdigest())
    definition = UUID(md5(b"d2").hexdigest())
    child = (await runs.find_by_parent(TENANT, parent, 3)).data[-1].id
    paused = (await runs.find_paused(TENANT, 3)).data[-1].id
    rested = (await runs.list_by_status(TENANT, "failed", 3)).data[-1]
    calls: list[tuple[Callable[[], Awaitable[Any]], set[str]]] = [
        (lambda: runs.find_by_parent(TENANT, parent), both("by_parent")),
        (lambda: runs.find_by_parent(TENANT, parent, last_id=child), both("by_parent")),
        (lambda: runs.find_by_workflow_id(TENANT, "w9002"), both("by_workflow_id")),
        (lambda: runs.find_by_definition(TENANT, definition), both("by_definition")),
        (lambda: runs.list_by_owner(TENANT, "owner6"), both("by_owner")),
        (lambda: runs.find_paused(TENANT), {"run_pause_open_ix"}),
        (
            lambda: runs.find_paused(TENANT, last_id=paused),
            {"run_pause_open_ix", "run_pause_by_run_ix"},
        ),
        (lambda: runs.list_by_status(TENANT, "failed"), both("by_rest")),
        (
            lambda: runs.list_by_status(
                TENANT, "failed", 20, rested.id, last_updated_at=rested.updated_at
            ),
            both("by_rest"),
        ),
    ]
    for call, indexes in calls:
        assert used(await ranges(lists, call, generic=generic)) == indexes, indexes


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
async def test_the_newest_executions_come_from_their_index(lists: Store, generic: bool) -> None:
    """Of a run with many executions the newest are read by an index; no others are sorted."""
    run = (await lists.runs.get_paginated_runs(TENANT, limit=1)).data[0].id

    async def read() -> None:
        found = await lists.runs.list_segments(TENANT, run)
        names = [one.temporal_run_id for one in found]
        # They began in the other order than they were told of.
        assert names == [f"s{n}" for n in range(3000, 2000, -1)]

    async with lists.transaction() as tx:
        await tx.connection.execute(text(SEGMENTS), {"run": run, "tenant": TENANT})
    async with lists.transaction() as tx:
        await tx.connection.execute(text("ANALYZE flowkeep.run_segment"))
    for plan in await plans(lists, read, generic=generic):
        scans = [node for node in plan if node["Node Type"] in RANGES]
        assert [node["Index Name"] for node in scans] == ["run_segment_by_run_ix"], plan
        assert scans[0]["Scan Direction"] == "Backward"
        below = [node["Node Type"] for node in plan]
        assert below.index("Sort") < below.index("Limit"), plan
        assert below.count("Sort") == 1


async def test_planning_returns_to_what_it_was(lists: Store) -> None:
    """A list inside a transaction leaves no setting behind, nor does one that fails."""
    async with lists.transaction() as tx:
        await tx.runs.get_paginated_runs(TENANT)
        with pytest.raises(ValueError, match="last_id"):
            await tx.runs.find_paused(TENANT, last_id=UUID(int=1))
        await tx.runs.find_paused(TENANT)
        for name in ("enable_sort", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"):
            assert (await tx.connection.execute(text(f"SHOW {name}"))).scalar_one() == "on"
        mode = await tx.connection.execute(text("SHOW plan_cache_mode"))
        assert mode.scalar_one() == "auto"
