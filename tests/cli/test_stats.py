"""`flowkeep stats` and `flowkeep db check` on a real ledger."""

import psycopg

from flowkeep.cli.app import CALL_FAILED, USAGE
from flowkeep.contracts import RunStatus
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.records import new_run


async def fill(settings: Settings) -> None:
    """Write two failed runs and an open one of a tenant, and one of another."""
    async with await connect(settings=settings) as store:
        runs = [await store.runs.create("default", new_run(app_id="shop")) for _ in range(3)]
        for run in runs[:2]:
            await store.runs.mark_running("default", run.id)
            await store.runs.fail("default", run.id)
        await store.runs.create("other", new_run())


async def test_stats_are_shown(settings: Settings, ask: Ask, call: Call) -> None:
    """Counts, days, durations, types and tenants come as JSON and as tables."""
    await fill(settings)
    found = await ask("stats")
    assert set(found["by_status"]) == {status.value for status in RunStatus}
    assert (found["by_status"]["failed"], found["by_status"]["pending"]) == (2, 1)
    assert found["durations"]["count"] == 2
    assert found["as_of"]
    shown = await call("stats", "summary", "--window", "4h", "--app", "shop")
    assert shown.exit_code == 0, shown.stderr
    assert "failed" in shown.stdout
    assert "p95" in shown.stdout

    days = await ask("stats", "days", "--time-zone", "Asia/Kathmandu", "--since", "2d")
    assert sum(day["runs"] for day in days["data"]) == 3
    assert days["data"][-1]["by_status"] == {"failed": 2, "pending": 1}
    everyone = await ask("stats", "days", "--all-tenants", "--since", "2d")
    assert sum(day["runs"] for day in everyone["data"]) == 4
    assert (await ask("stats", "durations", "--since", "1d"))["data"]["count"] == 2
    top = await ask("stats", "top")
    assert [(row["workflow_type"], row["runs"]) for row in top["data"]] == [("Extract", 3)]
    assert (await ask("stats", "usage"))["data"] == []
    tenants = await ask("stats", "tenants", "--limit", "1")
    assert [(row["tenant_id"], row["runs"]) for row in tenants["data"]] == [("default", 3)]
    assert tenants["next"] == "default"
    for verb in ("days", "durations", "top", "usage", "tenants"):
        shown = await call("stats", verb)
        assert shown.exit_code == 0, shown.stderr
    assert (await ask("stats", "rebuild")) == {"complete": True}


async def test_bad_questions_are_usage_errors(call: Call) -> None:
    """A window, a zone or filters that cannot be used end with exit code 2 and are named."""
    for words, told in [
        (("summary", "--window", "7 days"), "window"),
        (("days", "--time-zone", "Mars/Base"), "time_zone"),
        (("days", "--all-tenants", "--app", "x"), "--app"),
        (("days", "--since", "1h", "--until", "2h"), "not before"),
    ]:
        done = await call("stats", *words)
        assert done.exit_code == USAGE, done.output
        assert told in done.stderr


async def test_db_check_names_differences(settings: Settings, ask: Ask, call: Call) -> None:
    """A ledger that fits is exit code 0; a missing index and an older ledger are named, with 3."""
    assert (await ask("db", "check"))["differences"] == []
    url = settings.database_url()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("DROP INDEX flowkeep.run_by_owner_ix")
        done = await call("db", "check")
        assert done.exit_code == CALL_FAILED
        assert "index run_by_owner_ix is missing" in done.stdout
        await connection.execute("UPDATE flowkeep.alembic_version SET version_num = '0001'")
    done = await call("db", "check")
    assert done.exit_code == CALL_FAILED
    assert "flowkeep db upgrade" in done.stderr
