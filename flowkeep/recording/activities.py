"""Flowkeep's own local activity: how workflow code reaches the recorder and waits for it."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from temporalio import activity

from flowkeep.contracts import PauseRequest, RunRef
from flowkeep.contracts.identity import RECORD_PAUSE, RECORD_TASKS
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import LedgerUnavailable
from flowkeep.recording.capture import MESSAGE_BYTES, Payloads, capture, clip
from flowkeep.recording.recorder import Recorder
from flowkeep.redaction import redact
from flowkeep.settings import RecorderSettings

_run_ref = TypeAdapter(RunRef)

_PATIENCE_SECONDS = 4.5
"""Below the five seconds that workflow code gives a pause to be recorded."""


def record_activities(
    recorder: Callable[[], Recorder | None], settings: Callable[[], RecorderSettings]
) -> Sequence[Callable[..., Any]]:
    """Make the record activities of one plugin.

    Args:
        recorder: Returns the recorder while a worker runs.
        settings: Returns how much is kept of values.
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

    @activity.defn(name=RECORD_TASKS)
    async def record_tasks(run: dict[str, Any], told: dict[str, Any]) -> None:
        """Record tasks that no activity carries out; workflow code tries again when it fails."""
        writer = recorder()
        if writer is None:
            return
        ref, notes = _run_ref.validate_python(run), _kept(told, settings())
        if not await writer.note_tasks(ref, notes, _PATIENCE_SECONDS):
            raise LedgerUnavailable("tasks that a workflow told of could not be recorded")

    return record_pause, record_tasks


def _kept(told: dict[str, Any], settings: RecorderSettings) -> TaskNotes:
    """Return what the ledger keeps of notes: values and errors with their secrets masked."""
    payloads: Payloads = "full" if settings.payloads == "digest" else settings.payloads
    notes = TaskNotes.model_validate(told)
    kept = []
    for one in notes.notes:
        shown = {
            name: capture(getattr(one, name), payloads, settings.payload_bytes)
            for name in ("input", "output")
        }
        if one.error is not None:
            message = clip(redact(one.error.message), MESSAGE_BYTES)
            shown["error"] = one.error.model_copy(update={"message": message})
        kept.append(one.model_copy(update=shown))
    return notes.model_copy(update={"notes": kept})
