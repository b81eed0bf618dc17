"""Command lines that delete, erase, rotate and schedule."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from flowkeep.contracts.secret_names import secret_id
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.records import new_run


async def test_tenants_are_listed_and_erased(ask: Ask, call: Call, settings: Settings) -> None:
    """A tenant goes only with --yes, after a dry run told what would go."""
    async with await connect(settings=settings) as store:
        for tenant in ("acme", "rival"):
            run = await store.runs.create(tenant, new_run())
            await store.runs.fail(tenant, run.id)
    assert (await ask("tenant", "list", "--limit", "1"))["next"] == "acme"
    refused = await call("tenant", "erase", "acme")
    assert (refused.exit_code, "add --yes" in refused.stderr) == (2, True)
    counted = await ask("tenant", "erase", "acme", "--dry-run")
    erased = await ask("tenant", "erase", "acme", "--yes")
    assert counted == {**erased, "dry_run": True}
    assert erased["rows"]["run"] == 1
    assert (await ask("tenant", "list"))["data"] == ["rival"]
    assert "nothing of tenant 'acme'" in (await call("tenant", "erase", "acme", "--yes")).stdout


async def test_runs_are_deleted(ask: Ask, call: Call, settings: Settings) -> None:
    """Open runs are refused by name, and go by force."""
    async with await connect(settings=settings) as store:
        run = await store.runs.create("default", new_run())
    name = str(run.id)
    refused = await call("run", "delete", name, "--yes")
    assert (refused.exit_code, name in refused.stderr) == (3, True)
    assert (await ask("run", "delete", name, "--force", "--dry-run"))["deleted"] == 1
    assert (await ask("run", "delete", name, "--force", "--yes"))["deleted"] == 1
    assert (await ask("run", "list"))["data"] == []


async def test_secrets_are_set_and_deleted_by_name(call: Call, settings: Settings) -> None:
    """A value comes from standard input, is replaced by the next one, and is never printed."""
    printed = ""
    for value, options in (("canary-value", ()), ('{"user": "canary-user"}', ("--json",))):
        done = await call("secret", "set", "warehouse", *options, stdin=f"{value}\n")
        assert done.exit_code == 0
        printed += done.output
    async with await connect(settings=settings) as store:
        found = await store.secrets.get("default", secret_id("default", "warehouse"))
    assert found == {"user": "canary-user"}
    wrong = await call("secret", "set", "warehouse", "--json", stdin="canary-value")
    assert (wrong.exit_code, "no JSON" in wrong.stderr) == (2, True)
    assert (await call("secret", "delete", "warehouse")).exit_code == 0
    gone = await call("secret", "delete", "warehouse")
    assert (gone.exit_code, "does not exist" in gone.stderr) == (3, True)
    assert "canary" not in printed + wrong.output


async def test_keys_are_shown_and_rotated(
    ask: Ask, call: Call, settings: Settings, environment: dict[str, str]
) -> None:
    """After a rotation the new key encrypts everything; no value or key is ever printed."""
    async with await connect(settings=settings) as store:
        await store.secrets.put("acme", "canary-value")
    old, new = environment["FLOWKEEP_SECRET_KEY"], Fernet.generate_key().decode()
    environment["FLOWKEEP_SECRET_KEY"] = f"{new},{old}"
    before = await ask("secret", "keys")
    assert [(key["secrets"], key["newest"]) for key in before] == [(0, True), (1, False)]
    done = await call("secret", "rotate")
    assert (done.exit_code, "1 of 1 secrets moved" in done.stdout) == (0, True)
    assert [key["secrets"] for key in await ask("secret", "keys")] == [1, 0]
    environment["FLOWKEEP_SECRET_KEY"] = old
    missing = await call("secret", "rotate")
    assert (missing.exit_code, before[0]["key_id"] in missing.stderr) == (3, True)
    printed = done.output + missing.output
    assert not any(text in printed for text in (old, new, "canary-value"))


async def test_a_rotation_that_leaves_something_says_so(
    call: Call, settings: Settings, environment: dict[str, str]
) -> None:
    """While a secret still needs an old key, the exit code tells not to take the key away."""
    async with await connect(settings=settings) as store:
        await store.secrets.put("acme", "canary-value")
        async with store.transaction() as tx:
            await tx.connection.execute(text("UPDATE flowkeep.secret SET tenant_id = 'rival'"))
    new = Fernet.generate_key().decode()
    environment["FLOWKEEP_SECRET_KEY"] = f"{new},{environment['FLOWKEEP_SECRET_KEY']}"
    done = await call("secret", "rotate")
    assert (done.exit_code, "1 cannot be decrypted" in done.stderr) == (3, True)
    assert (await call("secret", "rotate", "--output", "json")).exit_code == 3


async def test_retention_is_scheduled(ask: Ask, call: Call) -> None:
    """A schedule is created, changed, paused, shown and removed."""
    words = ("retention", "schedule", "--tenant", "cli-scheduled")
    assert (await call(*words)).exit_code == 3
    made = await ask(*words, "--every", "1d", "--task-queue", "q")
    assert (made["task_queue"], made["paused"]) == ("q", False)
    assert (await ask(*words, "--pause"))["paused"] is True
    assert (await ask(*words, "--every", "2h"))["paused"] is True
    assert (await ask(*words))["every"] == "2:00:00"
    assert (await ask(*words, "--delete"))["deleted"] is True


@pytest.mark.parametrize(
    "words", [("--every", "soon"), ("--every", "1d", "--pause"), ("--task-queue", "q")]
)
async def test_a_schedule_that_cannot_be(call: Call, words: tuple[str, ...]) -> None:
    """A wrong or contradictory option is a usage error."""
    assert (await call("retention", "schedule", *words)).exit_code == 2
