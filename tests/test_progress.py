"""The progress of a run, computed from rows and pending activities."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from flowkeep.contracts.progress import PendingActivity, compute_progress, measure
from flowkeep.contracts.records import Run
from flowkeep.contracts.status import RunKind, RunStatus, Source, TaskStatus, TaskType
from flowkeep.contracts.tasks import Task

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID = UUID("01980000-0000-7000-8000-000000000001")


def a_run(**changes: Any) -> Run:
    """A running run."""
    empty = dict.fromkeys(Run.model_fields)
    values = {
        "id": RUN_ID,
        "tenant_id": "default",
        "namespace": "default",
        "workflow_id": "w",
        "workflow_type": "Hello",
        "task_queue": "q",
        "kind": RunKind.RUN,
        "labels": {},
        "archived": False,
        "triggered_from": "sdk",
        "status": RunStatus.RUNNING,
        "cancel_requested": False,
        "exceptions_count": 0,
        "revision": 1,
        "created_at": BEGIN - timedelta(seconds=1),
        "started_at": BEGIN,
        "updated_at": BEGIN,
        "start_options": {},
        "start_attempts": 1,
        "state": {},
        "tasks_total": 0,
        "tasks_finished": 0,
        "source": Source.CLIENT,
        "temporal_run_id": "segment-2",
    }
    return Run.model_validate({**empty, **values, **changes})


def a_task(activity_id: str, status: TaskStatus, **changes: Any) -> Task:
    """The newest attempt of a task in the run's open segment."""
    empty = dict.fromkeys(Task.model_fields)
    values = {
        "run_id": RUN_ID,
        "tenant_id": "default",
        "temporal_run_id": "segment-2",
        "activity_id": activity_id,
        "attempt": 1,
        "task_name": f"task-{activity_id}",
        "task_index": -1,
        "type": TaskType.ACTIVITY,
        "status": status,
        "created_at": BEGIN,
        "updated_at": BEGIN,
        "source": Source.WORKER,
        "superseded": False,
    }
    return Task.model_validate({**empty, **values, **changes})


def test_counts_by_status() -> None:
    """Each task is done, failed or running, and their sum is the total."""
    tasks = [
        a_task("1", TaskStatus.SUCCEEDED, output={"rows": 10, "bytes": 100}),
        a_task("2", TaskStatus.SKIPPED),
        a_task("3", TaskStatus.FAILED, attempt=3),
        a_task("4", TaskStatus.RUNNING),
    ]
    progress = compute_progress(a_run(), tasks, [], BEGIN + timedelta(seconds=5))
    assert (progress.tasks_total, progress.tasks_done) == (4, 2)
    assert (progress.tasks_failed, progress.tasks_running) == (1, 1)
    assert (progress.attempts, progress.rows, progress.bytes) == (6, 10, 100)
    assert progress.current == ["task-4"]
    assert (progress.elapsed_seconds, progress.rows_per_second) == (5.0, 2.0)


def test_a_retry_under_way_is_running_not_failed() -> None:
    """A failed attempt whose retry Temporal still has pending counts once, as running."""
    failed = a_task("7", TaskStatus.FAILED, output={"rows": 99})
    retry = PendingActivity("7", "task-7", attempt=2, heartbeat=[{"rows": 4, "bytes": 40}])
    progress = compute_progress(a_run(), [failed], [retry], BEGIN)
    assert (progress.tasks_total, progress.tasks_running, progress.tasks_failed) == (1, 1, 0)
    assert (progress.attempts, progress.rows, progress.bytes) == (2, 4, 40)


@pytest.mark.parametrize(("started", "attempts"), [(True, 3), (False, 2)])
def test_an_attempt_counts_once_it_has_begun(started: bool, attempts: int) -> None:
    """A retry that waits for its time is no attempt yet."""
    waiting = PendingActivity("7", "fetch", attempt=3, started=started)
    progress = compute_progress(a_run(), [], [waiting], BEGIN)
    assert (progress.attempts, progress.tasks_running) == (attempts, 1)


def test_pending_of_another_segment_is_another_task() -> None:
    """An activity id used again after continue-as-new does not reopen the earlier task."""
    earlier = a_task("1", TaskStatus.SUCCEEDED, temporal_run_id="segment-1")
    progress = compute_progress(a_run(), [earlier], [PendingActivity("1", "fetch")], BEGIN)
    assert (progress.tasks_done, progress.tasks_running) == (1, 1)


def test_an_ended_run_has_nothing_pending_and_stops_the_clock() -> None:
    """Pending activities that arrive after the end are ignored; elapsed ends with the run."""
    run = a_run(status=RunStatus.SUCCEEDED, finished_at=BEGIN + timedelta(seconds=2))
    progress = compute_progress(run, [], [PendingActivity("1", "x")], BEGIN + timedelta(days=1))
    assert (progress.tasks_total, progress.elapsed_seconds) == (0, 2.0)


def test_amounts_of_tasks_with_one_name_add_up() -> None:
    """Rows and bytes are told by name, finished and running tasks of a name together."""
    done = a_task("1", TaskStatus.SUCCEEDED, task_name="fetch", output={"rows": 3, "bytes": 30})
    other = a_task("2", TaskStatus.SUCCEEDED, task_name="check", output={"ok": True})
    running = PendingActivity("3", "fetch", heartbeat=[{"rows": 1, "bytes": 10}])
    progress = compute_progress(a_run(), [done, other], [running], BEGIN)
    assert progress.amounts == {"fetch": (4, 40)}
    assert (progress.rows, progress.bytes) == (4, 40)


def test_an_activity_tells_its_last_step() -> None:
    """Steps are no tasks of the run; the one an activity has come to stands behind its name."""
    step = a_task("1/charge#2", TaskStatus.SUCCEEDED, type=TaskType.STEP, output={"rows": 5})
    working = PendingActivity("1", "bill", heartbeat=[{"step": "charge", "ordinal": 2}])
    odd = PendingActivity("2", "other", heartbeat=[{"step": 5}])
    progress = compute_progress(a_run(), [step], [working, odd], BEGIN)
    assert progress.current == ["bill: charge#2", "other"]
    assert (progress.tasks_total, progress.rows) == (2, 0)


def test_superseded_attempts_are_left_out() -> None:
    """What a reset replaced is not counted."""
    gone = a_task("1", TaskStatus.SUCCEEDED, superseded=True, output={"rows": 5})
    assert compute_progress(a_run(), [gone], [], BEGIN).rows == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"rows": 3, "bytes": 30, "parts": [{"rows": 3, "bytes": 30}]}, (3, 30)),
        ([{"rows": 1}, {"bytes": 2}, [{"rows": 4}]], (5, 2)),
        ({"result": {"kinds": {"table": {"rows": 2}, "column": {"rows": 8, "bytes": 9}}}}, (10, 9)),
        ({"rows": True, "bytes": "9"}, (0, 0)),
        ({"rows": -1}, (0, 0)),
        ({"rows": [{"a": 1}]}, (0, 0)),
        ("text", (0, 0)),
        (None, (0, 0)),
    ],
)
def test_measure_finds_rows_and_bytes(value: Any, expected: tuple[int, int]) -> None:
    """An object that reports rows or bytes speaks for everything inside it."""
    assert measure(value) == expected
