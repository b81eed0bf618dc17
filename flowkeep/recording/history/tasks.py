"""Every task of a history in a few words, read event by event; payloads are passed over."""

from datetime import datetime

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.contracts.identity import MAP_CHUNK_TYPE, RECORD_ACTIVITIES
from flowkeep.contracts.named_tasks import NamedTask
from flowkeep.recording.history.end import end_of
from flowkeep.recording.history.facts import End, Facts, Start, TaskFacts
from flowkeep.recording.history.local import Marker, failed_as, local_activity
from flowkeep.recording.identity import read_header

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


class FactReader:
    """Reads the events of one execution, in order.

    Args:
        start: How it began.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._end: End | None = None
        self._tasks: dict[str, TaskFacts] = {}
        self._scheduled: dict[int, TaskFacts] = {}
        self._execution = start.original
        self._flowkeep = start.run.workflow_type == MAP_CHUNK_TYPE
        self._turns: dict[str, int] = {}
        self._waiting: dict[tuple[str, datetime | None], TaskFacts] = {}

    def read(self, event: HistoryEvent) -> None:
        """Take one event in.

        Raises:
            ValueError: If it does not fit those before it.
        """
        reader = _READERS.get(event.event_type)
        if reader is not None:
            reader(self, event)
        elif self._end is None:
            self._end = end_of(event, expires_at=self._start.expires_at)

    def facts(self) -> Facts:
        """Return what was read; what has not ended belongs to the execution's own part."""
        own = self._start.run.temporal_run_id
        for task in self._tasks.values():
            if task.status is None:
                task.execution = own
        return Facts(start=self._start, end=self._end, tasks=self._tasks, flowkeep=self._flowkeep)

    def _schedule(self, event: HistoryEvent) -> None:
        told = event.activity_task_scheduled_event_attributes
        header = read_header(told.header.fields) or {}
        self._flowkeep = self._flowkeep or header.get("flowkeep") is True
        named = NamedTask.from_header(header.get("task")) or NamedTask(told.activity_type.name)
        task = TaskFacts(
            key=self._free(told.activity_id, header.get("task_key")),
            activity_id=told.activity_id,
            name=named.name,
            index=named.index,
            batch=named.batch,
            type=TaskType.ACTIVITY,
            scheduled_id=event.event_id,
            execution=self._execution,
        )
        self._tasks[task.key] = self._scheduled[event.event_id] = task

    def _begin(self, event: HistoryEvent) -> None:
        told = event.activity_task_started_event_attributes
        task = self._of(told.scheduled_event_id)
        task.attempt = told.attempt
        if told.attempt > 1 and told.HasField("last_failure"):
            task.before = failed_as(told.last_failure)

    def _complete(self, event: HistoryEvent) -> None:
        told = event.activity_task_completed_event_attributes
        self._finish(told.scheduled_event_id, TaskStatus.SUCCEEDED)

    def _fail(self, event: HistoryEvent) -> None:
        told = event.activity_task_failed_event_attributes
        self._finish(told.scheduled_event_id, TaskStatus.FAILED)

    def _time_out(self, event: HistoryEvent) -> None:
        told = event.activity_task_timed_out_event_attributes
        self._finish(told.scheduled_event_id, TaskStatus.TIMED_OUT)

    def _cancel(self, event: HistoryEvent) -> None:
        told = event.activity_task_canceled_event_attributes
        self._finish(told.scheduled_event_id, TaskStatus.CANCELLED)

    def _finish(self, scheduled_id: int, status: TaskStatus) -> None:
        task = self._of(scheduled_id)
        task.status = status
        task.execution = self._execution

    def _of(self, scheduled_id: int) -> TaskFacts:
        task = self._scheduled.get(scheduled_id)
        if task is None:
            raise ValueError(f"event {scheduled_id} was to schedule an activity and did not")
        return task

    def _mark(self, event: HistoryEvent) -> None:
        marker = local_activity(event.marker_recorded_event_attributes)
        if marker is None or marker.name in RECORD_ACTIVITIES:
            return
        task = self._local(marker)
        task.scheduled_id = event.event_id
        task.execution = self._execution
        task.attempt = marker.attempt
        task.status = None if marker.goes_on else marker.status
        task.goes_on = marker.goes_on
        if marker.goes_on:
            self._waiting[marker.name, marker.scheduled_at] = task

    def _local(self, marker: Marker) -> TaskFacts:
        """Return the task of a marker: a new one, or the one that goes on after its back-off."""
        waiting = self._waiting.pop((marker.name, marker.scheduled_at), None)
        if waiting is not None and waiting.activity_id == marker.activity_id:
            return waiting
        task = TaskFacts(
            key=self._free(marker.activity_id),
            activity_id=marker.activity_id,
            name=marker.name,
            type=TaskType.LOCAL_ACTIVITY,
            scheduled_id=0,
            execution=self._execution,
        )
        if waiting is not None and waiting.attempt is not None:
            waiting.status, waiting.goes_on = TaskStatus.FAILED, False
            task.first = waiting.attempt + 1
        self._tasks[task.key] = task
        return task

    def _free(self, activity_id: str, said: str | None = None) -> str:
        """Return the key of a task that is scheduled now; a header says it where there is one."""
        turn = self._turns[activity_id] = self._turns.get(activity_id, 0) + 1
        key = said or (activity_id if turn == 1 else f"{activity_id}~{turn}")
        while key in self._tasks:
            turn += 1
            key = f"{activity_id}~{turn}"
        return key

    def _fail_workflow_task(self, event: HistoryEvent) -> None:
        told = event.workflow_task_failed_event_attributes
        if told.cause == _RESET and told.new_run_id:
            self._execution = told.new_run_id


_READERS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: FactReader._schedule,  # noqa: SLF001
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: FactReader._begin,  # noqa: SLF001
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: FactReader._complete,  # noqa: SLF001
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: FactReader._fail,  # noqa: SLF001
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: FactReader._time_out,  # noqa: SLF001
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: FactReader._cancel,  # noqa: SLF001
    EventType.EVENT_TYPE_MARKER_RECORDED: FactReader._mark,  # noqa: SLF001
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: FactReader._fail_workflow_task,  # noqa: SLF001
}
