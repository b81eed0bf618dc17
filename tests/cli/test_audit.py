"""`flowkeep audit` on the ledger."""

import getpass

from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.records import new_run
from tests.statestore.test_audit import line


async def test_the_log_is_listed(ask: Ask, call: Call, settings: Settings) -> None:
    """Lines come newest first in pages, filters meet, and a table names who did what."""
    async with await connect(settings=settings) as store:
        lines = [line(tenant_id="default", subject=name, object_id=name) for name in "abc"]
        await store.audit.begin(lines)
    first = await ask("audit", "list", "--limit", "2")
    second = await ask("audit", "list", "--limit", "2", "--after", first["next"])
    found = [one["subject"] for one in (*first["data"], *second["data"])]
    assert sorted(found) == ["a", "b", "c"]
    of_b = await ask("audit", "list", "--kind", "run", "--object", "b", "--since", "1h")
    assert [one["subject"] for one in of_b["data"]] == ["b"]
    assert (await ask("audit", "list", "--outcome", "denied"))["data"] == []
    assert (await ask("audit", "list", "--tenant", "other"))["data"] == []
    printed = (await call("audit", "list", "--subject", "a", "--all-tenants")).stdout
    assert all(word in printed for word in ("default", "run.cancel", "run a", "begun"))
    wrong = await call("audit", "list", "--object", "b")
    assert (wrong.exit_code, "object_kind" in wrong.stderr) == (2, True)


async def test_an_erasure_stays_in_the_log(ask: Ask, call: Call, settings: Settings) -> None:
    """An erased tenant's own lines go; who erased it stays known, and a dry run leaves nothing."""
    async with await connect(settings=settings) as store:
        run = await store.runs.create("acme", new_run())
        await store.runs.fail("acme", run.id)
        await store.audit.begin([line(tenant_id="acme")])
    await ask("tenant", "erase", "acme", "--dry-run")
    assert (await call("tenant", "erase", "acme", "--yes")).exit_code == 0
    [kept] = (await ask("audit", "list", "--all-tenants"))["data"]
    assert (kept["tenant_id"], kept["action"], kept["object_id"], kept["outcome"]) == (
        SYSTEM_TENANT,
        "tenant.erase",
        "acme",
        "done",
    )
    assert kept["subject"] == getpass.getuser()
