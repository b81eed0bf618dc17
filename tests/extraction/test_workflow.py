"""The extraction as a workflow, on real servers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import packed
from flowkeep.errors import RunFailed
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow
from tests.extraction import flows
from tests.extraction.support import entities, extract, extraction_of, run, scope_of, with_
from tests.support import flushed

CLASSES: list[Any] = [
    BaseSQLMetadataExtractionWorkflow,
    flows.Validating,
    flows.RawOnly,
    flows.OwnSql,
    flows.Late,
    flows.FetchingInSteps,
    flows.Forgetful,
    flows.Policies,
    flows.Plain,
]


@pytest.fixture
async def client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """A client and a worker that serves all extraction workflows of the tests."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    instances = {cls.activities_cls: cls.activities_cls() for cls in CLASSES}
    activities = [cls.get_activities(instances[cls.activities_cls]) for cls in CLASSES]
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, workflow_classes=CLASSES, workflow_activities=activities),
    ):
        yield client


@pytest.fixture
def files(settings: Settings) -> Storage:
    """The storage that the worker writes to."""
    return Storage(settings.storage.url)


async def result_of(client: WorkflowClient, cls: Any, url: str, **metadata: Any) -> Any:
    """Run a workflow to its end."""
    arguments = {"credentials": {"url": url}, "metadata": metadata}
    handle = await client.start_workflow(arguments, workflow_class=cls)
    return await handle.result()


async def tasks_of(client: WorkflowClient, handle: Any) -> list[str]:
    """Names of the tasks of a run, in the order they were scheduled."""
    await flushed(client)
    tasks = await client.store.tasks.list_tasks("default", handle.run_id, limit=100)
    return [task.task_name for task in tasks]


async def test_a_run_gives_what_the_package_gives(
    client: WorkflowClient, files: Storage, sample_url: str
) -> None:
    """The manifest of the workflow equals that of direct calls, but for run, times, snapshot."""
    found = await result_of(client, BaseSQLMetadataExtractionWorkflow, sample_url)
    assert verify_manifest(files, found["key"]) == []
    manifest = orjson.loads(files.get(found["key"]))
    _, expected = extract(extraction_of(sample_url, Storage(files.url + "/direct")))
    counts = {scope["kind"]: scope["planned"] for scope in expected["scopes"]}
    assert found["counts"] == dict.fromkeys(KINDS, 0) | counts
    for kind in counts:
        ours, theirs = scope_of(manifest, kind), scope_of(expected, kind)
        assert [p["sha256"] for p in ours["parts"]] == [p["sha256"] for p in theirs["parts"]]
        assert [p["digest"] for p in ours["assets"]["parts"]] == [
            p["digest"] for p in theirs["assets"]["parts"]
        ]
    assert manifest["run_id"] in found["key"]
    assert Path(found["key"]).parts[:3] == (
        "default",
        "default",
        "BaseSQLMetadataExtractionWorkflow",
    )


async def test_the_list_decides_what_runs(
    client: WorkflowClient, files: Storage, sample_url: str
) -> None:
    """An own activity runs after the fetches and before the transforms; what is not listed not."""
    found = await result_of(client, flows.Validating, sample_url)
    assert found["results"]["perform_custom_validation"] == {
        "raw": ["columns", "databases", "schemas", "tables"],
        "assets": [],
    }
    assert list(found["counts"]) == ["databases", "schemas", "tables", "columns"]
    assert verify_manifest(files, found["key"]) == []


async def test_without_transform_data_there_are_raw_files_only(
    client: WorkflowClient, files: Storage, sample_url: str
) -> None:
    """The preflight runs although the list leaves it out; nothing is transformed."""
    handle = await client.start_workflow(
        {"credentials": {"url": sample_url}}, workflow_class=flows.RawOnly
    )
    found = await handle.result()
    assert not [one for one in files.list() if "/assets/" in one.key]
    assert verify_manifest(files, found["key"]) == []
    assert sorted(await tasks_of(client, handle)) == [
        "fetch_columns",
        "fetch_tables",
        "finish_extraction",
        "get_workflow_args",
        "preflight_check",
    ]


async def test_sql_handler_and_fetches_can_be_replaced(
    client: WorkflowClient, files: Storage, sample_url: str
) -> None:
    """Class attributes and overrides count; an override of `run` gets the base's result."""
    found = await result_of(client, flows.OwnSql, sample_url)
    assert found == {"counts": {"schemas": 2}, "warnings": 1}


async def test_a_kind_of_ones_own_is_a_kind_like_ours(
    client: WorkflowClient, files: Storage, database_url: str
) -> None:
    """A kind with its SQL and one activity is fetched, transformed, listed and checked."""
    run(
        database_url,
        "CREATE TABLE t (a integer)",
        "CREATE POLICY own ON t FOR SELECT TO PUBLIC USING (a > 1)",
    )
    found = await result_of(client, flows.Policies, database_url)
    assert found["counts"]["policies"] == found["counts"]["tables"] == 1
    assert verify_manifest(files, found["key"]) == []
    manifest = orjson.loads(files.get(found["key"]))
    (policy,) = entities(files, manifest, "policies")
    assert policy["typeName"] == "Policy"
    assert policy["qualifiedName"].endswith(".public.t#policy.own")
    assert policy["attributes"]["roles"] == ["public"]
    assert policy["attributes"]["command"] == "SELECT"


async def test_kinds_that_a_source_does_not_have_are_listed(
    client: WorkflowClient, files: Storage, database_url: str
) -> None:
    """They are no error and need no transform; the manifest says which they are and why."""
    run(database_url, "CREATE TABLE t (a integer)")
    arguments = {"credentials": {"url": database_url}}
    handle = await client.start_workflow(arguments, workflow_class=flows.Plain)
    found = await handle.result()
    assert {kind: count for kind, count in found["counts"].items() if count} == {
        "schemas": 1,
        "tables": 1,
        "columns": 1,
    }
    manifest = orjson.loads(files.get(found["key"]))
    assert set(manifest["not_applicable"]) == set(KINDS) - {"schemas", "tables", "columns"}
    assert "plain has no triggers" in manifest["not_applicable"]["triggers"]
    assert (await tasks_of(client, handle)).count("transform_data") == 3


async def test_a_database_that_refuses_is_reported_when_a_pattern_chose_it(
    client: WorkflowClient, files: Storage, engine: Any, database_url: str
) -> None:
    """Its scopes are denied, with the reason; named exactly it fails the run."""
    open_one = database_url.rpartition("/")[2]
    closed = f"{open_one}_closed"
    admin = engine.database_url
    run(
        admin,
        f'CREATE DATABASE "{closed}"',
        f'REVOKE CONNECT ON DATABASE "{closed}" FROM PUBLIC',
        f"CREATE ROLE \"{open_one}\" LOGIN PASSWORD 'reader'",
    )
    url = with_(database_url, user=open_one, password="reader")
    try:
        rule = f"include database glob {open_one}*"
        found = await result_of(client, BaseSQLMetadataExtractionWorkflow, url, filters=[rule])
        manifest = orjson.loads(files.get(found["key"]))
        status = {(one["database"], one["status"]) for one in manifest["scopes"]}
        assert status == {(open_one, "complete"), (closed, "denied")}
        assert any("permission denied" in one and closed in one for one in found["warnings"])
        assert verify_manifest(files, found["key"]) == []
        with pytest.raises(RunFailed, match="permission denied"):
            await result_of(
                client, BaseSQLMetadataExtractionWorkflow, url, databases=[open_one, closed]
            )
    finally:
        run(admin, f'DROP DATABASE "{closed}"', f'DROP ROLE "{open_one}"')


async def test_kinds_that_do_not_fit_are_read_again(
    client: WorkflowClient, files: Storage, database_url: str
) -> None:
    """A table that came between two fetches: the tables are fetched and transformed again."""
    run(database_url, "CREATE TABLE first (a integer)")
    handle = await client.start_workflow(
        {"credentials": {"url": database_url}}, workflow_class=flows.Late
    )
    found = await handle.result()
    assert found["counts"] == {"tables": 2, "columns": 3}
    assert verify_manifest(files, found["key"]) == []
    names = await tasks_of(client, handle)
    assert names.count("fetch_tables") == 2
    assert names.count("fetch_columns") == 1
    assert names.count("transform_data") == 3
    assert names.count("flowkeep.run_steps") == 1
    assert names.count("add_a_table") == names.count("add_a_comment") == 1


async def test_fetches_are_no_steps(client: WorkflowClient, sample_url: str) -> None:
    """A fetch declared as a step fails the run before anything is read, and is named."""
    with pytest.raises(RunFailed, match=r"steps\(…\) of FetchingInSteps lists fetch_tables"):
        await result_of(client, flows.FetchingInSteps, sample_url)


async def test_kinds_that_never_fit_fail_the_run(
    client: WorkflowClient, files: Storage, database_url: str
) -> None:
    """After two more tries the run fails, names the objects, and leaves no manifest."""
    run(database_url, "CREATE TABLE lonely (a integer)")
    with pytest.raises(RunFailed) as caught:
        await result_of(client, flows.Forgetful, database_url)
    assert "public.lonely" in str(caught.value)
    assert not [one for one in files.list() if one.key.endswith("manifest.json")]


@pytest.mark.parametrize(
    ("change", "metadata", "words"),
    [
        ({"password": "canary-password"}, {}, "password authentication failed"),
        ({"database": "nowhere"}, {}, '"nowhere" does not exist'),
        ({"host": "-no-such-host"}, {}, "host name is unknown"),
        ({}, {"include_schemas": ["nope"]}, "matches no schema of any database"),
        ({}, {"include": ["sales"]}, "metadata.include"),
    ],
)
async def test_what_somebody_must_correct_fails_at_once(
    client: WorkflowClient,
    sample_url: str,
    change: dict[str, str],
    metadata: dict[str, Any],
    words: str,
) -> None:
    """The preflight fails the run with the reason, in its first attempt, without a secret."""
    handle = await client.start_workflow(
        {"credentials": {"url": with_(sample_url, **change)}, "metadata": metadata},
        workflow_class=BaseSQLMetadataExtractionWorkflow,
    )
    with pytest.raises(RunFailed) as caught:
        await handle.result()
    assert words in str(caught.value)
    assert "canary-password" not in str(caught.value)
    names = await tasks_of(client, handle)
    assert names == ["get_workflow_args", "preflight_check"]


async def test_the_password_is_in_no_history_and_no_file(
    client: WorkflowClient, files: Storage, sample_url: str
) -> None:
    """Neither Temporal's history nor the storage holds what stands in the credentials."""
    canary = "canary-5b1c-password"
    run(sample_url, f"CREATE ROLE canary LOGIN PASSWORD '{canary}'")
    url = with_(sample_url, user="canary", password=canary)
    handle = await client.start_workflow(
        {"credentials": {"url": url}}, workflow_class=BaseSQLMetadataExtractionWorkflow
    )
    found = await handle.result()
    run(sample_url, "DROP ROLE canary")
    assert found["counts"]["databases"] == 1
    temporal = client.temporal.get_workflow_handle(handle.workflow_id)
    history = (await temporal.fetch_history()).to_json()
    assert "fetch_columns" in history
    folder = files.local_path()
    assert folder is not None
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(contents) > 10
    assert not [one for one in (history.encode(), *contents) if canary.encode() in one]


async def test_results_too_large_for_history_travel_packed(
    client: WorkflowClient, sample_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the run gets them in a few kilobytes, and finds what it finds otherwise."""
    plain = await result_of(client, BaseSQLMetadataExtractionWorkflow, sample_url)
    monkeypatch.setattr(packed, "PLAIN_BYTES", 0)
    handle = await client.start_workflow(
        {"credentials": {"url": sample_url}}, workflow_class=BaseSQLMetadataExtractionWorkflow
    )
    found = await handle.result()
    assert found["counts"] == plain["counts"]
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    (given,) = [
        orjson.loads(event.activity_task_scheduled_event_attributes.input.payloads[0].data)
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "finish_extraction"
    ]
    assert isinstance(given["fetched"], str)
    assert isinstance(given["transformed"], str)
