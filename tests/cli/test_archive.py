"""`flowkeep archive` on a real ledger and a folder of bundles."""

from flowkeep.cli.app import CALL_FAILED, USAGE
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.archive.support import ended

WHEN = ("--before", "2100-01-01")


async def fill(settings: Settings, number: int) -> list[str]:
    """Make ended runs of the default tenant."""
    async with await connect(settings=settings) as store:
        return [str((await ended(store, "default")).id) for _ in range(number)]


async def test_step_by_step(settings: Settings, ask: Ask, call: Call) -> None:
    """Each step names the next one; archived runs are listed, read, and come back."""
    first, second = await fill(settings, 2)
    done = await call("archive", "publish", *WHEN)
    assert done.exit_code == 0, done.stderr
    assert "Next: flowkeep archive verify" in done.stderr
    done = await call("archive", "verify")
    assert "Next: flowkeep archive delete" in done.stderr
    (moved,) = (await ask("archive", "delete"))["bundles"]
    assert (moved["archived"], moved["kept"]) == (2, 0)
    listed = await ask("run", "list")
    assert {one["id"]: one["archived"] for one in listed["data"]} == {first: True, second: True}
    assert (await ask("run", "get", first))["archived"] is True
    (bundle,) = (await ask("archive", "list"))["data"]
    assert (bundle["status"], bundle["runs"]) == ("archived", 2)
    back = await ask("archive", "restore", bundle["id"], "--run", first, "--hold-days", "1")
    assert (back["restored"], back["absent"]) == (1, 0)
    assert (await ask("run", "get", first))["archived"] is False
    again = await ask("archive", "reindex")
    assert (again["runs"], again["present"]) == (1, 1)


async def test_all_in_a_row(settings: Settings, ask: Ask, call: Call) -> None:
    """`archive run` does all three, and nothing the second time."""
    await fill(settings, 1)
    assert await ask("archive", "run", *WHEN) == {"bundles": 1, "archived": 1, "kept": 0}
    assert await ask("archive", "run", *WHEN) == {"bundles": 0, "archived": 0, "kept": 0}
    done = await call("archive", "list", "--status", "publishing")
    assert "No bundles." in done.stderr


async def test_mistakes_are_named(settings: Settings, call: Call, ask: Ask) -> None:
    """A missing time is a usage error; an unknown or unverified bundle fails with a hint."""
    assert (await call("archive", "publish")).exit_code == USAGE
    await fill(settings, 1)
    (bundle,) = (await ask("archive", "publish", *WHEN))["bundles"]
    done = await call("archive", "delete", bundle["id"])
    assert (done.exit_code, "verify it first" in done.stderr) == (CALL_FAILED, True)
    done = await call("archive", "verify", "00000000-0000-0000-0000-000000000001")
    assert (done.exit_code, "archive list" in done.stderr) == (CALL_FAILED, True)
    assert "is gone" in (await call("archive", "discard", bundle["id"])).stdout
    assert "archive publish" not in (await call("archive", "list")).stderr
