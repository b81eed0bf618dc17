"""Local activities: one marker each, written by the SDK's core when it has ended.

Its details hold the core's own data as JSON, and the result; a failure lies beside them.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import MarkerRecordedEventAttributes

from flowkeep.contracts import TaskStatus

_NAME = "core_local_activity"


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says.

    Attributes:
        attempt: Number of the last attempt.
        goes_on: Whether it is tried again after a timer, because its back-off is long.
        scheduled_at: When the first attempt was scheduled, the same in every marker of a task.
    """

    activity_id: str
    name: str
    attempt: int
    status: TaskStatus
    goes_on: bool
    scheduled_at: datetime | None
    finished_at: datetime | None


def local_activity(told: MarkerRecordedEventAttributes) -> Marker | None:
    """Read the marker of a local activity; None for any other marker.

    Raises:
        ValueError: If the core's data has another form than it used to.
    """
    if told.marker_name != _NAME:
        return None
    try:
        data = json.loads(told.details["data"].payloads[0].data)
        return Marker(
            activity_id=str(data["activity_id"]),
            name=str(data["activity_type"]),
            attempt=int(data["attempt"]),
            status=failed_as(told.failure) if told.HasField("failure") else TaskStatus.SUCCEEDED,
            goes_on=data.get("backoff") is not None,
            scheduled_at=_time(data.get("original_schedule_time")),
            finished_at=_time(data.get("complete_time")),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"the marker of a local activity has another form: {error!r}") from error


def failed_as(failure: Failure) -> TaskStatus:
    """Return the status of an attempt that ended with a failure."""
    if failure.HasField("timeout_failure_info"):
        return TaskStatus.TIMED_OUT
    if failure.HasField("canceled_failure_info"):
        return TaskStatus.CANCELLED
    return TaskStatus.FAILED


def _time(data: Any) -> datetime | None:
    if not data:
        return None
    whole = datetime.fromtimestamp(data["seconds"], UTC)
    return whole + timedelta(microseconds=data["nanos"] // 1000)
