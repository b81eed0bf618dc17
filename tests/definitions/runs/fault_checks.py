"""Holds the rows of runs of definitions against what they must be, and against the witnesses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from flowkeep.contracts import EventKind, Run, RunStatus, Task, TaskStatus, TaskType
from tests.definitions.runs import faulted
from tests.definitions.runs.support import Stage
from tests.faults.comparison import NOT_REPORTED
from tests.faults.witness import Line

CLOCK_SECONDS = 0.01
"""How far two processes of one machine may read its clock apart."""

Witnessed = Mapping[tuple[str, str, int], list[Line]]
"""What actions wrote of their attempts, by execution, activity id and attempt."""


async def check_run(stage: Stage, run_id: UUID, lines: Witnessed) -> None:
    """Check every row, list and event of a run that has ended, and of its children."""
    run = await stage.client.store.runs.get(stage.tenant, run_id)
    _check_ended(run)
    assert run.outputs == faulted.RESULT
    attempts = await _check_rows(stage, run, faulted.ENDS, lines)
    assert [one.status for one in attempts["broken"]][:-1] == [TaskStatus.FAILED]
    assert len(attempts["falter"]) >= 3
    found = await stage.client.store.tasks.names_by_state(stage.tenant, run_id)
    assert faulted.as_sets(found) == faulted.AT_THE_END
    await _check_events(stage, run_id)
    for number in range(2):
        [row] = attempts[f"inner[{number}]"]
        assert row.child_run_id is not None
        child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
        _check_ended(child)
        assert (child.workflow_id, child.parent_run_id) == (row.external_id, run_id)
        assert row.output == child.outputs == {"sum": faulted.RESULT["inner"][number]}
        # The row begins by the workflow's clock, which runs ahead of the server's after a local
        # activity that took long, so the two beginnings are not compared.
        _in_order(child.workflow_id, child.started_at, child.finished_at, row.finished_at)
        _in_order(child.workflow_id, row.scheduled_at, row.started_at, row.finished_at)
        await _check_rows(stage, child, faulted.CHILD_ENDS, lines)


def _check_ended(run: Run) -> None:
    assert (run.status, run.wait, run.error) == (RunStatus.SUCCEEDED, None, None)
    assert run.failure_reason is None
    assert not run.cancel_requested
    _in_order(run.workflow_id, run.created_at, run.started_at, run.finished_at)


async def _check_rows(
    stage: Stage, run: Run, ends: Mapping[str, TaskStatus], lines: Witnessed
) -> dict[str, list[Task]]:
    """Each task has attempts 1 to n, and ended as it must; returns them by activity id."""
    check_counters(run, await stage.attempts(run.id))
    attempts: dict[str, list[Task]] = defaultdict(list)
    for row in await stage.rows(run.id):
        attempts[row.activity_id].append(row)
    assert set(attempts) == set(ends)
    for name, found in attempts.items():
        assert [one.attempt for one in found] == list(range(1, len(found) + 1)), name
        ended = [one.status for one in found]
        last_may = {ends[name]}
        if name == "broken":  # who dies with its last attempt has run out of time
            last_may.add(TaskStatus.TIMED_OUT)
        assert ended[-1] in last_may, (name, ended)
        assert TaskStatus.SUCCEEDED not in ended[:-1], (name, ended)
        kind = faulted.TYPES.get(name, TaskType.ACTIVITY)
        for one in found:
            _check_row(one, kind, run, lines)
        _in_order(name, *(one.started_at for one in found))
    return attempts


def check_counters(run: Run, attempts: Sequence[Task]) -> None:
    """A run that has ended counts all of its attempts, those that load it too.

    Who loads while the ledger is away fails; what is marked as undone counts for nothing.
    """
    counting = [one for one in attempts if not one.superseded]
    tasks = {(one.temporal_run_id, one.activity_id) for one in counting}
    failed = [one for one in counting if one.status in (TaskStatus.FAILED, TaskStatus.TIMED_OUT)]
    stored = (run.tasks_total, run.tasks_finished, run.exceptions_count)
    told = [f"{one.task_name} {one.ref} {one.status} {one.source}" for one in attempts]
    assert stored == (len(tasks), len(tasks), len(failed)), told


def _check_row(row: Task, kind: TaskType, run: Run, lines: Witnessed) -> None:
    """Status, flags and times of one attempt fit each other and what its action saw."""
    label = f"{row.activity_id} attempt {row.attempt}: {row.status} {row.error}"
    assert row.finished_at is not None, label
    assert row.next_retry_at is None, label
    assert not row.superseded, label
    assert row.scheduled_at is not None, label
    assert run.started_at is not None, label
    assert run.finished_at is not None, label
    assert (row.error is None) == (row.status in (TaskStatus.SUCCEEDED, TaskStatus.SKIPPED)), label
    times = (row.scheduled_at, row.started_at, row.finished_at)
    _in_order(label, run.created_at, run.started_at, *times, run.finished_at)
    if row.status is TaskStatus.SKIPPED:
        assert row.started_at is None, label
        return
    assert row.type is kind, label
    if kind is TaskType.ACTIVITY:
        _check_witnessed(row, lines.get((row.temporal_run_id, row.activity_id, row.attempt), []))
        return
    assert row.attempt == 1, label
    assert row.started_at is not None, label
    if kind is TaskType.TIMER or row.status is TaskStatus.TIMED_OUT:
        assert row.deadline_at is not None, label
        _in_order(label, row.started_at, row.deadline_at, row.finished_at)
    if row.activity_id in ("nap", "late"):
        seconds = faulted.NAP_SECONDS if row.activity_id == "nap" else faulted.DEADLINE_SECONDS
        assert row.deadline_at is not None
        assert (row.deadline_at - row.started_at).total_seconds() == seconds


def _check_witnessed(row: Task, lines: list[Line]) -> None:
    """The action itself saw the attempt begin and end within the times of its row."""
    label = f"{row.activity_id} attempt {row.attempt}: {row.status}, {lines}"
    events = {line.event for line in lines}
    assert row.finished_at is not None, label
    if row.status is TaskStatus.SUCCEEDED:
        assert events == {"begin", "returned"}, label
    if row.error is not None and row.error.code == "FALTERED":
        assert events == {"begin", "raised"}, label
    if row.error is not None and row.error.code == NOT_REPORTED:
        return  # nobody was left to tell its times
    for line in lines:
        if row.started_at is not None:
            assert row.started_at.timestamp() <= line.at + CLOCK_SECONDS, label
        if row.status in (TaskStatus.SUCCEEDED, TaskStatus.FAILED):
            assert line.at <= row.finished_at.timestamp() + CLOCK_SECONDS, label


async def _check_events(stage: Stage, run_id: UUID) -> None:
    """What became of questions is told once; the run waited, and went on."""
    found = await stage.client.store.runs.list_events(stage.tenant, run_id)
    told: dict[str, list[str]] = defaultdict(list)
    for event in found:
        told[str(event.kind)].append(str(event.payload.get("task")))
    for kind, tasks in faulted.EVENTS.items():
        assert sorted(told[kind]) == tasks, kind
    assert len(told[str(EventKind.WAITING)]) == len(told[str(EventKind.RESUMED)]) > 0
    assert len(told[str(EventKind.SUCCEEDED)]) == 1


def _in_order(label: str, *times: datetime | None) -> None:
    known = [one for one in times if one is not None]
    assert known == sorted(known), (label, [str(one) for one in times])
