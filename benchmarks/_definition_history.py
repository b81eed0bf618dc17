"""What runs leave in Temporal's history."""

from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

_LOST = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The histories of all executions of a run, its children's included.

    Attributes:
        segments: How many executions the run itself took, one after the other.
        executions: The same with its children's.
        events: Of all of them.
        size: Bytes of these events as Temporal sends them.
        most_events: Of one execution.
        most_bytes: Of one execution.
        turns: Workflow tasks that were completed.
        lost: Workflow tasks that failed or timed out; what was done in one is done again.
    """

    segments: int
    executions: int
    events: int
    size: int
    most_events: int
    most_bytes: int
    turns: int
    lost: int


async def trace(client: Client, workflow_id: str, run_id: str | None) -> Trace:
    """Read the histories of a run that has ended.

    Args:
        client: Temporal's client.
        workflow_id: Of the run.
        run_id: Of its first execution.
    """
    found: list[tuple[int, int]] = []
    segments = turns = lost = 0
    waiting = [(workflow_id, run_id)]
    while waiting:
        name, execution = waiting.pop()
        handle = client.get_workflow_handle(name, run_id=execution)
        events = size = 0
        async for event in handle.fetch_history_events():
            events += 1
            size += event.ByteSize()
            turns += event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            lost += event.event_type in _LOST
            if event.HasField("child_workflow_execution_started_event_attributes"):
                child = event.child_workflow_execution_started_event_attributes.workflow_execution
                waiting.append((child.workflow_id, child.run_id))
            elif event.HasField("workflow_execution_continued_as_new_event_attributes"):
                after = event.workflow_execution_continued_as_new_event_attributes
                waiting.append((name, after.new_execution_run_id))
        segments += name == workflow_id
        found.append((events, size))
    return Trace(
        segments=segments,
        executions=len(found),
        events=sum(events for events, _ in found),
        size=sum(size for _, size in found),
        most_events=max(events for events, _ in found),
        most_bytes=max(size for _, size in found),
        turns=turns,
        lost=lost,
    )
