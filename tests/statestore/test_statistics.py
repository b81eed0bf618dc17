"""Statistics: counts by status, day, tenant and use, and how long runs took."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from flowkeep.contracts import RunStatus
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from flowkeep.statestore.repositories import rollups, windows
from tests.statestore.archived import MOVE
from tests.statestore.records import OTHER, TENANT, new_id, new_run

FILL = """
INSERT INTO {schema}.run (id, tenant_id, app_id, definition_id, namespace, workflow_id,
    workflow_type, task_queue, start_options, kind, labels, triggered_from, status, state, source,
    created_at, started_at, finished_at, updated_at)
SELECT id, tenant, app, definition, 'default', id::text, type, 'q', '{}', 'run', '{}', 'cli',
    status, '{}', 0, created_at, created_at, created_at + seconds * interval '1 second', now()
FROM unnest(CAST(:id AS uuid[]), CAST(:tenant AS text[]), CAST(:app AS text[]),
    CAST(:definition AS uuid[]), CAST(:type AS text[]), CAST(:status AS text[]),
    CAST(:created_at AS timestamptz[]), CAST(:seconds AS double precision[]))
    AS r (id, tenant, app, definition, type, status, created_at, seconds)
"""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def row(created_at: datetime, **fields: Any) -> dict[str, Any]:
    """Return a run for `fill`."""
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": TENANT,
        "app": "app",
        "definition": None,
        "type": "Extract",
        "status": "succeeded",
        "seconds": 1.0,
    }
    return {**values, **fields, "created_at": created_at}


async def fill(store: Store, rows: Iterable[dict[str, Any]]) -> None:
    """Write runs as they were at other times."""
    rows = list(rows)
    async with store._scope.write() as session:
        await session.execute(FILL, {name: [r[name] for r in rows] for name in rows[0]})


async def change(store: Store, run_id: UUID, status: str) -> None:
    """Give a run another status."""
    async with store._scope.write() as session:
        await session.execute(
            "UPDATE {schema}.run SET status = :status, updated_at = now() WHERE id = :id",
            {"id": run_id, "status": status},
        )


async def delete(store: Store, ids: list[UUID]) -> None:
    """Delete runs as retention does."""
    async with store._scope.write() as session:
        await rollups.note_gone(session, ids)
        await session.execute("DELETE FROM {schema}.run WHERE id = ANY(:ids)", {"ids": ids})


async def archive(store: Store, ids: list[UUID]) -> None:
    """Move runs as the archive does."""
    where = {"runs": ids, "bundle": new_id()}
    async with store._scope.write() as session:
        await session.execute(MOVE, where)
        await rollups.note_archived(session, ids)


def present(counts: Any) -> dict[str, int]:
    """Return the counts that are not zero, by the status's name."""
    return {status.value: number for status, number in counts.items() if number}


@pytest.mark.parametrize("window", ["7d", "4h", "30m", "30s", timedelta(hours=5, seconds=7)])
async def test_counts_of_a_window_are_exact(store: Store, window: Any) -> None:
    """At any moment, counted long ago or never, a window holds what was created in it."""
    numbers = random.Random(7)
    ages = [numbers.uniform(1, 9 * 86_400 * numbers.random() ** 6) for _ in range(600)]
    now = datetime.now(UTC)
    rows = [
        row(
            now - timedelta(seconds=age),
            status=numbers.choice(["running", "failed", "succeeded"]),
            app=numbers.choice(["app", "other", None]),
            tenant=numbers.choice([TENANT, TENANT, OTHER]),
        )
        for age in ages
    ]

    async def check(app: str | None) -> None:
        before = datetime.now(UTC)
        found = await store.runs.count_by_status(TENANT, window, app_id=app)
        after = datetime.now(UTC)
        assert set(found) == set(RunStatus)
        mine = [r for r in rows if r["tenant"] == TENANT and app in (None, r["app"])]
        span = windows.window(window)
        most, least = (
            Counter(r["status"] for r in mine if r["created_at"] >= moment - span)
            for moment in (before - timedelta(seconds=1), after + timedelta(seconds=1))
        )
        assert least <= Counter(present(found)) <= most
        # Between the two lie at most those of the seconds the call took.
        assert most.total() - least.total() < 20

    await fill(store, rows)
    for app in ("app", None):
        await check(app)
    numbers.shuffle(rows)
    await archive(store, [moved["id"] for moved in rows[:300]])
    for app in ("app", None):
        await check(app)
    for changed in rows[-60:]:
        changed["status"] = "timed_out"
        await change(store, changed["id"], "timed_out")
    rows += [row(datetime.now(UTC), status="pending") for _ in range(3)]
    await fill(store, rows[-3:])
    for app in ("app", None):
        await check(app)


async def test_the_beginning_of_a_window_is_exact(store: Store) -> None:
    """A run just before the window is left out, one just behind its beginning is in."""
    now = datetime.now(UTC)
    for age in (timedelta(days=7), timedelta(hours=4), timedelta(minutes=30)):
        await fill(store, [row(now - age - timedelta(seconds=5), status="failed")])
        await fill(store, [row(now - age + timedelta(seconds=50), status="succeeded")])
    for window, runs in (("7d", 3 + 2), ("4h", 2 + 1), ("30m", 1)):
        found = await store.runs.count_by_status(TENANT, window)
        assert present(found) == {
            "succeeded": (runs + 1) // 2,
            **({"failed": runs // 2} if runs > 1 else {}),
        }


async def test_deleted_runs_still_count(store: Store) -> None:
    """A run that was deleted is in the statistics as it was, and stays in its window."""
    rows = [row(datetime.now(UTC) - timedelta(hours=2), status="failed") for _ in range(3)]
    await fill(store, rows)
    await delete(store, [rows[0]["id"]])
    assert present(await store.runs.count_by_status(TENANT, "1d")) == {"failed": 3}
    days = (await store.statistics.per_day(TENANT)).data
    assert sum(day.runs for day in days) == 3
    assert (await store.statistics.durations(TENANT)).data.count == 3
    assert not present(await store.runs.count_by_status(TENANT, "30m"))


async def test_counts_inside_a_transaction_see_its_own_runs(store: Store) -> None:
    """A caller's transaction counts what it wrote, though nobody else can see it yet."""
    await store.runs.create(TENANT, new_run())
    await store.runs.count_by_status(TENANT, "1d")
    async with store.transaction() as tx:
        await tx.runs.create(TENANT, new_run())
        assert present(await tx.runs.count_by_status(TENANT, "1d")) == {"pending": 2}
        assert present(await store.runs.count_by_status(TENANT, "1d")) == {"pending": 1}


async def test_windows_are_checked(store: Store) -> None:
    """A window that is no number and unit, or out of bounds, is refused and named."""
    words = [
        "",
        "7",
        "d",
        "7 d",
        "-1d",
        "1w",
        "0s",
        "1.5h",
        "7D",
        "3661d",
        "999999999d",
        "\u0663d",
        "7d\n",
    ]
    for window in (*words, timedelta(0), timedelta(days=-1), timedelta.max, 7, None, True):
        with pytest.raises(InvalidInput, match="window"):
            await store.runs.count_by_status(TENANT, window)  # type: ignore[arg-type]


ZONES = [
    ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 1, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 1, 10, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, tzinfo=UTC)),
    ("Pacific/Kiritimati", datetime(2026, 1, 10, tzinfo=UTC)),
    ("UTC", datetime(2026, 1, 10, tzinfo=UTC)),
]


async def test_days_are_those_of_the_zone(store: Store) -> None:
    """Every run counts on its day in the caller's zone: clock changes, quarters of an hour."""
    steps = [timedelta(minutes=7 * n + 0.01) for n in range(3 * 24 * 60 // 7)]
    await fill(store, [row(b + step, tenant=zone) for zone, b in ZONES for step in steps])
    for zone, begin in ZONES:
        place = ZoneInfo(zone)
        figures = await store.statistics.per_day(
            zone, zone, begin - timedelta(days=1), begin + timedelta(days=5)
        )
        expected = Counter((begin + step).astimezone(place).date() for step in steps)
        assert {d.day: d.runs for d in figures.data if d.runs} == expected, zone
        days = [d.day for d in figures.data]
        assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
        assert days[0] == (begin - timedelta(days=1)).astimezone(place).date()
        assert figures.as_of is not None


async def test_days_are_filtered(store: Store) -> None:
    """App, definition and workflow type each narrow the days; statuses stand apart."""
    definition = new_id()
    await fill(
        store,
        [
            row(NOON, app="a", definition=definition, status="failed"),
            row(NOON, app="a", type="Load"),
            row(NOON, app="b", definition=definition, type="Load"),
            row(NOON, tenant=OTHER),
        ],
    )
    period = (NOON, NOON + timedelta(hours=1))
    statistics = store.statistics
    for filters, runs in [
        ({}, 3),
        ({"app_id": "a"}, 2),
        ({"definition_id": definition}, 2),
        ({"workflow_type": "Load"}, 2),
        ({"app_id": "a", "definition_id": definition}, 1),
        ({"app_id": "c"}, 0),
    ]:
        (day,) = (await statistics.per_day(TENANT, "UTC", *period, **filters)).data  # type: ignore[arg-type]
        assert (day.day, day.runs) == (date(2026, 3, 10), runs), filters
        found = (await statistics.durations(TENANT, *period, **filters)).data  # type: ignore[arg-type]
        assert found.count == runs, filters
    (day,) = (await statistics.per_day(TENANT, "UTC", *period)).data
    assert day.by_status == {RunStatus.FAILED: 1, RunStatus.SUCCEEDED: 2}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": ""}, "time_zone"),
    ({"time_zone": "../etc/passwd"}, "time_zone"),
    ({"time_zone": None}, "time_zone"),
    ({"since": datetime(2026, 1, 1)}, "since has no time zone"),  # noqa: DTZ001
    ({"until": datetime(2026, 1, 1)}, "until has no time zone"),  # noqa: DTZ001
    ({"since": NOON, "until": NOON}, "not before"),
    ({"since": NOON, "until": NOON - timedelta(days=1)}, "not before"),
    ({"since": NOON - timedelta(days=4000), "until": NOON}, "too long"),
    ({"until": datetime.min.replace(tzinfo=UTC)}, "too far"),
    ({"until": datetime.max.replace(tzinfo=UTC)}, "too far"),
    ({"app_id": "a\x00"}, "app_id"),
    ({"definition_id": "no id"}, "definition_id"),
]


async def test_bad_questions_are_named(store: Store) -> None:
    """A zone, a period or a filter that cannot be used is refused with its name."""
    for arguments, words in BAD:
        with pytest.raises(InvalidInput, match=words):
            await store.statistics.per_day(TENANT, **arguments)


async def test_durations_are_within_the_bound(store: Store) -> None:
    """Percentiles differ from the sorted durations' by less than 4.4 %, from 1 ms to a month."""
    numbers = random.Random(3)
    seconds = sorted(numbers.lognormvariate(2, 3) for _ in range(2000))
    seconds = sorted([*seconds, 0.001, 0.0011, 30 * 86_400.0])
    await fill(store, [row(NOON + timedelta(seconds=n), seconds=s) for n, s in enumerate(seconds)])
    unfinished = {"status": "running", "seconds": None}
    await fill(store, [row(NOON, **unfinished) for _ in range(50)])
    found = (await store.statistics.durations(TENANT, NOON, NOON + timedelta(hours=2))).data
    assert found.count == len(seconds)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        exact = seconds[math.ceil(share * len(seconds)) - 1]
        assert getattr(found, name) == pytest.approx(exact, rel=0.0443), name
    assert found.mean == pytest.approx(sum(seconds) / len(seconds), rel=0.0443)


async def test_durations_of_nothing(store: Store) -> None:
    """Without runs that ended there is a count of zero and nothing else."""
    await fill(store, [row(NOON, status="running", seconds=None)])
    found = (await store.statistics.durations(TENANT, NOON, NOON + timedelta(hours=1))).data
    assert found.model_dump() == dict.fromkeys(found.model_dump(), None) | {"count": 0}
    await fill(store, [row(NOON, tenant=OTHER, seconds=0.0), row(NOON, tenant=OTHER, seconds=-5.0)])
    await store.system.fold_rollups()
    found = (await store.statistics.durations(OTHER, NOON, NOON + timedelta(hours=1))).data
    assert found.count == 2
    assert found.p99 is not None
    assert found.p99 <= 0.001


COMPONENTS = """
INSERT INTO {schema}.definition_component (definition_id, position, tenant_id, module, step)
SELECT :id, n, :tenant, m, s FROM unnest(CAST(:modules AS text[]), CAST(:steps AS text[]))
    WITH ORDINALITY AS c (m, s, n)
"""


async def define(store: Store, parts: list[tuple[str | None, str | None]]) -> UUID:
    """Write a definition with these modules and steps, and return its id."""
    definition_id = new_id()
    async with store._scope.write() as session:
        # Statistics read the components alone.
        await session.execute(
            "ALTER TABLE {schema}.definition_component"
            " DROP CONSTRAINT IF EXISTS definition_component_definition_id_fk"
        )
        modules, steps = zip(*parts, strict=True)
        await session.execute(
            COMPONENTS,
            {"id": definition_id, "tenant": TENANT, "modules": list(modules), "steps": list(steps)},
        )
    return definition_id


async def test_what_is_used_most(store: Store) -> None:
    """Runs count once for each module and step of their definition, most runs first."""
    one = await define(store, [("crm", "read"), ("crm", "read"), ("mail", "send"), (None, "wait")])
    two = await define(store, [("crm", "write")])
    await fill(store, [row(NOON, definition=one) for _ in range(3)])
    await fill(store, [row(NOON, definition=two, status="failed", app="b") for _ in range(2)])
    await fill(store, [row(NOON), row(NOON, definition=new_id()), row(NOON, tenant=OTHER)])
    period = (NOON, NOON + timedelta(hours=1))
    modules = (await store.statistics.usage(TENANT, 10, *period)).data
    assert [(u.module, u.step, u.definitions, u.runs) for u in modules] == [
        ("crm", None, 2, 5),
        ("mail", None, 1, 3),
    ]
    assert modules[0].by_status == {RunStatus.SUCCEEDED: 3, RunStatus.FAILED: 2}
    steps = (await store.statistics.usage(TENANT, 10, *period, by="step")).data
    assert [(u.module, u.step, u.runs) for u in steps] == [
        ("crm", "read", 3),
        ("mail", "send", 3),
        (None, "wait", 3),
        ("crm", "write", 2),
    ]
    assert len((await store.statistics.usage(TENANT, 1, *period)).data) == 1
    assert [
        u.runs for u in (await store.statistics.usage(TENANT, 9, *period, app_id="b")).data
    ] == [2]

    top = (await store.statistics.most_executed(TENANT, 2, *period)).data
    assert [(t.definition_id, t.runs) for t in top] == [(one, 3), (two, 2)]
    types = (await store.statistics.most_executed(TENANT, 2, *period, by="workflow_type")).data
    assert [(t.workflow_type, t.runs) for t in types] == [("Extract", 7)]


async def test_limits_and_choices_are_checked(store: Store) -> None:
    """How many and of what is checked before anything is read."""
    for limit in (0, 101, True, "3"):
        with pytest.raises(InvalidInput, match="limit"):
            await store.statistics.most_executed(TENANT, limit)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="limit"):
            await store.statistics.usage(TENANT, limit)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="by is"):
        await store.statistics.most_executed(TENANT, by="owner; DROP")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="by is"):
        await store.statistics.usage(TENANT, by="x")  # type: ignore[arg-type]


async def test_across_tenants(store: Store) -> None:
    """Operators see every tenant: totals page by page, and the sums of all."""
    await fill(store, [row(NOON, tenant=f"t{n}") for n in range(5) for _ in range(n + 1)])
    period = (NOON, NOON + timedelta(hours=1))
    system = store.system
    first = (await system.per_tenant(*period, limit=2)).data
    assert [(t.tenant_id, t.runs) for t in first] == [("t0", 1), ("t1", 2)]
    assert first.has_more
    rest = (await system.per_tenant(*period, limit=3, after="t1")).data
    assert [(t.tenant_id, t.runs) for t in rest] == [("t2", 3), ("t3", 4), ("t4", 5)]
    assert not rest.has_more
    assert [day.runs for day in (await system.per_day("UTC", *period)).data] == [15]
    assert (await system.durations(*period)).data.count == 15
    (top,) = (await system.most_executed(5, *period, by="workflow_type")).data
    assert top.runs == 15
    assert (await system.usage(5, *period)).data == []


async def test_reads_of_one_tenant_see_no_other(store: Store) -> None:
    """Every statistic of a tenant without runs is empty, however many others have."""
    definition = await define(store, [("crm", "read")])
    await fill(store, [row(datetime.now(UTC), definition=definition)])
    statistics = store.statistics
    assert not present(await store.runs.count_by_status(OTHER, "7d"))
    assert not any(day.runs for day in (await statistics.per_day(OTHER)).data)
    assert (await statistics.durations(OTHER)).data.count == 0
    assert (await statistics.most_executed(OTHER)).data == []
    assert (await statistics.most_executed(OTHER, by="workflow_type")).data == []
    assert (await statistics.usage(OTHER)).data == []
