"""What histories say, read without a server: the forms that are rare on a real one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from flowkeep.contracts import RunStatus, SegmentKind, Source, TaskStatus, TaskType
from flowkeep.contracts.recorded import AttemptRecord
from flowkeep.recording.history.facts import Facts
from flowkeep.recording.history.start import start_of
from flowkeep.recording.history.tasks import FactReader
from flowkeep.recording.task_findings import compare_tasks

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIMED_OUT = Failure(timeout_failure_info=TimeoutFailureInfo(timeout_type=1))


def event(number: int, kind: str, **attributes: Any) -> HistoryEvent:
    """Make one event of a kind such as `activity_task_started`."""
    at = Timestamp()
    at.FromDatetime(BEGAN + timedelta(seconds=number))
    return HistoryEvent(
        event_id=number,
        event_time=at,
        event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"),  # type: ignore[arg-type]
        **{f"{kind}_event_attributes": attributes},
    )


async def read(*events: tuple[str, dict[str, Any]], **began: Any) -> Facts:
    """Read a history; its first event is added."""
    first = {"workflow_type": {"name": "W"}, "first_execution_run_id": "first", **began}
    start = await start_of(
        event(1, "workflow_execution_started", **first),
        namespace="default",
        workflow_id="w",
        temporal_run_id="own",
        converter=DataConverter.default,
    )
    reader = FactReader(start)
    for number, (kind, attributes) in enumerate(events, start=2):
        reader.read(event(number, kind, **attributes))
    return reader.facts()


def scheduled(activity_id: str = "1") -> tuple[str, dict[str, Any]]:
    """Make the event that schedules an activity."""
    told = {"activity_id": activity_id, "activity_type": {"name": "fetch"}}
    return "activity_task_scheduled", told


def row(attempt: int, status: str, source: Source = Source.WORKER, **kw: Any) -> AttemptRecord:
    """Make what the ledger has of an attempt of activity 1."""
    return AttemptRecord(
        "own",
        "1",
        attempt,
        TaskType.ACTIVITY,
        TaskStatus(status),
        source,
        kw.get("superseded", False),
        kw.get("waits", False),
    )


def found(facts: Facts, *rows: AttemptRecord, **pending: int) -> list[tuple[str, int | None]]:
    """Compare; returns kinds and attempts."""
    return [(str(one.kind), one.attempt) for one in compare_tasks(facts, rows, pending)]


async def test_an_activity_that_expired_between_two_attempts() -> None:
    """Its last attempt began nowhere, so it is the one after those that are recorded."""
    facts = await read(
        scheduled(),
        ("activity_task_timed_out", {"scheduled_event_id": 2, "failure": TIMED_OUT}),
    )
    assert facts.tasks["1"].attempt is None
    assert found(facts) == [("attempt_missing", 1)]
    assert found(facts, row(1, "failed")) == [("attempt_missing", 2)]
    assert found(facts, row(1, "failed"), row(2, "timed_out", Source.SERVER)) == []
    assert found(facts, row(1, "running")) == [("attempt_not_ended", 1), ("attempt_missing", 2)]


async def test_the_failure_before_the_last_attempt() -> None:
    """History tells how the attempt before the last one ended, of earlier ones only that."""
    facts = await read(
        scheduled(),
        (
            "activity_task_started",
            {"scheduled_event_id": 2, "attempt": 3, "last_failure": TIMED_OUT},
        ),
        ("activity_task_completed", {"scheduled_event_id": 2}),
    )
    assert facts.tasks["1"].before is TaskStatus.TIMED_OUT
    good = [row(1, "failed"), row(2, "timed_out"), row(3, "succeeded")]
    assert found(facts, *good) == []
    assert found(facts, good[0], row(2, "failed"), good[2]) == []  # so its worker saw it
    guessed = row(2, "failed", Source.SERVER)
    assert found(facts, good[0], guessed, good[2]) == [("attempt_differs", 2)]
    assert found(facts, *good, row(4, "failed")) == [("attempt_invented", 4)]
    assert found(facts, *good, row(4, "failed", superseded=True)) == []


async def test_open_executions_may_be_ahead_of_a_history() -> None:
    """What the ledger learned after a history was read is no difference."""
    facts = await read(scheduled())
    assert found(facts, row(1, "succeeded"), row(2, "running")) == []
    assert found(facts, row(1, "running"), **{"1": 3}) == [
        ("attempt_not_ended", 1),
        ("attempt_missing", 2),
    ]


async def test_what_an_end_cuts_off() -> None:
    """Of a task that was open at the end of its execution, any end may be recorded."""
    facts = await read(scheduled(), ("workflow_execution_terminated", {"reason": "x"}))
    assert found(facts) == [("attempt_missing", 1)]
    assert found(facts, row(1, "running")) == [("attempt_not_ended", 1)]
    for status in ("cancelled", "failed", "succeeded"):
        assert found(facts, row(1, status)) == []
    assert found(facts, row(1, "failed", waits=True)) == [("attempt_not_ended", 1)]


async def test_a_reset_hands_tasks_on() -> None:
    """What had ended before a reset belongs to the execution that did it, the rest to the new."""
    reset = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    facts = await read(
        scheduled("1"),
        ("activity_task_completed", {"scheduled_event_id": 2}),
        scheduled("2"),
        ("workflow_task_failed", {"cause": reset, "new_run_id": "middle"}),
        ("activity_task_completed", {"scheduled_event_id": 4}),
        scheduled("3"),
        ("workflow_task_failed", {"cause": reset, "new_run_id": "own"}),
        original_execution_run_id="base",
    )
    assert facts.start.kind is SegmentKind.RESET
    owners = {key: task.execution for key, task in facts.tasks.items()}
    assert owners == {"1": "base", "2": "middle", "3": "own"}
    assert [task.key for task in facts.own] == ["3"]


async def test_ids_that_are_used_again() -> None:
    """A second task of one id has a key of its own, in schedule order."""
    facts = await read(
        *[
            part
            for number in (2, 4, 6)
            for part in (
                scheduled("mine"),
                ("activity_task_completed", {"scheduled_event_id": number}),
            )
        ]
    )
    assert list(facts.tasks) == ["mine", "mine~2", "mine~3"]


@pytest.mark.parametrize(
    ("kind", "attributes", "expires", "expected"),
    [
        ("terminated", {"reason": "Workflow history count exceeds limit."}, 0, "history_limit"),
        ("terminated", {"reason": "not needed"}, 0, "terminated"),
        ("timed_out", {}, 2, "execution_timeout"),
        ("timed_out", {}, 900, "run_timeout"),
        ("failed", {"failure": {"activity_failure_info": {}}}, 0, "activity_error"),
        ("failed", {"failure": {"application_failure_info": {}}}, 0, "workflow_error"),
    ],
)
async def test_why_an_execution_ended(
    kind: str, attributes: dict[str, Any], expires: int, expected: str
) -> None:
    """Each way to end without success has its reason."""
    at = Timestamp()
    if expires:
        at.FromDatetime(BEGAN + timedelta(seconds=expires))
    facts = await read(
        (f"workflow_execution_{kind}", attributes), workflow_execution_expiration_time=at
    )
    assert facts.end is not None
    assert facts.end.failure_reason == expected


async def test_a_history_that_makes_no_sense_says_so() -> None:
    """An end of an activity that was never scheduled is no fact."""
    with pytest.raises(ValueError, match="schedule an activity"):
        await read(("activity_task_completed", {"scheduled_event_id": 7}))


async def test_continued_executions_go_on() -> None:
    """An execution that continued as new has not ended its run."""
    facts = await read(
        ("workflow_execution_continued_as_new", {"new_execution_run_id": "next"}),
        continued_execution_run_id="before",
    )
    assert facts.end is not None
    assert (facts.end.status, facts.end.successor) == (RunStatus.RUNNING, "next")
    assert facts.start.kind is SegmentKind.CONTINUE
