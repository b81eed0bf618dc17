"""The whole extraction as a workflow, of a MariaDB server and of a SQLite file."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import RunFailed
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow
from tests.extraction.other_sources.support import extraction_of, source_of
from tests.extraction.support import extract
from tests.servers.mariadb import MariaDBServer


@pytest.fixture
async def client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """A client and a worker of the base workflow, which knows nothing of these sources."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    cls = BaseSQLMetadataExtractionWorkflow
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=[cls],
            workflow_activities=[cls.get_activities(cls.activities_cls())],
        ),
    ):
        yield client


async def check(client: WorkflowClient, url: str, local: Storage) -> None:
    """A run gives what the package gives, its manifest verifies, and a second run differs not."""
    files = Storage(client.settings.storage.url)
    expected, _ = extract(extraction_of(source_of(url), local))
    for run in range(2):
        handle = await client.start_workflow(
            {"credentials": {"url": url}}, workflow_class=BaseSQLMetadataExtractionWorkflow
        )
        result = await handle.result()
        assert result["counts"] == expected.counts
        assert verify_manifest(files, result["key"]) == []
        manifest = read_manifest(files, result["key"])
        assert {scope["status"] for scope in manifest["scopes"]} == {"complete"}
        assert "types" in manifest["not_applicable"]
        if run:
            diff = result["diff"]
            assert (diff["added"], diff["changed"], diff["removed"]) == (0, 0, 0)
            assert diff["unchanged"] == sum(expected.counts.values())


async def test_mariadb_end_to_end(
    client: WorkflowClient, mariadb: MariaDBServer, storage: Storage
) -> None:
    """The URL alone makes the base workflow extract a MariaDB server, twice alike."""
    await check(client, mariadb.url, storage)


async def test_sqlite_end_to_end(client: WorkflowClient, storage: Storage, tmp_path: Path) -> None:
    """The URL alone makes the base workflow extract a SQLite file, twice alike."""
    path = tmp_path / "a shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE a (x integer PRIMARY KEY); CREATE VIEW v AS SELECT x FROM a;"
        )
    await check(client, f"sqlite:///{path}", storage)


async def test_a_wrong_password_fails_the_preflight(
    client: WorkflowClient, mariadb: MariaDBServer
) -> None:
    """The run fails with the server's reason, and the password is nowhere in it."""
    url = mariadb.url_of("keeper", "canary-7f3a-secret")
    handle = await client.start_workflow(
        {"credentials": {"url": url}}, workflow_class=BaseSQLMetadataExtractionWorkflow
    )
    with pytest.raises(RunFailed, match="Access denied") as caught:
        await handle.result()
    assert "canary" not in str(caught.value)
