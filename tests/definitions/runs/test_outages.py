"""Runs of definitions that are evicted after every step, and without a ledger for a while."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from flowkeep.activities.definition import DefinitionActivities
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import DefinitionVersion, RunRef, RunStatus, TaskStatus
from flowkeep.contracts.definition_loading import LOAD_DEFINITION
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import LedgerUnavailable
from flowkeep.settings import Settings
from flowkeep.statestore.repositories.system import System
from flowkeep.worker import Worker
from tests.definitions.runs import actions, coded
from tests.definitions.runs.families import FAMILIES
from tests.definitions.runs.fault_checks import check_counters
from tests.definitions.runs.support import Stage


@pytest.fixture
async def evicting(runs_settings: Settings) -> AsyncIterator[Stage]:
    """A worker without a cache: whatever waits is unwound, and replayed when it goes on."""
    worker = runs_settings.worker.model_copy(update={"task_queue": f"evicting-{uuid4().hex}"})
    settings = runs_settings.model_copy(update={"worker": worker})
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=[coded.Adds],
            workflow_activities=coded.Adds.get_activities(coded.Numbers()),
            actions=actions.ALL,
            action_tenants=[],
            max_cached_workflows=0,
        ),
    ):
        stage = Stage(client)
        yield stage
        actions.let_go()
        await stage.close()


@pytest.mark.parametrize(
    ("name", "status", "events"),
    [
        ("graph", RunStatus.SUCCEEDED, ["task_unreached"] * 1),
        (
            "human",
            RunStatus.SUCCEEDED,
            ["question_opened"] * 2 + ["question_expired", "question_answered"],
        ),
        ("long", RunStatus.SUCCEEDED, ["question_opened", "question_answered"]),
    ],
)
async def test_eviction_changes_nothing(
    evicting: Stage,
    name: str,
    status: RunStatus,
    events: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unwinding for an eviction records nothing and repeats nothing."""
    if name == "long":
        monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 40)
    handle = await FAMILIES[name](evicting)
    assert (await evicting.recorded(handle)).status is status
    kinds = await evicting.kinds(handle)
    told = [kind for kind in kinds if kind.startswith(("task_", "question_"))]
    assert sorted(told) == sorted(events)


async def test_a_ledger_that_is_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that no activity tells of are told again until the ledger is back; the run goes on."""
    note, refused = System.note_tasks, 0

    async def away(self: System, run: RunRef, told: TaskNotes) -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise LedgerUnavailable("away for a test")
        await note(self, run, told)

    monkeypatch.setattr(System, "note_tasks", away)
    handle = await stage.start(
        """
ref: away
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: nap, action: core.sleep, input: {seconds: 10ms}}
  - {name: last, action: test.echo}
"""
    )
    assert (await stage.ended(handle)).status is RunStatus.SUCCEEDED
    assert refused == 3
    assert await stage.states(handle) == {
        "left": "skipped",
        "nap": "succeeded",
        "last": "succeeded",
    }


async def test_a_load_that_failed_counts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose load found no ledger at first has an exception, of a row that says why."""
    load, refused = DefinitionActivities._version, 0

    async def away(self: DefinitionActivities, config: dict[str, Any]) -> DefinitionVersion:
        nonlocal refused
        if not refused:
            refused += 1
            raise LedgerUnavailable("away for a test")
        return await load(self, config)

    monkeypatch.setattr(DefinitionActivities, "_version", away)
    handle = await stage.start("{ref: late, tasks: [{name: one, action: test.echo}]}")
    run = await stage.ended(handle)
    attempts = await stage.attempts(handle)
    check_counters(run, attempts)
    assert (run.status, run.exceptions_count) == (RunStatus.SUCCEEDED, 1)
    [failed] = [one for one in attempts if one.status is TaskStatus.FAILED]
    assert failed.error is not None
    assert (failed.task_name, failed.error.code) == (LOAD_DEFINITION, LedgerUnavailable.code)
    assert await stage.states(handle) == {"one": "succeeded"}
