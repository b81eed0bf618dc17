"""Markers of local activities, as the SDK's core writes them."""

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo
from temporalio.api.history.v1 import MarkerRecordedEventAttributes

from flowkeep.contracts import TaskStatus
from flowkeep.recording.history.local import local_activity


def marker(name: str = "core_local_activity", **data: Any) -> MarkerRecordedEventAttributes:
    """Make a marker."""
    payload = Payload(data=json.dumps(data).encode())
    return MarkerRecordedEventAttributes(
        marker_name=name, details={"data": Payloads(payloads=[payload])}
    )


def test_other_markers_are_none_of_them() -> None:
    """Markers of patches and versions are no local activities."""
    assert local_activity(marker("core_patch")) is None


def test_a_back_off_goes_on() -> None:
    """A marker with a back-off ends an attempt, not the activity."""
    told = marker(activity_id="L1", activity_type="fetch", attempt=2, backoff={"seconds": 1})
    told.failure.CopyFrom(Failure(timeout_failure_info=TimeoutFailureInfo()))
    found = local_activity(told)
    assert found is not None
    assert (found.attempt, found.status, found.goes_on) == (2, TaskStatus.TIMED_OUT, True)


@pytest.mark.parametrize("data", [{}, {"activity_id": "L1", "activity_type": "f", "attempt": "x"}])
def test_another_form_is_said_to_be_one(data: dict[str, Any]) -> None:
    """A core that writes something else is noticed instead of guessed at."""
    with pytest.raises(ValueError, match="another form"):
        local_activity(marker(**data))
