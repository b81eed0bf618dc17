"""Mines the log of the PostgreSQL that keeps flowkeep's own ledger."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psycopg

from flowkeep import Settings, Worker, WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore import migrate
from flowkeep.storage import Storage
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow
from flowkeep.workflows.query_extraction.sql import SQLQueryExtractionWorkflow

LOGGED = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_min_duration_statement": "0",
    "compute_query_id": "on",
}


async def main(folder: Path) -> dict[str, Any]:
    async with LocalEngine(folder) as engine:
        await let_it_log(engine)
        settings = engine.settings()
        await migrate.upgrade(settings.database_url(), settings.database.schema_name)
        catalogue = await run(
            settings,
            BaseSQLMetadataExtractionWorkflow,
            {"credentials": {"url": settings.database_url()}},
        )
        found = await run(
            settings,
            SQLQueryExtractionWorkflow,
            {
                "logs": {
                    "source": "jsonlog",
                    "options": {"location": str(folder / "postgres" / "log")},
                    "search_path": [settings.database.schema_name, "public"],
                    "catalogue": catalogue["key"],
                }
            },
        )
        show(Storage(settings.storage.url), found)
    return found


async def let_it_log(engine: LocalEngine) -> None:
    """Let PostgreSQL write every statement to a file, which begins with its next start."""
    connection = await psycopg.AsyncConnection.connect(engine.database_url, autocommit=True)
    async with connection:
        for name, value in LOGGED.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    assert engine.postgres is not None
    await engine.postgres.restart()


async def run(settings: Settings, workflow_class: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    async with await WorkflowClient.connect(settings) as client:
        activities = workflow_class.activities_cls()
        async with Worker(
            client,
            workflow_classes=[workflow_class],
            workflow_activities=workflow_class.get_activities(activities),
        ):
            handle = await client.start_workflow(arguments, workflow_class=workflow_class)
            result: dict[str, Any] = await handle.result()
            return result


def show(storage: Storage, found: dict[str, Any]) -> None:
    manifest = orjson.loads(storage.get(found["key"]))
    rows = {
        scope["kind"]: pl.concat(pl.read_parquet(storage.get(p["key"])) for p in scope["parts"])
        for scope in manifest["scopes"]
        if scope["parts"]
    }
    print(f"{found['statements']} statements, {rows['queries'].height} queries")
    written = rows["query_usage"].filter(column_name="", access="write")
    calls = written.group_by("table_name").agg(pl.sum("calls"))
    for table, times in calls.sort("calls", "table_name", descending=True).iter_rows():
        print(f"  {table}: write by {times}")
    edges = rows["lineage_edges"].filter(table_name="run_event", direct=True)
    pairs = edges.select("column_name", "source_table_name", "source_column_name").unique()
    for target, table, column in pairs.sort(pl.all()).iter_rows():
        print(f"  run_event.{target} from {table}.{column}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
