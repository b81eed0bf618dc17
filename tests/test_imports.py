"""What is loaded when: the sandbox and the command line pay for every import."""

import subprocess
import sys

import pytest

HEAVY = (
    *("sqlalchemy", "psycopg", "pyarrow", "polars", "alembic", "obstore", "cryptography", "rich"),
    *("sqlglot", "pgparse"),
)


def loaded_by(statement: str) -> set[str]:
    """Return the heavy modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "flowkeep",
        "flowkeep.workflows",
        "flowkeep.workflows.base",
        "flowkeep.workflows.sequence",
        "flowkeep.workflows.map_chunk",
        "flowkeep.workflows.metadata_extraction.sql",
        "flowkeep.workflows.query_extraction.sql",
        "flowkeep.activities",
        "flowkeep.activities.metadata_extraction.sql",
        "flowkeep.activities.query_extraction.sql",
        "flowkeep.contracts",
        "flowkeep.statestore",
        "flowkeep.extraction",
        "flowkeep.storage",
    ],
)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """Modules that workflow files reach load no database, no dataframe and no storage library."""
    assert loaded_by(f"import {module}") == set()


def test_founding_imports_are_light() -> None:
    """Importing StateStore and StateType in a workflow file loads nothing heavy."""
    assert loaded_by("from flowkeep.statestore import StateStore, StateType") == set()


def test_public_names_are_exactly_the_list() -> None:
    """The package exports the documented names, and each can be imported."""
    import flowkeep

    assert sorted(flowkeep.__all__) == [
        "ActivitiesInterface",
        "CheckResult",
        "MapResult",
        "Plugin",
        "PreflightResult",
        "RunHandle",
        "RunStatus",
        "SequenceWorkflow",
        "Settings",
        "StateStore",
        "StateType",
        "StepFailed",
        "TaskStatus",
        "Worker",
        "WorkflowClient",
        "WorkflowInterface",
        "__version__",
        "steps",
    ]
    for name in flowkeep.__all__:
        assert getattr(flowkeep, name) is not None
