"""Attempts written anew from history: its second turn, which reads payloads of these alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent

from flowkeep.contracts import Attempt, ErrorInfo, Source, TaskStatus
from flowkeep.recording.findings import Rebuild
from flowkeep.recording.history.decoding import Decoder
from flowkeep.recording.history.facts import Facts, TaskFacts
from flowkeep.recording.history.local import failed_as, local_activity
from flowkeep.recording.history.start import moment
from flowkeep.statestore.repositories.outcome import RUN_CLOSED

Wanted = Mapping[str, Mapping[int, Rebuild]]
"""By key of the task and number of the attempt, from what it is to be made."""

NOT_REPORTED = ErrorInfo(
    code="ATTEMPT_NOT_REPORTED",
    type="AttemptNotReported",
    message="its worker died before it could report it; Temporal tried again",
)
"""Error of attempts of which only the number is known."""
NOT_ACCEPTED = ErrorInfo(
    code="RESULT_NOT_ACCEPTED",
    type="ResultNotAccepted",
    message="its worker finished it, but Temporal did not take the result and tried again",
)
"""Error of attempts that succeeded in vain."""
_CANCELLED = ErrorInfo(
    code="CANCELLED_ERROR", type="CancelledError", message="cancelled", retryable=False
)


@dataclass(slots=True)
class _Known:
    """What has been read of one task so far."""

    task: TaskFacts
    wanted: Mapping[int, Rebuild]
    columns: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    worker: str | None = None
    before: Failure | None = None


class Rebuilder:
    """Reads the events of one execution once more, in order.

    Args:
        facts: What the first turn found.
        wanted: What is to be rebuilt.
        decoder: Reads payloads and failures.
    """

    def __init__(self, facts: Facts, wanted: Wanted, decoder: Decoder) -> None:
        self._facts = facts
        self._decoder = decoder
        self._known = {
            facts.tasks[key].scheduled_id: _Known(facts.tasks[key], attempts)
            for key, attempts in wanted.items()
        }

    async def read(self, event: HistoryEvent) -> list[Attempt]:
        """Take one event in; returns the attempts of the task that it ended."""
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            known = self._known.get(event.event_id)
            if known is not None:
                await self._schedule(known, event)
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            began = event.activity_task_started_event_attributes
            known = self._known.get(began.scheduled_event_id)
            if known is not None:
                known.started_at, known.worker = moment(event.event_time), began.identity
                known.before = began.last_failure if began.HasField("last_failure") else None
        elif kind == EventType.EVENT_TYPE_MARKER_RECORDED:
            known = self._known.pop(event.event_id, None)
            return [] if known is None else await self._of_marker(known, event)
        elif kind in _ENDS:
            told = getattr(event, _ENDS[kind])
            known = self._known.pop(told.scheduled_event_id, None)
            return [] if known is None else await self._of_end(known, event, told)
        return []

    async def rest(self) -> list[Attempt]:
        """Return the attempts of tasks that no event ended."""
        attempts = []
        for known in self._known.values():
            attempts += await self._attempts(known, ended={}, at=None)
        self._known.clear()
        return attempts

    async def _schedule(self, known: _Known, event: HistoryEvent) -> None:
        told = event.activity_task_scheduled_event_attributes
        known.columns = {
            "input": await self._decoder.value(told.input.payloads),
            "scheduled_at": moment(event.event_time),
            "max_attempts": told.retry_policy.maximum_attempts or None,
            "timeout_seconds": _timeout(told),
        }

    async def _of_end(self, known: _Known, event: HistoryEvent, told: Any) -> list[Attempt]:
        ended: dict[str, Any] = {}
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            ended["output"] = await self._decoder.value(told.result.payloads)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            ended["error"] = _CANCELLED
        else:
            ended["error"] = await self._decoder.error(told.failure)
        return await self._attempts(known, ended, at=moment(event.event_time))

    async def _of_marker(self, known: _Known, event: HistoryEvent) -> list[Attempt]:
        told = event.marker_recorded_event_attributes
        marker = local_activity(told)
        assert marker is not None
        known.columns = {"scheduled_at": marker.scheduled_at}
        ended: dict[str, Any] = {"status": marker.status}
        if marker.status is TaskStatus.SUCCEEDED:
            result = told.details.get("result") or Payloads()
            ended["output"] = await self._decoder.value(result.payloads)
        else:
            ended["error"] = await self._decoder.error(told.failure)
        at = marker.finished_at or moment(event.event_time)
        return await self._attempts(known, ended, at=at)

    async def _attempts(
        self, known: _Known, ended: dict[str, Any], at: datetime | None
    ) -> list[Attempt]:
        attempts = []
        for number, rebuild in known.wanted.items():
            if rebuild is Rebuild.ENDED or (rebuild is Rebuild.CUT_OFF and ended):
                how = self._as_ended(known, ended, at)
            elif rebuild is Rebuild.FAILED_BEFORE and known.before is not None:
                how = {
                    "status": failed_as(known.before),
                    "error": await self._decoder.error(known.before),
                    "finished_at": known.started_at or at,
                }
            else:
                how = self._as_guessed(rebuild, known.started_at or at)
            attempts.append(self._attempt(known, number, how))
        return attempts

    def _as_ended(
        self, known: _Known, ended: dict[str, Any], at: datetime | None
    ) -> dict[str, Any]:
        return {
            "status": known.task.status,
            "started_at": known.started_at,
            "finished_at": at,
            "worker": known.worker,
            **ended,
        }

    def _as_guessed(self, rebuild: Rebuild, at: datetime | None) -> dict[str, Any]:
        """Describe an attempt of which history does not tell how it ended.

        What its worker still reports replaces what is said here, unless Temporal contradicts it.
        """
        if rebuild is Rebuild.REFUSED:
            return {"status": TaskStatus.FAILED, "error": NOT_ACCEPTED, "finished_at": at}
        if rebuild is Rebuild.CUT_OFF:
            closed = self._facts.end.closed_at if self._facts.end else at
            how = {"status": TaskStatus.CANCELLED, "error": RUN_CLOSED, "finished_at": closed}
        else:
            how = {"status": TaskStatus.TIMED_OUT, "error": NOT_REPORTED, "finished_at": at}
        return {**how, "source": Source.WORKER, "recorded_at": self._facts.start.started_at}

    def _attempt(self, known: _Known, number: int, how: dict[str, Any]) -> Attempt:
        now = datetime.now(UTC)
        return Attempt(
            run=self._facts.start.run,
            activity_id=known.task.key,
            attempt=number,
            task_name=known.task.name,
            task_index=known.task.index,
            batch=known.task.batch,
            type=known.task.type,
            **{
                "recorded_at": now,
                "source": Source.SERVER,
                "finished_at": now,
                **known.columns,
                **{name: value for name, value in how.items() if value is not None},
            },
        )


_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


def _timeout(told: ActivityTaskScheduledEventAttributes) -> float | None:
    for timeout in (told.start_to_close_timeout, told.schedule_to_close_timeout):
        seconds = timeout.ToTimedelta().total_seconds()
        if seconds > 0:
            return seconds
    return None
