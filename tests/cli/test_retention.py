"""`flowkeep retention` on a real ledger."""

from datetime import UTC, datetime, timedelta

from flowkeep.cli.app import CALL_FAILED, USAGE
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.records import new_run


async def old_runs(settings: Settings, count: int) -> list[str]:
    """Create runs of the default tenant that ended long ago; returns their ids."""
    made = []
    async with await connect(settings=settings) as store:
        for _ in range(count):
            new = new_run(created_at=datetime.now(UTC) - timedelta(days=100))
            await store.runs.create("default", new)
            await store.runs.fail("default", new.id)
            made.append(str(new.id))
    return made


async def test_a_policy_is_set_planned_and_applied(
    ask: Ask, call: Call, settings: Settings
) -> None:
    """What the plan counts is what apply removes, and a held run stays until it is released."""
    runs = await old_runs(settings, 3)
    await ask("retention", "set", "--days", "30")
    assert (await ask("retention", "hold", runs[0]))["hold_until"].startswith("9999")
    plan = await ask("retention", "plan")
    done = await ask("retention", "apply", "--batch-size", "1")
    assert plan["steps"][0]["removed"] == done["steps"][0]["removed"]
    assert done["steps"][0]["removed"]["runs"] == 2
    assert (await ask("retention", "release", runs[0]))["hold_until"] is None
    told = await call("retention", "plan")
    assert "flowkeep retention apply" in told.stderr
    assert (await ask("retention", "apply"))["steps"][0]["removed"]["runs"] == 1


async def test_policies_of_every_scope(ask: Ask, call: Call) -> None:
    """Policies are listed by scope; removing one leaves the others."""
    assert "retention set" in (await call("retention", "list")).stderr
    await ask("retention", "set", "--days", "30", "--archive-first")
    await ask("retention", "set", "--for-ever", "--app", "crm")
    found = await ask("retention", "list")
    assert [(p["app_id"], p["days"]) for p in found] == [(None, 30), ("crm", None)]
    shown = await call("retention", "list")
    assert "app crm" in shown.stdout
    assert "for ever" in shown.stdout
    assert (await ask("retention", "remove", "--app", "crm"))["removed"]
    assert not (await ask("retention", "remove", "--app", "crm"))["removed"]
    assert len(await ask("retention", "list")) == 1


async def test_bad_options(call: Call) -> None:
    """Neither days nor for ever, both, and an unknown run are told as such."""
    assert (await call("retention", "set")).exit_code == USAGE
    assert (await call("retention", "set", "--days", "1", "--for-ever")).exit_code == USAGE
    assert (await call("retention", "set", "--days", "-1")).exit_code == USAGE
    missing = await call("retention", "hold", "nothing")
    assert missing.exit_code == CALL_FAILED
    assert "nothing" in missing.stderr
