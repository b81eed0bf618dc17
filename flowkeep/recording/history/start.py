"""How an execution began, and whose it is: the same rules as where records are made."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import ContinueAsNewInitiator
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.converter import DataConverter

from flowkeep.contracts import Identity, SegmentKind
from flowkeep.contracts.identity import HEADER, UNCOUNTED
from flowkeep.recording.history.facts import Start
from flowkeep.recording.identity import complete_identity, read_header, run_ref

_BY_INITIATOR = {
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY: SegmentKind.RETRY,
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE: SegmentKind.CRON,
}


async def start_of(
    event: HistoryEvent,
    *,
    namespace: str,
    workflow_id: str,
    temporal_run_id: str,
    converter: DataConverter,
) -> Start:
    """Read the first event of a history.

    Args:
        event: The event `WorkflowExecutionStarted`.
        namespace: Of the execution.
        workflow_id: Of the execution.
        temporal_run_id: Of the execution; the first event of one that a reset made names another.
        converter: Reads the memo.

    Raises:
        ValueError: If it is another event, or what it says of the run means nothing.
    """
    if not event.HasField("workflow_execution_started_event_attributes"):
        raise ValueError("the history does not begin with the start of an execution")
    began = event.workflow_execution_started_event_attributes
    header = read_header(began.header.fields)
    said = header or await _memo(began.memo.fields.get(HEADER), converter)
    identity = complete_identity(
        None if said is None else Identity.from_header(said),
        namespace=namespace,
        workflow_id=workflow_id,
        first_run_id=began.first_execution_run_id or temporal_run_id,
        workflow_type=began.workflow_type.name,
    )
    return Start(
        run=run_ref(
            identity,
            namespace=namespace,
            workflow_id=workflow_id,
            temporal_run_id=temporal_run_id,
            workflow_type=began.workflow_type.name,
            task_queue=began.task_queue.name,
        ),
        kind=_kind(began, temporal_run_id),
        started_at=moment(event.event_time),
        original=began.original_execution_run_id or temporal_run_id,
        counted_before=None if header is None or identity.count == UNCOUNTED else identity.count,
        expires_at=known_moment(began.workflow_execution_expiration_time),
        parent=_parent(began),
    )


def moment(time: Timestamp) -> datetime:
    """Return a time of Temporal's."""
    return time.ToDatetime(tzinfo=UTC)


def known_moment(time: Timestamp) -> datetime | None:
    """Return a time of Temporal's, None where it is not set."""
    return moment(time) if time.seconds > 0 else None


async def _memo(payload: Payload | None, converter: DataConverter) -> dict[str, Any] | None:
    if payload is None:
        return None
    try:
        (value,) = await converter.decode([payload])
    except Exception:  # noqa: BLE001 - a memo of a foreign codec says nothing to us
        return None
    return value if isinstance(value, dict) else None


def _kind(began: WorkflowExecutionStartedEventAttributes, temporal_run_id: str) -> SegmentKind:
    if began.original_execution_run_id not in ("", temporal_run_id):
        return SegmentKind.RESET
    if not began.continued_execution_run_id:
        return SegmentKind.START
    return _BY_INITIATOR.get(began.initiator, SegmentKind.CONTINUE)


def _parent(began: WorkflowExecutionStartedEventAttributes) -> tuple[str, str] | None:
    parent = began.parent_workflow_execution
    return (parent.workflow_id, parent.run_id) if parent.run_id else None
