"""The lists of `flowkeep run list` that are not a page of all runs, and its mark of the archive."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from flowkeep.cli.app import USAGE
from flowkeep.contracts import NewDefinition, NewRun, PauseRequest, RunKind, RunStatus, Stuck
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.cli.calling import Ask, Call
from tests.statestore.archived import archive


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The ledger that the commands use."""
    async with await connect(settings=settings) as store:
        yield store


async def add_run(store: Store, **values: object) -> UUID:
    """Record a run and return its id."""
    fields = {"workflow_id": f"w-{uuid4()}", "workflow_type": "Hello", "task_queue": "q"}
    run = NewRun.model_validate({"id": uuid7(), **fields, **values})
    return (await store.runs.create("default", run)).id


async def test_definition_parent_workflow_id_and_paused(store: Store, ask: Ask, call: Call) -> None:
    """Each option shows its runs, and those that stand alone refuse the company of another."""
    parent = await add_run(store)
    new = NewDefinition(name="Report", spec={"tasks": []})
    definition = (await store.definitions.create("default", new)).id
    child = await add_run(store, parent_run_id=parent, kind=RunKind.CHUNK)
    defined = await add_run(store, definition_id=definition)
    paused = await add_run(store, workflow_id="daily")
    await store.runs.mark_running("default", paused)
    await store.runs.set_waiting("default", paused, pause=PauseRequest(paused=True))
    for words, expected in (
        (("--definition", str(definition)), defined),
        (("--parent", str(parent)), child),
        (("--workflow-id", "daily"), paused),
        (("--paused",), paused),
    ):
        page = await ask("run", "list", *words)
        assert [run["id"] for run in page["data"]] == [str(expected)], words
        assert page["next"] is None
        after = await ask("run", "list", *words, "--after", str(expected))
        assert after["data"] == []
    for words in (("--paused", "--owner", "x"), ("--parent", str(parent), "--chunks")):
        refused = await call("run", "list", *words)
        assert refused.exit_code == USAGE
        assert words[0] in refused.stderr


async def test_runs_that_do_not_move(store: Store, ask: Ask, call: Call) -> None:
    """--stuck shows them with the reason, `run get` says it, and the mark goes when they end."""
    moves, stands = await add_run(store), await add_run(store)
    for run_id in (moves, stands):
        await store.runs.mark_running("default", run_id)
    stuck = Stuck(
        code="NO_WORKER",
        message="no worker polls task queue 'q' for workflow tasks",
        attempts=1,
        since=datetime.now(UTC),
    )
    assert await store.system.set_stuck(stands, stuck)
    page = await ask("run", "list", "--stuck")
    assert [(run["id"], run["stuck"]["code"]) for run in page["data"]] == [
        (str(stands), "NO_WORKER")
    ]
    shown = await call("run", "list", "--stuck")
    assert "no worker" in shown.stdout
    assert "no worker polls" in (await call("run", "get", str(stands))).stdout
    refused = await call("run", "list", "--stuck", "--status", "running")
    assert refused.exit_code == USAGE
    assert "--stuck" in refused.stderr
    await store.runs.finish("default", stands)
    assert (await ask("run", "list", "--stuck"))["data"] == []


async def test_archived_runs_are_marked(store: Store, ask: Ask, call: Call) -> None:
    """A run in the archive says so, in the table and in JSON."""
    old, new = await add_run(store, owner="ann"), await add_run(store)
    await store.runs.fail("default", old)
    await archive(store, old)
    page = await ask("run", "list", "--limit", "1")
    assert (page["data"][0]["archived"], page["next"]) == (False, str(new))
    rest = await ask("run", "list", "--limit", "1", "--after", page["next"])
    assert [(run["id"], run["archived"]) for run in rest["data"]] == [(str(old), True)]
    lines = (await call("run", "list")).stdout.splitlines()
    assert [("archived" in line) for line in lines[1:3]] == [False, True]


async def test_every_status_can_be_asked_for(store: Store, ask: Ask, call: Call) -> None:
    """Each status of a run is a filter; another word is refused with the list of them."""
    for status in RunStatus:
        assert (await ask("run", "list", "--status", status.value))["data"] == []
    refused = await call("run", "list", "--status", "done")
    assert refused.exit_code == USAGE
    assert all(status.value in refused.stderr for status in RunStatus)
