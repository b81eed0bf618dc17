"""A connector from the original SDK, as a workflow on real servers."""

import orjson

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from tests.extraction.legacy_flows import Brought, BroughtActivities
from tests.extraction.support import entities, query


async def test_a_connector_of_the_original_sdk_runs(
    settings: Settings, task_queue: str, sample_url: str
) -> None:
    """Its SQL, its filters and its names of columns give a manifest with entities."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    metadata = {
        "include-filter": '{"^extraction_sample$": ["^sales$", "^hr$"]}',
        "exclude-filter": {},
        "temp-table-regex": "^order",
        "exclude_views": "true",
    }
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=[Brought],
            workflow_activities=[Brought.get_activities(BroughtActivities())],
        ),
    ):
        handle = await client.start_workflow(
            {"credentials": {"url": sample_url}, "metadata": metadata}, workflow_class=Brought
        )
        found = await handle.result()
    files = Storage(settings.storage.url)
    assert verify_manifest(files, found["key"]) == []
    manifest = orjson.loads(files.get(found["key"]))
    wanted = query(
        sample_url,
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema IN ('sales', 'hr') AND table_type NOT LIKE '%VIEW'"
        " AND table_name NOT LIKE 'order%'",
    )
    tables = entities(files, manifest, "tables")
    assert sorted(table["attributes"]["name"] for table in tables) == sorted(
        name for _, name in wanted
    )
    columns = query(
        sample_url,
        "SELECT count(*) FROM information_schema.columns AS c"
        " JOIN information_schema.tables AS t USING (table_schema, table_name)"
        " WHERE table_schema IN ('sales', 'hr') AND table_type NOT LIKE '%VIEW'"
        " AND table_name NOT LIKE 'order%'",
    )
    assert found["counts"] == {
        "databases": 1,
        "schemas": 2,
        "tables": len(wanted),
        "columns": columns[0][0],
    }
    kept = {"include-filter", "temp-table-regex"}
    assert set(manifest["filters"]["translated_from"]) == kept
