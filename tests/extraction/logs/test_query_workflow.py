"""The extraction of query logs as a workflow, on real servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.errors import RunFailed
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from tests.extraction.logs.query_flows import (
    CountListed,
    Disordered,
    Held,
    ListedActivities,
    ReadByTwenties,
    ReadListed,
)
from tests.extraction.logs.support import everything_stored, listed, rows_of, statement
from tests.support import eventually, flushed

CANARY = "xyzzy-canary"


CLASSES: list[Any] = [ReadListed, ReadByTwenties, CountListed, Held, Disordered]


@pytest.fixture
async def client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """A client and a worker that serves the workflows above."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    activities = ListedActivities()
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=CLASSES,
            workflow_activities=[cls.get_activities(activities) for cls in CLASSES],
        ),
    ):
        yield client


@pytest.fixture
def files(settings: Settings) -> Storage:
    """The storage that the worker writes to."""
    return Storage(settings.storage.url)


async def start(
    client: WorkflowClient, path: Path, cls: Any = ReadListed, **logs: Any
) -> RunHandle:
    """Start a run that reads a listed log."""
    size = logs.pop("size", 10)
    options = {"path": str(path), "size": size}
    arguments = {"logs": {"source": "listed", "options": options, **logs}}
    return await client.start_workflow(arguments, workflow_class=cls)


async def test_a_log_is_read_to_its_end_and_then_on(
    client: WorkflowClient, files: Storage, tmp_path: Path
) -> None:
    """A run counts every statement once, proves it, and the next one goes on behind it."""
    path = tmp_path / "log"
    statements = [statement(f"SELECT a FROM t{n % 3} WHERE b = {n}") for n in range(25)]
    listed(path, statements)
    handle = await start(client, path)
    result = await handle.result()
    assert (result["statements"], result["windows"], result["counts"]["queries"]) == (25, 3, 3)
    assert verify_manifest(files, result["key"]) == []
    listed(path, [*statements, statement("SELECT 1 FROM new")])
    second = await (await start(client, path)).result()
    assert (second["statements"], second["counts"]["queries"]) == (1, 1)
    await flushed(client)
    tasks = await client.store.tasks.list_tasks("default", handle.run_id, limit=100)
    names = [task.task_name for task in tasks]
    assert [names.count(name) for name in ("get_query_batches", "fetch_queries")] == [1, 3]
    assert names[:2] == ["get_workflow_args", "preflight_check"]
    assert names[-3:] == ["reduce_queries", "parse_queries", "finish_query_extraction"]


async def test_more_windows_than_a_history_takes(
    client: WorkflowClient,
    files: Storage,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Windows beyond what one run takes go through child runs, and all are counted."""
    thorough = request.config.getoption("--fault-points") > 2
    cls, count = (ReadListed, 1_050) if thorough else (ReadByTwenties, 45)
    path = tmp_path / "log"
    listed(path, [statement(f"SELECT a FROM t WHERE b = {n}") for n in range(count)])
    result = await (await start(client, path, cls, size=1, concurrency=32)).result()
    assert (result["windows"], result["statements"]) == (count, count)
    manifest = read_manifest(files, result["key"])
    assert [window["reduced"] for window in manifest["windows"]] == [1] * count


async def test_of_two_runs_that_read_the_same_one_counts(
    client: WorkflowClient, files: Storage, tmp_path: Path
) -> None:
    """Who moves the mark second fails, says which run was faster, and leaves no manifest."""
    path = tmp_path / "log"
    listed(path, [statement("SELECT 1 FROM t")])
    first, second = [await start(client, path, Held) for _ in range(2)]

    async def both_hold() -> None:
        for handle in (first, second):
            temporal = client.temporal.get_workflow_handle(handle.workflow_id)
            assert (await temporal.query("progress"))["current"] == ["hold"]

    await eventually(both_hold)
    path.with_name("log.go").touch()
    outcomes = await asyncio.gather(first.result(), second.result(), return_exceptions=True)
    (counted,) = [one for one in outcomes if isinstance(one, dict)]
    (failed,) = [one for one in outcomes if isinstance(one, RunFailed)]
    faster = first if outcomes[0] is counted else second
    assert f"run {faster.run_id} has moved the high-water mark" in str(failed)
    manifests = [one.key for one in files.list("default") if str(one.key).endswith("manifest.json")]
    slower = second if faster is first else first
    assert not [key for key in manifests if str(slower.run_id) in key]
    again = await (await start(client, path)).result()
    assert again["statements"] == 1  # another workflow class has a mark of its own


async def test_the_list_decides_what_runs(
    client: WorkflowClient, files: Storage, tmp_path: Path
) -> None:
    """Without parse_queries statements are counted only; an own activity runs at its place."""
    path = tmp_path / "log"
    listed(path, [statement("SELECT 1 FROM t"), statement("SELECT FROM WHERE")])
    result = await (await start(client, path, CountListed)).result()
    assert (result["statements"], result["failed"]) == (2, 1)
    assert result["results"]["look"] >= 3
    manifest = read_manifest(files, result["key"])
    statuses = {row["status"] for row in rows_of(files, manifest, "queries")}
    assert statuses == {"unparsed", "failed"}
    assert rows_of(files, manifest, "query_usage") == []


async def test_a_list_in_another_order_is_refused(client: WorkflowClient, tmp_path: Path) -> None:
    """What works on the result of another activity cannot stand before it."""
    listed(tmp_path / "log", [statement("SELECT 1 FROM t")])
    handle = await start(client, tmp_path / "log", Disordered)
    with pytest.raises(RunFailed, match="reduce_queries without fetch_queries before it"):
        await handle.result()


@pytest.mark.parametrize(
    ("logs", "words"),
    [
        ({"source": "nowhere"}, "logs.source: there is no source 'nowhere'"),
        ({"options": {"path": "x", "colour": 1}}, "colour"),
        ({"dialect": "klingon"}, "klingon"),
        ({"bucket_rows": 0}, "logs.bucket_rows"),
        ({"catalogue": "not-a-run"}, "logs.catalogue: there is no run 'not-a-run'"),
    ],
)
async def test_bad_options_are_named(
    client: WorkflowClient, tmp_path: Path, logs: dict[str, Any], words: str
) -> None:
    """An option that does not fit fails the run with its name."""
    listed(tmp_path / "log", [statement("SELECT 1 FROM t")])
    handle = await start(client, tmp_path / "log", **logs)
    with pytest.raises(RunFailed, match=words):
        await handle.result()


async def test_no_literal_is_left_anywhere(
    client: WorkflowClient, settings: Settings, tmp_path: Path
) -> None:
    """Neither storage nor the ledger nor Temporal's history holds a literal of a statement."""
    path = tmp_path / "log"
    texts = [f"SELECT '{CANARY}' FROM t", f"SELECT '{CANARY}' FROM WHERE", f"SET a.b = '{CANARY}'"]
    listed(path, [statement(text) for text in texts])
    handle = await start(client, path)
    await handle.result()
    await flushed(client)
    assert CANARY.encode() not in everything_stored(Storage(settings.storage.url))
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    assert CANARY not in history.to_json()
    tasks = await client.store.tasks.list_tasks("default", handle.run_id, limit=100)
    assert all(CANARY not in repr(task) for task in tasks)
    assert CANARY not in repr(await client.store.runs.get("default", handle.run_id))
