"""Rows that workflow code writes stay true: over retries, resets, outages and repeated reports."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.common import RetryPolicy

from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import RunRef, RunStatus
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import InvalidInput, LedgerUnavailable
from flowkeep.statestore.repositories.system import System
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.support import eventually

Note = Callable[[System, RunRef, TaskNotes], Any]
FIRST_WORKFLOW_TASK = 4
"""The event with which the first workflow task of an execution ends."""

TWICE = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)


async def start(stage: Stage, text: str, **options: Any) -> RunHandle:
    """Start a run with options of Temporal."""
    ref = await stage.store(text)
    handle = await stage.client.definitions.run(ref, tenant_id=stage.tenant, **options)
    stage.handles.append(handle)
    return handle


async def answer(stage: Stage, handle: RunHandle, task: str) -> None:
    """Wait until a task asks, and answer it."""

    async def asked() -> None:
        run = await stage.recorded(handle)
        assert run.wait == {"human": [task]}, await stage.rows(handle)

    await eventually(asked)
    await stage.client.questions.answer(stage.tenant, handle.run_id, task, {}, by="ada")


async def rows(stage: Stage, handle: RunHandle) -> list[tuple[str, int, str, bool]]:
    """Task, place of its execution, status and mark of each row, executions in their order."""
    segments = await stage.client.store.runs.list_segments(stage.tenant, handle.run_id)
    places = [one.temporal_run_id for one in segments]
    return sorted(
        (one.activity_id, places.index(one.temporal_run_id), str(one.status), one.superseded)
        for one in await stage.rows(handle)
    )


async def test_a_retry_has_rows_of_its_own(stage: Stage) -> None:
    """A run that Temporal tries again waits and asks again, and both executions keep their ends."""
    handle = await start(
        stage,
        f"""
ref: again
tasks:
  - {{name: nap, action: core.sleep, input: {{seconds: 10ms}}}}
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
  - name: last
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 0}}
""",
        retry_policy=TWICE,
    )
    await answer(stage, handle, "ask")
    await answer(stage, handle, "ask")
    await stage.result(handle)
    assert await rows(stage, handle) == [
        ("ask", 0, "succeeded", False),
        ("ask", 1, "succeeded", False),
        ("last", 0, "failed", False),
        ("last", 1, "succeeded", False),
        ("nap", 0, "succeeded", False),
        ("nap", 1, "succeeded", False),
    ]
    kinds = await stage.kinds(handle)
    assert (kinds.count("question_opened"), kinds.count("question_answered")) == (2, 2)


async def test_what_an_execution_left_open_ends_with_it(stage: Stage) -> None:
    """A question of an execution that ran out of time is not open when the next one asks."""
    handle = await start(
        stage,
        "{ref: left, tasks: [{name: ask, human: {assignee: ada, title: ok}}]}",
        retry_policy=TWICE,
        run_timeout=timedelta(seconds=2),
    )

    async def asks_again() -> None:
        assert len(await stage.rows(handle)) == 2

    await eventually(asks_again)
    assert [row[1:3] for row in await rows(stage, handle)] == [(0, "cancelled"), (1, "waiting")]
    [question] = await stage.client.questions.list(stage.tenant, handle.run_id)
    await answer(stage, handle, "ask")
    await stage.result(handle)
    assert [row[1:3] for row in await rows(stage, handle)] == [(0, "cancelled"), (1, "succeeded")]
    [cut_off] = [one for one in await stage.rows(handle) if str(one.status) == "cancelled"]
    assert cut_off.error is not None
    assert cut_off.error.code == "EXECUTION_CLOSED"
    assert question.temporal_run_id != cut_off.temporal_run_id
    stage.repairs = True  # the end of the first execution is Temporal's alone to tell


async def reset(stage: Stage, handle: RunHandle, to: int | None = None) -> None:
    """Reset a run to an event, or to before its first answer; answers are not sent again."""
    temporal = stage.client.temporal
    point = completed = 0
    async for event in temporal.get_workflow_handle(handle.workflow_id).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            if accepted.accepted_request.input.name == "answer":
                point = completed
                break
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            point, completed = completed, event.event_id
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.workflow_id),
            workflow_task_finish_event_id=point if to is None else to,
            request_id=str(uuid4()),
            reset_reapply_exclude_types=[
                ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
            ],
        )
    )
    stage.repairs = True


async def test_a_reset_goes_back(stage: Stage) -> None:
    """What a reset undid is marked, what it kept is not, and what was open then is open again."""
    await stage.store("{ref: inner, tasks: [{name: ask, human: {assignee: ada, title: ok}}]}")
    handle = await start(
        stage,
        """
ref: back
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: nap, action: core.sleep, input: {seconds: 10ms}}
  - {name: first, human: {assignee: ada, title: ok}}
  - {name: pause, action: core.sleep, input: {seconds: 10ms}}
  - {name: second, human: {assignee: ada, title: ok}}
""",
    )
    await answer(stage, handle, "first")
    await stage.until(handle, "second", "waiting")
    await reset(stage, handle)
    await answer(stage, handle, "first")
    before = [("left", 0, "skipped", False), ("nap", 0, "succeeded", False)]
    undone = [
        ("first", 0, "succeeded", True),
        ("pause", 0, "succeeded", True),
        ("second", 0, "cancelled", True),
    ]
    await answer(stage, handle, "second")
    await stage.result(handle)
    again = [(name, 1, "succeeded", False) for name in ("first", "pause", "second")]
    assert await rows(stage, handle) == sorted([*before, *undone, *again])
    run = await stage.recorded(handle)
    assert (run.tasks_total, run.tasks_finished) == (6, 6)  # and the one that loads it


async def test_a_reset_to_the_start(stage: Stage) -> None:
    """A run that is reset to its first workflow task tells all anew; what was before is marked."""
    handle = await start(
        stage,
        """
ref: anew
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: nap, action: core.sleep, input: {seconds: 10ms}}
  - {name: first, human: {assignee: ada, title: ok}}
  - {name: second, human: {assignee: ada, title: ok}}
""",
    )
    await answer(stage, handle, "first")
    await stage.until(handle, "second", "waiting")
    await reset(stage, handle, FIRST_WORKFLOW_TASK)
    await answer(stage, handle, "first")
    await answer(stage, handle, "second")
    await stage.result(handle)
    again = [("left", 1, "skipped", False)]
    again += [(name, 1, "succeeded", False) for name in ("first", "nap", "second")]
    undone = [
        ("first", 0, "succeeded", True),
        ("left", 0, "skipped", True),
        ("nap", 0, "succeeded", True),
        ("second", 0, "cancelled", True),
    ]
    assert await rows(stage, handle) == sorted([*again, *undone])


async def test_a_reset_of_what_is_being_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was on its way to the ledger when a run was reset gets there, as told by the first."""
    notes, away = System.note_tasks, True

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        if away:
            raise LedgerUnavailable("away for a test")
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    handle = await start(
        stage,
        """
ref: telling
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: ask, human: {assignee: ada, title: ok}}
""",
        task_timeout=timedelta(seconds=3),
    )
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)

    async def second_task() -> int:
        kind = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        found = [
            one.event_id async for one in temporal.fetch_history_events() if one.event_type == kind
        ]
        assert len(found) > 1  # the local activity goes on over workflow tasks
        return found[1]

    await reset(stage, handle, await eventually(second_task))
    away = False
    await answer(stage, handle, "ask")
    await stage.result(handle)
    assert await rows(stage, handle) == [
        ("ask", 0, "cancelled", True),
        ("ask", 1, "succeeded", False),
        ("left", 0, "skipped", False),
    ]


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs try to reach the ledger once, and again half a second later."""
    limits = {
        "_REST": timedelta(seconds=0.5),
        "_PATIENCE": 1,
        "_AGAIN": 1,
    }
    for name, limit in limits.items():
        monkeypatch.setattr(f"flowkeep.workflows.definition_notes.{name}", limit)
    monkeypatch.setattr("flowkeep.recording.activities._PATIENCE_SECONDS", 0.2)


@pytest.mark.parametrize("events", [10_000, 12])
async def test_a_long_outage(stage: Stage, events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on without the ledger, as new too, and tells it everything when it is back."""
    notes, away, tried = System.note_tasks, True, 0

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        nonlocal tried
        if away:
            tried += 1
            raise LedgerUnavailable("away for a test")
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", events)
    impatient(monkeypatch)
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: alone
tasks:
  - {{name: left, action: test.echo, when: "{{{{ false }}}}"}}
  - {{name: nap, action: core.sleep, input: {{seconds: 10ms}}}}
  - {{name: each, action: test.echo, with_items: "{{{{ range(6) | list }}}}", concurrency: 1}}
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
"""
    )
    await stage.begun(name)
    assert tried
    assert (await stage.states(handle)).keys().isdisjoint({"left", "nap"})
    away = False
    await stage.until(handle, "nap", "succeeded")
    actions.release(name)
    await answer(stage, handle, "ask")
    await stage.result(handle)
    found = [row for row in await rows(stage, handle) if not row[0].startswith("each")]
    assert [row[0] for row in found] == ["ask", "hold", "left", "nap"]
    assert {row[1] for row in found if row[0] != "hold"} == {0}
    kinds = await stage.kinds(handle)
    assert kinds.count("task_condition") == kinds.count("question_opened") == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_a_run_ends_without_the_ledger(
    stage: Stage, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that never comes back does not keep a run from ending, nor one that hangs."""

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        raise LedgerUnavailable("away for a test")

    monkeypatch.setattr(System, "note_tasks", note)
    impatient(monkeypatch)
    if not answers:
        monkeypatch.setattr("flowkeep.recording.activities._PATIENCE_SECONDS", 60)
        short = timedelta(seconds=0.2)
        monkeypatch.setattr("flowkeep.workflows.definition_notes._ATTEMPT", short)
    handle = await stage.start(
        """
ref: never
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: last, action: test.echo}
"""
    )
    assert (await stage.ended(handle)).status is RunStatus.SUCCEEDED
    assert await stage.states(handle) == {"last": "succeeded"}


async def test_what_cannot_be_recorded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the ledger refuses keeps neither the run nor other rows from being recorded."""
    notes = System.note_tasks

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        if "bad" in {one.activity_id for one in told.notes}:
            raise InvalidInput("refused for a test")
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    handle = await stage.start(
        """
ref: refused
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: bad, action: test.echo, when: "{{ false }}"}
  - {name: right, action: test.echo, when: "{{ false }}"}
  - {name: ask, human: {assignee: ada, title: ok}}
"""
    )
    await answer(stage, handle, "ask")
    await stage.result(handle)
    states = {"left": "skipped", "right": "skipped", "ask": "succeeded"}
    assert await stage.states(handle) == states


async def test_a_report_that_comes_twice(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report whose answer is lost is made again; its events are there once."""
    notes, lost = System.note_tasks, 0

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        nonlocal lost
        await notes(self, run, told)
        lost += 1
        if lost % 2:
            raise LedgerUnavailable("the answer is lost")

    monkeypatch.setattr(System, "note_tasks", note)
    handle = await stage.start(
        """
ref: repeated
tasks:
  - {name: left, action: test.echo, when: "{{ false }}"}
  - {name: ask, human: {assignee: ada, title: ok}}
"""
    )
    await answer(stage, handle, "ask")
    await stage.result(handle)
    assert lost > 2
    kinds = await stage.kinds(handle)
    for kind in ("task_condition", "question_opened", "question_answered", "waiting", "resumed"):
        assert kinds.count(kind) == 1, kind


async def test_a_child_that_never_began(stage: Stage) -> None:
    """A child that is begun and cancelled at once has a row, which says that it never began."""
    await stage.store("{ref: child, tasks: [{name: only, action: test.echo}]}")
    handle = await stage.start(
        """
ref: parent
tasks:
  - {name: go, action: test.echo, transitions: [{do: [inner, bad]}]}
  - {name: inner, workflow: child}
  - {name: bad, action: test.echo, with_items: "{{ 5 }}"}
"""
    )
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    row = await stage.row(handle, "inner")
    assert (str(row.type), str(row.status), row.started_at) == ("child", "cancelled", None)
    assert row.finished_at is not None
    assert row.external_id is None
