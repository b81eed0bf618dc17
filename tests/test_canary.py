"""A password that goes in comes out nowhere: history, tables, logs, errors, files."""

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from psycopg import sql

from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
from flowkeep.cli.output import plain
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import RunFailed
from flowkeep.local_engine import LocalEngine
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow
from tests.served import client
from tests.support import eventually
from tests.workflows import flows

__all__ = ["client"]

CANARY = "c4n4ry-pässwörd/with@signs"


@pytest.fixture
async def source(engine: LocalEngine, database_url: str) -> dict[str, Any]:
    """Credentials of a real login whose password is the canary."""
    name = f"canary_{uuid4().hex[:8]}"
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    async with connection:
        await connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(name), sql.Literal(CANARY)
            )
        )
        await connection.execute("CREATE TABLE public.thing (id int PRIMARY KEY)")
        info = connection.info
        return {
            "host": info.host,
            "port": info.port,
            "database": info.dbname,
            "username": name,
            "password": CANARY,
        }


async def everything_in(url: str) -> str:
    """Return every row of every table of a database as text."""
    found = []
    connection = await psycopg.AsyncConnection.connect(url)
    async with connection:
        tables = await connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (table,) in await tables.fetchall():
            rows = await connection.execute(f"SELECT t::text FROM {table} AS t")
            found += [row[0] for row in await rows.fetchall()]
    return "\n".join(found)


def files_under(folder: Path) -> str:
    """Return every file as text, columns of Parquet and compressed lines unpacked."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            found.append(str(pl.read_parquet(path).rows()))
        elif path.suffixes[-2:] == [".jsonl", ".zst"]:
            found.append(str(pl.read_ndjson(path).rows()))
        else:
            found.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(found)


def assert_absent(text: str) -> None:
    """Neither the password nor its URL-quoted or JSON-escaped form is in the text."""
    assert len(text) > 100
    for form in ("c4n4ry", "p%C3%A4ssw", "p\\u00e4ssw"):
        assert form not in text


async def test_the_canary_is_nowhere(
    client: WorkflowClient,
    settings: Settings,
    engine: LocalEngine,
    source: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After runs that succeed, fail and retry, the password is found in no place at all."""
    caplog.set_level(logging.DEBUG)
    letters = flows.Letters()
    url = f"postgresql://{source['username']}:{CANARY}@{source['host']}:{source['port']}/nowhere"
    async with Worker(
        client,
        workflow_classes=[BaseSQLMetadataExtractionWorkflow, flows.Flaky],
        workflow_activities=[
            *BaseSQLMetadataExtractionWorkflow.get_activities(
                BaseSQLMetadataExtractionActivities()
            ),
            letters.flaky,
        ],
    ):
        good = await client.start_workflow(
            {"credentials": source}, BaseSQLMetadataExtractionWorkflow
        )
        await good.result()
        errors = []
        for credentials in (source | {"password": f"{CANARY}-wrong"}, {"url": url}):
            bad = await client.start_workflow(
                {"credentials": credentials}, BaseSQLMetadataExtractionWorkflow
            )
            with pytest.raises(RunFailed) as caught:
                await bad.result()
            errors.append(str(caught.value))
        retried = await client.start_workflow({"credentials": source, "url": url}, flows.Flaky)
        await retried.result()

        async def all_recorded() -> None:
            run = await retried.run()
            assert run.tasks_finished >= 3

        await eventually(all_recorded)
    assert_absent("\n".join(errors))
    histories = [
        (await client.temporal.get_workflow_handle(run.workflow_id).fetch_history()).to_json()
        for run in await client.store.runs.get_paginated_runs("default", limit=100)
    ]
    assert len(histories) == 4
    assert_absent("\n".join(histories))
    assert_absent(await everything_in(settings.database_url()))
    assert_absent("\n".join(record.getMessage() for record in caplog.records) + "." * 100)
    assert_absent(files_under(Path(settings.storage.url.removeprefix("file://"))))
    assert_absent(files_under(engine.folder / "logs") + "." * 100)
    shown = [plain(await handle.run()) for handle in (good, retried)]
    assert_absent(str(shown))
