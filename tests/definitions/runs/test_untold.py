"""Runs that cannot reach the ledger for long, and continue as new meanwhile: nothing gets lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from flowkeep.activities.definition import DefinitionActivities
from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import RunRef, RunStatus, TaskType
from flowkeep.contracts.definition_loading import KEPT_KEY
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import LedgerUnavailable
from flowkeep.statestore.repositories.system import System
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.definitions.runs.test_truth_of_rows import impatient, reset
from tests.support import eventually


class Ledger:
    """What workflow code reaches of the ledger."""

    def __init__(self) -> None:
        self.away = False
        self.tried = 0


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger that hears nothing of workflow code while a test lets it be away."""
    found, notes = Ledger(), System.note_tasks

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        if found.away:
            found.tried += 1
            raise LedgerUnavailable("away for a test")
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    impatient(monkeypatch)
    return found


@pytest.fixture
def continues_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Says after how many events runs continue as new."""

    def after(events: int) -> None:
        monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", events)

    return after


async def executions(stage: Stage, handle: RunHandle) -> int:
    """How many executions of a run the ledger knows."""
    return len(await stage.client.store.runs.list_segments(stage.tenant, handle.run_id))


async def answer(stage: Stage, handle: RunHandle, task: str, given: Any) -> None:
    """Answer a question."""
    await stage.client.questions.answer(stage.tenant, handle.run_id, task, given, by="ada")


async def test_that_a_run_waits_no_more(
    stage: Stage, ledger: Ledger, continues_after: Callable[[int], None]
) -> None:
    """A run that went on while the ledger was away is not shown as waiting when that is back."""
    continues_after(16)
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: goes_on
tasks:
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
  - {{name: each, action: test.echo, with_items: "{{{{ range(8) | list }}}}", concurrency: 1}}
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
"""
    )
    await stage.until_status(handle, RunStatus.WAITING)
    ledger.away = True
    await answer(stage, handle, "ask", {})
    await stage.begun(name)
    assert await executions(stage, handle) > 1
    assert (await stage.recorded(handle)).status is RunStatus.WAITING
    ledger.away = False
    assert (await stage.until_status(handle, RunStatus.RUNNING)).wait is None
    actions.release(name)
    await stage.result(handle)


async def test_that_a_reset_undid_something(
    stage: Stage, ledger: Ledger, continues_after: Callable[[int], None]
) -> None:
    """What a reset undid is marked when the ledger is back, though the run has continued as new."""
    continues_after(30)
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: back
tasks:
  - name: first
    human: {{assignee: ada, title: ok}}
    transitions: [{{when: "{{{{ result().answer.more }}}}", do: second}}, {{do: each}}]
  - {{name: second, human: {{assignee: ada, title: ok}}}}
  - name: each
    action: test.echo
    with_items: "{{{{ range(12) | list }}}}"
    concurrency: 1
    transitions: [{{do: hold}}]
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
"""
    )
    await stage.until(handle, "first", "waiting")
    await answer(stage, handle, "first", {"more": True})
    await stage.until(handle, "second", "waiting")
    ledger.away = True
    await reset(stage, handle)
    await answer(stage, handle, "first", {"more": False})
    await stage.begun(name)
    assert await executions(stage, handle) > 2

    async def asked() -> list[tuple[str, str, bool]]:
        return sorted(
            (one.activity_id, str(one.status), one.superseded)
            for one in await stage.rows(handle)
            if one.type is TaskType.HUMAN
        )

    assert await asked() == [("first", "succeeded", False), ("second", "waiting", False)]
    ledger.away = False

    async def marked() -> None:
        assert await asked() == [
            ("first", "succeeded", False),
            ("first", "succeeded", True),
            ("second", "cancelled", True),
            ("second", "skipped", False),
        ]

    await eventually(marked)
    actions.release(name)
    await stage.result(handle)


async def test_more_than_can_travel(
    stage: Stage,
    ledger: Ledger,
    continues_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run with more untold tasks than it can take along waits for the ledger; none is lost."""
    continues_after(20)
    monkeypatch.setattr("flowkeep.workflows.definition_notes.MOST_KEPT_BYTES", 1000)
    ledger.away = True
    handle = await stage.start(
        """
ref: many
tasks:
  - name: each
    action: core.sleep
    with_items: "{{ range(12) | list }}"
    concurrency: 1
    input: {seconds: 10ms}
"""
    )
    first = stage.client.temporal.get_workflow_handle(
        handle.workflow_id, run_id=handle.temporal_run_id
    )

    async def is_long() -> None:
        assert (await first.describe()).history_length >= 30

    await eventually(is_long)
    assert ledger.tried > 2
    assert await executions(stage, handle) == 1
    ledger.away = False
    await stage.result(handle)
    assert await executions(stage, handle) > 1
    found = await stage.rows(handle)
    assert len(found) == 12
    assert all((str(one.status), one.input) == ("succeeded", {"seconds": "10ms"}) for one in found)


async def test_a_definition_that_cannot_be_loaded(
    stage: Stage, continues_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on rests between its tries to load, so that its history hardly grows."""
    continues_after(20)
    monkeypatch.setattr("flowkeep.workflows.definition_loading._REST", timedelta(milliseconds=50))
    version, tried = DefinitionActivities._version, 0

    async def away(self: DefinitionActivities, config: dict[str, Any]) -> Any:
        nonlocal tried
        if KEPT_KEY in config and tried < 4:
            tried += 1
            raise LedgerUnavailable("away for a test")
        return await version(self, config)

    monkeypatch.setattr(DefinitionActivities, "_version", away)
    handle = await stage.start(
        """
ref: loads
tasks:
  - {name: each, action: test.echo, with_items: "{{ range(6) | list }}", concurrency: 1}
output_map: {n: "{{ tasks.each.result | length }}"}
"""
    )
    assert await stage.result(handle) == {"n": 6}
    assert tried == 4
    segments = await stage.client.store.runs.list_segments(stage.tenant, handle.run_id)
    second = stage.client.temporal.get_workflow_handle(
        handle.workflow_id, run_id=segments[1].temporal_run_id
    )
    kinds = [event.event_type async for event in second.fetch_history_events()]
    loading = kinds[: kinds.index(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)]
    assert loading.count(EventType.EVENT_TYPE_TIMER_STARTED) == 1
