"""The founding document's own code: unchanged but for what is named here, and it runs."""

import ast
from pathlib import Path

import psycopg
import pytest

from examples.founding_option_1 import main as option_1
from examples.founding_option_2 import main as option_2
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from tests.examples.ledger import attempts_of, the_run

ORIGINAL = Path(__file__).parent / "original"
EXAMPLES = Path(__file__).parents[2] / "examples"

MENDED = {
    "option_1": {},
    "option_2": {
        "Workflow {workflow_id} finished": "Workflow {workflow_args['workflow_id']} finished"
    },
    "registration": {"MyExtendedActivities(...)": "MyExtendedActivities()"},
}
"""What is plainly broken in the text, and what stands in its place."""


def original(name: str) -> list[str]:
    """Statements of a code block of the founding document, without its imports."""
    code = (ORIGINAL / f"{name}.py.txt").read_text()
    for broken, mended in MENDED[name].items():
        assert code.count(broken) == 1
        code = code.replace(broken, mended)
    return statements(ast.parse(code).body)


def statements(body: list[ast.stmt]) -> list[str]:
    """Statements in a form that does not depend on layout, without imports and docstrings."""
    return [
        ast.dump(node)
        for node in body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


@pytest.mark.parametrize("name", ["option_1", "option_2"])
def test_only_import_lines_differ(name: str) -> None:
    """The workflow class of the example is the document's, statement by statement."""
    code = (EXAMPLES / f"founding_{name}" / "workflows.py").read_text()
    assert statements(ast.parse(code).body) == original(name)


def test_registration_snippet_is_the_documents() -> None:
    """The worker is made by the document's statements, in their order."""
    code = ast.parse((EXAMPLES / "founding_option_2" / "main.py").read_text())
    [main] = [node for node in code.body if isinstance(node, ast.AsyncFunctionDef)]
    [block] = [node for node in main.body if isinstance(node, ast.AsyncWith)]
    assert statements(block.body)[:2] == original("registration")


async def test_option_1_runs(
    client: WorkflowClient, example_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what the list names runs, the custom step between fetch and transform."""
    run_id = (await option_1.main(example_settings)).run_id
    run = await client.store.runs.get("default", run_id)
    assert run.status == "succeeded"
    assert "perform_custom_validation" not in run.outputs["counts"]
    assert run.outputs["counts"] == {"databases": 1}
    assert run.outputs["results"]["perform_custom_validation"]["files"] == 1
    assert run.outputs["url"] in capsys.readouterr().out
    assert await attempts_of(client, run_id) == [
        ("fetch_databases", 1, "succeeded"),
        ("finish_extraction", 1, "succeeded"),
        ("get_workflow_args", 1, "succeeded"),
        ("perform_custom_validation", 1, "succeeded"),
        ("preflight_check", 1, "succeeded"),
        ("transform_data", 1, "succeeded"),
    ]
    page = await client.store.tasks.list_tasks("default", run_id)
    order = [task.task_name for task in sorted(page, key=lambda task: task.started_at)]
    assert order[2:5] == ["fetch_databases", "perform_custom_validation", "transform_data"]
    storage = Storage(example_settings.storage.url)
    assert verify_manifest(storage, run.outputs["key"]) == []
    [scope] = read_manifest(storage, run.outputs["key"])["scopes"]
    assert (scope["kind"], scope["database"]) == ("databases", "flowkeep_sample")


async def test_option_2_runs(
    client: WorkflowClient, example_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The own `run` loads arguments, checks, executes its steps and returns its text."""
    run_id = (await option_2.main(example_settings)).run_id
    run = await the_run(client)
    assert run.id == run_id
    source = create_sample_database(example_settings.database_url())
    with psycopg.connect(source) as connection:
        row = connection.execute(
            "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname !~ '^pg_'"
            " AND schemaname <> 'information_schema' GROUP BY 1 ORDER BY 2 DESC, 1 DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    expected = (
        f"Workflow {run.workflow_id} finished custom run. Result: {row[0]} has {row[1]} tables"
    )
    assert run.outputs == expected
    assert capsys.readouterr().out == expected + "\n"
    assert await attempts_of(client, run_id) == [
        ("custom_step_one", 1, "succeeded"),
        ("custom_step_two", 1, "succeeded"),
        ("get_workflow_args", 1, "succeeded"),
        ("preflight_check", 1, "succeeded"),
    ]
    assert run.tasks_finished == 4
