"""The nightly extraction among the example definitions."""

import json
from urllib.parse import quote

import psycopg
import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from tests.examples.definition_runs import asked, rows, served, start, states

__all__ = ["served"]


@pytest.fixture
def source(example_settings: Settings) -> str:
    """URL of the sample database."""
    return create_sample_database(example_settings.database_url())


def tables_of(source: str) -> list[str]:
    """What the database itself says of its tables, views and the like."""
    with psycopg.connect(source) as connection:
        found = connection.execute(
            "SELECT n.nspname || '.' || c.relname FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
            " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        ).fetchall()
    return [quote(name, safe="") for (name,) in found]


async def test_nightly_catalogue(served: WorkflowClient, source: str) -> None:
    """Every table of the sample gets a page; a yes publishes them, a no takes them back."""
    given = {"credentials": {"url": source}}
    published, declined = [await start(served, 8, **given) for _ in range(2)]
    names = tables_of(source)
    for handle, answer in ((published, True), (declined, False)):
        question = await asked(served, handle, "approve")
        listed = question.input["details"]["pages"]
        assert sorted(listed) == sorted(f"{name}.md" for name in names)
        await served.questions.answer(
            "default", handle.run_id, "approve", {"publish": answer}, by="steward@shop.example"
        )
    folder = f"default/catalogue/{published.run_id}"
    index = {"published": True, "index": f"{folder}/index.md", "pages": len(names)}
    assert await published.result() == {**index, "problem": None}
    pages_there = {f"{folder}/{name}.md" for name in (*names, "index")}
    refused = {"published": False, "index": None, "pages": len(names), "problem": "declined"}
    assert await declined.result() == refused
    files = [one.key for one in Storage(served.settings.storage.url).list("default/catalogue")]
    assert set(files) == pages_there

    found = await rows(served, published.run_id)
    [extract] = [one for one in found if one.task_name == "extract"]
    child = await served.store.runs.get("default", extract.child_run_id)
    assert (str(extract.type), child.workflow_type, str(child.status)) == (
        "child",
        "BaseSQLMetadataExtractionWorkflow",
        "succeeded",
    )
    batches = sorted(one.task_index for one in found if one.task_name == "write_pages")
    assert batches == list(range(0, len(names), 10))
    assert (await states(served, declined.run_id))["take_back"] == "succeeded"
    password = psycopg.conninfo.conninfo_to_dict(source)["password"]
    run = await served.store.runs.get("default", published.run_id)
    assert password not in json.dumps([run.inputs, [one.input for one in found]])


async def test_nightly_catalogue_that_fails(served: WorkflowClient, source: str) -> None:
    """A table without a comment fails a strict run's page, and what was written is taken back."""
    handle = await start(served, 8, credentials={"url": source}, strict=True)
    result = await handle.result()
    assert (result["published"], result["pages"]) == (False, 0)
    assert "has no comment" in result["problem"]
    assert list(Storage(served.settings.storage.url).list("default/catalogue")) == []
    ends = await states(served, handle.run_id)
    assert (ends["approve"], ends["take_back"]) == ("skipped", "succeeded")
