"""How far a run is, computed from its ledger rows and from what Temporal says of this moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowkeep.contracts.records import Run
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.contracts.tasks import Task

_FAILED = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED})
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """An activity that Temporal has scheduled and that has not ended.

    Attributes:
        activity_id: Temporal's activity id, the key of the task.
        name: Activity type.
        attempt: The attempt that runs or comes next, from 1.
        started: Whether a worker works on it now; else it waits for a worker or for its retry.
        heartbeat: Details of the last heartbeat, decoded, in the order they were sent.
    """

    activity_id: str
    name: str
    attempt: int = 1
    started: bool = True
    heartbeat: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A snapshot of a run.

    Attributes:
        run: The run as the ledger has it.
        tasks_total: Tasks known so far; more may follow.
        tasks_done: Tasks that succeeded or were skipped.
        tasks_running: Tasks that have not ended.
        tasks_failed: Tasks whose last attempt failed, timed out or was cancelled, with no retry
            under way.
        attempts: Attempts over all tasks.
        rows: Rows that finished tasks reported, plus those of running ones so far.
        bytes: Bytes that finished tasks reported, plus those of running ones so far.
        current: Names of the tasks that have not ended, in alphabetical order; behind that of an
            activity which works in steps the step that it has come to.
        elapsed_seconds: From start (or creation) to end (or now).
        amounts: Rows and bytes by name of the task, over all tasks of that name, for those that
            reported any.
    """

    run: Run
    tasks_total: int = 0
    tasks_done: int = 0
    tasks_running: int = 0
    tasks_failed: int = 0
    attempts: int = 0
    rows: int = 0
    bytes: int = 0
    current: list[str] = field(default_factory=list)
    elapsed_seconds: float = 0.0
    amounts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def rows_per_second(self) -> float:
        """Rows per second over the whole run so far."""
        return self.rows / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Bytes per second over the whole run so far."""
        return self.bytes / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0


def compute_progress(
    run: Run, tasks: Iterable[Task], pending: Iterable[PendingActivity], now: datetime
) -> RunProgress:
    """Compute a snapshot; pure.

    A task that Temporal still has pending counts as running, whatever its last attempt recorded.

    Args:
        run: The run.
        tasks: The newest attempt of each of its tasks.
        pending: Activities of the run's open Temporal execution; empty when it has ended.
        now: The moment of the snapshot, aware.
    """
    open_now = {} if run.status.terminal else {one.activity_id: one for one in pending}
    done = failed = attempts = 0
    running: list[str] = []
    amounts: dict[str, tuple[int, int]] = {}

    def add(name: str, reported: Any) -> None:
        rows, size = measure(reported)
        if rows or size:
            before = amounts.get(name, (0, 0))
            amounts[name] = (before[0] + rows, before[1] + size)

    for task in tasks:
        if task.superseded or task.type is TaskType.STEP:
            continue
        current = None
        if task.temporal_run_id == run.temporal_run_id:
            current = open_now.pop(task.activity_id, None)
        attempts += max(task.attempt, _begun(current))
        if current is not None or not task.status.terminal:
            running.append(_name(task.task_name, current))
            if current is not None:
                add(task.task_name, list(current.heartbeat))
        else:
            failed += task.status in _FAILED
            done += task.status not in _FAILED
            add(task.task_name, task.output)
    for activity in open_now.values():  # no attempt has been recorded yet
        running.append(_name(activity.name, activity))
        attempts += _begun(activity)
        add(activity.name, list(activity.heartbeat))
    begin = run.started_at or run.created_at
    return RunProgress(
        run=run,
        tasks_total=done + failed + len(running),
        tasks_done=done,
        tasks_running=len(running),
        tasks_failed=failed,
        attempts=attempts,
        rows=sum(rows for rows, _ in amounts.values()),
        bytes=sum(size for _, size in amounts.values()),
        current=sorted(running),
        elapsed_seconds=max(0.0, ((run.finished_at or now) - begin).total_seconds()),
        amounts=amounts,
    )


def measure(value: Any) -> tuple[int, int]:
    """Return the rows and bytes that a result or a heartbeat reports.

    An object with an integer `rows` or `bytes` speaks for everything inside it; other objects and
    lists are searched, to a depth of 8.
    """
    return _measure(value, _DEEPEST)


def _measure(value: Any, depth: int) -> tuple[int, int]:
    if depth == 0:
        return 0, 0
    if isinstance(value, dict):
        rows, size = _whole(value.get("rows")), _whole(value.get("bytes"))
        if rows is not None or size is not None:
            return rows or 0, size or 0
        value = list(value.values())
    if not isinstance(value, list):
        return 0, 0
    inner = [_measure(item, depth - 1) for item in value]
    return sum(rows for rows, _ in inner), sum(size for _, size in inner)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _name(name: str, activity: PendingActivity | None) -> str:
    """Return an activity's name and, where its heartbeat tells it, the last step's."""
    step = _last_step(() if activity is None else activity.heartbeat)
    return name if step is None else f"{name}: {step}"


def _last_step(heartbeat: Sequence[Any]) -> str | None:
    """Return the name and the place of the step that a heartbeat tells of, if it tells of one."""
    told = heartbeat[0] if heartbeat and isinstance(heartbeat[0], dict) else {}
    name, ordinal = told.get("step"), told.get("ordinal")
    return f"{name}#{ordinal}" if isinstance(name, str) and isinstance(ordinal, int) else None


def _begun(activity: PendingActivity | None) -> int:
    """Attempts of a pending activity that have begun; one that waits for its retry has not."""
    if activity is None:
        return 0
    return activity.attempt if activity.started else activity.attempt - 1
