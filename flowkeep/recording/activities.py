"""Flowkeep's own local activities: how workflow code reaches the recorder."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from temporalio import activity

from flowkeep.contracts import PauseRequest, RunRef, SegmentClose
from flowkeep.contracts.identity import RECORD_CLOSE, RECORD_PAUSE
from flowkeep.recording.recorder import Recorder
from flowkeep.recording.workflow_interceptor import CLOSE_TIMEOUT

_close = TypeAdapter(SegmentClose)
_run_ref = TypeAdapter(RunRef)

_PATIENCE_SECONDS = CLOSE_TIMEOUT.total_seconds() - 0.5


def record_activities(recorder: Callable[[], Recorder | None]) -> Sequence[Callable[..., Any]]:
    """Make the record activities of one plugin.

    Args:
        recorder: Returns the recorder while a worker runs.
    """

    @activity.defn(name=RECORD_CLOSE)
    async def record_close(close: dict[str, Any]) -> None:
        """Record how an execution ended; what cannot be recorded now is found again later."""
        writer = recorder()
        if writer is not None:
            await writer.close_segment(_close.validate_python(close), _PATIENCE_SECONDS)

    @activity.defn(name=RECORD_PAUSE)
    async def record_pause(run: dict[str, Any], request: dict[str, Any]) -> None:
        """Record that a run paused or resumed."""
        writer = recorder()
        if writer is not None:
            await writer.set_paused(
                _run_ref.validate_python(run),
                PauseRequest.model_validate(request),
                _PATIENCE_SECONDS,
            )

    return (record_close, record_pause)
