"""`flowkeep definition list|get|versions` on a real ledger."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from flowkeep.cli.app import CALL_FAILED, USAGE
from flowkeep.contracts import Definition, DefinitionPatch, NewApp, NewDefinition, NewRun
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.cli.calling import Ask, Call

CANVAS = {"z": 1, "nodes": [{"id": "n", "module": "load", "steps": ["read"]}], "a": 2}


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The ledger that the commands use."""
    async with await connect(settings=settings) as store:
        yield store


async def add(store: Store, name: str, tenant: str = "default", **fields: Any) -> Definition:
    return await store.definitions.create(tenant, NewDefinition(name=name, **fields))


async def run_of(store: Store, made: Definition) -> None:
    fields = {"workflow_id": str(uuid7()), "workflow_type": "D", "task_queue": "q"}
    run = NewRun(id=uuid7(), definition_id=made.id, **fields)
    await store.runs.create("default", run)


async def test_list_filters_and_pages(store: Store, ask: Ask, call: Call) -> None:
    """Each filter leaves exactly the definitions it describes; a cursor continues the list."""
    await store.apps.create("default", NewApp(id="a", name="Sales", parent="Suite"))
    one = await add(store, "one", app_id="a", owner="ann", tags=["t"], canvas=CANVAS)
    two = await add(store, "two", enabled=False, description="monthly")
    await add(store, "three", draft=True)
    await add(store, "shared", tenant="other", visibility="shared")
    for _ in range(2):
        await run_of(store, one)

    async def names(*words: str) -> list[str]:
        return [row["name"] for row in (await ask("definition", "list", *words))["data"]]

    assert await names() == ["three", "two", "one"]
    assert await names("--app", "a") == await names("--app-name", "Sales") == ["one"]
    assert await names("--parent", "Suite") == await names("--owner", "ann") == ["one"]
    assert await names("--tag", "t") == await names("--module", "load") == ["one"]
    assert await names("--step", "read") == ["one"]
    assert await names("--step", "read", "--module", "x") == []
    assert await names("--disabled") == await names("--text", "MONTH") == ["two"]
    assert await names("--enabled", "--no-draft") == ["one"]
    assert await names("--draft") == ["three"]
    assert await names("--shared", "--limit", "1") == ["shared"]
    assert (await names("--most-executed", "--limit", "1")) == ["one"]
    first = await ask("definition", "list", "--limit", "2")
    assert (first["has_more"], first["next"]) == (True, str(two.id))
    assert await names("--after", first["next"]) == ["one"]
    told = await call("definition", "list", "--limit", "2")
    assert told.exit_code == 0
    assert "three" in told.stdout
    assert f"--after {two.id}" in told.stderr
    for other in (["--tag", "t"], ["--disabled"], ["--no-draft"], ["--shared"]):
        wrong = await call("definition", "list", "--most-executed", *other)
        assert wrong.exit_code == USAGE
    assert "No definitions." in (await call("definition", "list", "--tag", "gone")).stderr


async def test_get_and_versions(store: Store, ask: Ask, call: Call) -> None:
    """A definition is shown by id or ref, its canvas as drawn, and each version on its own."""
    made = await add(store, "One", canvas=CANVAS, spec={"n": 0})
    patch = DefinitionPatch(spec={"n": 1}, version="2")
    await store.definitions.update("default", made.id, patch, expected_revision=0, actor="ann")
    for name in (str(made.id), "one"):
        found = await ask("definition", "get", name)
        assert (found["id"], found["spec"]) == (str(made.id), {"n": 1})
        assert list(found["canvas"]) == ["z", "nodes", "a"]
        shown = await call("definition", "get", name)
        assert '{"load": ["read"]}' in shown.stdout
        assert (await ask("definition", "get", name, "--revision", "0"))["spec"] == {"n": 0}
        listed = await ask("definition", "versions", name, "--limit", "1")
        assert [version["revision"] for version in listed["data"]] == [1]
        assert (listed["has_more"], listed["next"]) == (True, 1)
    rest = await call("definition", "versions", "one", "--before", "1")
    assert rest.exit_code == 0
    assert "ann" not in rest.stdout


async def test_what_is_missing_is_told(store: Store, call: Call) -> None:
    """An unknown name, or one of another tenant, ends with one line and the exit code of a call."""
    foreign = await add(store, "foreign", tenant="other")
    for words in (["get", "foreign"], ["get", str(foreign.id)], ["versions", str(foreign.id)]):
        done = await call("definition", *words, "-o", "json")
        assert done.exit_code == CALL_FAILED
        assert json.loads(done.stderr)["error"]["code"] == "NOT_FOUND"
