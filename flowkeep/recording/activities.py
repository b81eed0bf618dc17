"""Flowkeep's own local activity: how workflow code reaches the recorder and waits for it."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from temporalio import activity

from flowkeep.contracts import PauseRequest, RunRef
from flowkeep.contracts.identity import RECORD_PAUSE
from flowkeep.recording.recorder import Recorder

_run_ref = TypeAdapter(RunRef)

_PATIENCE_SECONDS = 4.5
"""Below the five seconds that workflow code gives a pause to be recorded."""


def record_activities(recorder: Callable[[], Recorder | None]) -> Sequence[Callable[..., Any]]:
    """Make the record activities of one plugin.

    Args:
        recorder: Returns the recorder while a worker runs.
    """

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

    return (record_pause,)
