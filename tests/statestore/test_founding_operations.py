"""The page that maps operations and fields of the founding documents to ours tells the truth."""

import ast
import re
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from flowkeep.settings import Settings
from flowkeep.statestore import Store
from tests.documents import ROOT, page

PAGE = page("docs/reference/founding-operations.md")

OPERATIONS = {
    "Document 1: the run repository": """
        create_api_workflow_run_repository WorkflowExecutionRepository.save
        get_paginated_workflow_runs last_id InfiniteScrollPagination get_workflow_run_by_id
        get_expired_runs_batch delete_runs_by_ids delete_runs_by_app
    """,
    "Document 2: the flow store": """
        insert get list_by_owner list_by_status update_with_revision append_event list_events
        insert_step update_step get_step list_steps find_step_by_run_id update_and_append
        prune_terminal_flows FlowError::RevisionMismatch FlowManager::with_retry
    """,
    "Document 4: models and repositories": """
        WorkflowDefinitionRepository.FindById WorkflowDefinitionRepository.FindByRef
        WorkflowDefinitionRepository.List WorkflowDefinitionRepository.Create
        WorkflowDefinitionRepository.Update WorkflowDefinitionRepository.Delete
        find_by_pack find_enabled find_by_tag
        CreateWorkflowDefinitionInput UpdateWorkflowDefinitionInput
        WorkflowExecutionRepository.FindById WorkflowExecutionRepository.List
        WorkflowExecutionRepository.Create WorkflowExecutionRepository.Update
        WorkflowExecutionRepository.Delete
        find_by_execution find_by_status find_paused find_by_workflow_def
        CreateWorkflowExecutionInput UpdateWorkflowExecutionInput
        WorkflowTaskExecutionRepository.FindById WorkflowTaskExecutionRepository.List
        WorkflowTaskExecutionRepository.Create WorkflowTaskExecutionRepository.Update
        WorkflowTaskExecutionRepository.Delete
        find_by_workflow_execution find_by_task_name find_pending_retries find_timed_out
        CreateWorkflowTaskExecutionInput UpdateWorkflowTaskExecutionInput
        find_workflows link_workflow_def Error::not_found() Error::validation() QueryBuilder
    """,
    "Document 5: storage of the workflows app": """
        molecules_used__contains atoms_in_molecules__data_loader__contains
        WorkflowViewSet.get_queryset WorkflowRunViewSet.get_queryset
        Workflow.objects.filter(project_id=) Workflow.objects.order_by('-execution_count')
        apps.orchestration.models.TaskRun
    """,
}
PHRASES = {
    "Document 1: the run repository": ["OSS storage", "data retention policies"],
    "Document 4: models and repositories": [
        "`find_by_execution` (of a run)",
        "`find_by_execution` (of a task)",
        "`find_by_workflow_def` (of an action)",
    ],
    "Document 5: storage of the workflows app": [
        "`POST /workflows/`",
        "`GET /workflows/{id}/`",
        "`PATCH /workflows/{id}/`",
        "`DELETE /workflows/{id}/`",
        "`POST /workflows/{id}/execute/`",
        "`GET /workflows/{id}/runs/`",
        "`GET /runs/`",
        "`GET /runs/?workflow_id=`",
        "`GET /runs/{id}/`",
        "`PATCH /runs/{id}/`",
        "execution stats",
        "app name",
        "most used",
        "usage statistics",
        "manage.py migrate workflows",
    ],
}
FIELDS = {
    "Document 1 and 2: run, flow, event, step": """
        tenant_id app_id triggered_from WorkflowRun.created_at Flow Flow.revision
        owner_session_key FlowStatus FlowEvent kind payload FlowStep
    """,
    "Document 4: `WorkflowDefinition`": """
        id ref pack pack_ref label description version param_schema out_schema definition tags
        enabled created updated
    """,
    "Document 4: `WorkflowExecution`": """
        execution workflow_def current_tasks completed_tasks failed_tasks skipped_tasks variables
        task_graph status error_message paused pause_reason created updated
    """,
    "Document 4: `WorkflowTaskExecution`": """
        id workflow_execution execution task_name task_index task_batch status ExecutionStatus
        WorkflowTaskStatus started_at completed_at duration_ms result error retry_count
        max_retries next_retry_at timeout_seconds timed_out
    """,
    "Document 4: `Action`": "is_workflow workflow_def",
    "Document 5: `Workflow`": """
        id project_id project_name app_name name slug description molecules_used
        atoms_in_molecules dag_spec user_id created_at updated_at is_active version
        execution_count last_executed_at
    """,
    "Document 5: `WorkflowRun`": """
        workflow_id started_at completed_at status error_message result_data
    """,
}


def rows(title: str, first: str) -> list[list[str]]:
    """Rows of the table below one heading."""
    section = re.split(r"^#+ ", PAGE.text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("|")]
    assert lines[0].startswith(f"| {first} |"), title
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def all_rows() -> list[list[str]]:
    """Rows of all tables that map something."""
    return [
        *(row for title in OPERATIONS for row in rows(title, "founding operation")),
        *(row for title in FIELDS for row in rows(title, "founding field")),
    ]


@pytest.mark.parametrize("title", OPERATIONS)
def test_every_operation_has_its_row(title: str) -> None:
    """Each operation that a founding document names is the name of a row."""
    names = [row[0] for row in rows(title, "founding operation")]
    words = {word for name in names for word in re.findall(r"`([^` ]+)", name)}
    assert [word for word in OPERATIONS[title].split() if word not in words] == []
    phrases = PHRASES.get(title, [])
    assert [one for one in phrases if not any(one in name for name in names)] == []


@pytest.mark.parametrize("title", FIELDS)
def test_every_field_has_its_row(title: str) -> None:
    """Each field of a founding document's models is named by a row of its table."""
    named = {w for row in rows(title, "founding field") for w in re.findall(r"`([^`]+)`", row[0])}
    assert [word for word in FIELDS[title].split() if word not in named] == []


def test_every_row_leads_to_something_that_exists() -> None:
    """Each row names a method of the store, or a class or field of the package."""
    store = Store.lazy(Settings())
    for row in all_rows():
        paths = re.findall(r"`([\w.]+)`", row[1])
        assert paths, row
        for path in paths:
            resolve(store, path)


def test_methods_named_beside_exist() -> None:
    """What the page mentions as `store.…` outside of the second column exists, too."""
    store = Store.lazy(Settings())
    for path in set(re.findall(r"`(store(?:\.\w+)+)`", PAGE.text)):
        resolve(store, path)


def test_every_row_has_tests_that_exist() -> None:
    """Each row names at least one test, and each test that is named is a function of its file."""
    for row in all_rows():
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3])
        assert tests, row
        assert row[3].count("`") == 2 * len(tests), row
        for file, name in tests:
            assert name in functions(file), f"{file}::{name}"


def resolve(store: Store, path: str) -> None:
    """Fail unless a path leads to a method of the store, or to a name or field of the package."""
    words = path.split(".")
    value: Any = store if words[0] == "store" else import_module(words[0])
    for number, word in enumerate(words[1:], 2):
        fields = getattr(value, "model_fields", {})
        if word in fields:
            return
        if not hasattr(value, word):
            assert isinstance(value, ModuleType), path
            import_module(".".join(words[:number]))
        value = getattr(value, word)


@cache
def functions(file: str) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}
