"""What a comparison finds, and whether an execution ended as the ledger says."""

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from flowkeep.contracts import RunStatus
from flowkeep.contracts.recorded import AttemptRecord, ExecutionRecord, RunRecord, SegmentRecord
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.recording.history.facts import End, Facts
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.payloads import pack

MISSING = frozenset({DifferenceKind.RUN_MISSING, DifferenceKind.SEGMENT_MISSING})
"""Differences besides which those of attempts say nothing of their own."""


class Rebuild(Enum):
    """From what an attempt is made that the ledger lacks or has wrong."""

    ENDED = auto()
    """From the event that ended its task."""
    FAILED_BEFORE = auto()
    """From the failure that the event of the next attempt's start tells."""
    UNREPORTED = auto()
    """From nothing but the next attempt's existence: its worker died with it."""
    REFUSED = auto()
    """The worker says that it succeeded; Temporal did not take its result and tried again."""
    CUT_OFF = auto()
    """Its execution ended before it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, in the words of `Difference`, and what mends it.

    Attributes:
        rebuild: How the attempt is written anew; None where nothing is to be written.
        record: The attempt as the ledger has it.
    """

    kind: DifferenceKind
    ledger: str | None = None
    temporal: str | None = None
    activity_id: str | None = None
    attempt: int | None = None
    temporal_run_id: str | None = None
    rebuild: Rebuild | None = None
    record: AttemptRecord | None = None


def compare_execution(facts: Facts, recorded: ExecutionRecord) -> list[Finding]:
    """Compare whether an execution is known, whether it ended, and how.

    Args:
        facts: What Temporal says.
        recorded: What the ledger says.
    """
    run, segment, end = recorded.run, recorded.segment, facts.end
    meant = "open" if end is None else _meant(end)
    if run is None or segment is None:
        kind = DifferenceKind.RUN_MISSING if run is None else DifferenceKind.SEGMENT_MISSING
        return [Finding(kind, temporal=meant)]
    if end is not None:
        found = _of_end(end, recorded)
        return [] if found is None else [Finding(found, _told(run, segment), meant)]
    if segment.closed_at is None and not (recorded.newest and run.status.terminal):
        return []
    return [Finding(DifferenceKind.ENDED_TOO_EARLY, _told(run, segment), meant)]


def _of_end(end: End, recorded: ExecutionRecord) -> DifferenceKind | None:
    run, segment = recorded.run, recorded.segment
    assert run is not None
    assert segment is not None
    last = recorded.newest and end.successor is None
    if segment.closed_at is None or (last and not run.status.terminal):
        return DifferenceKind.NOT_ENDED
    if segment.status is not end.status or (last and run.status is not end.status):
        return DifferenceKind.STATUS_DIFFERS
    told: list[RunRecord | SegmentRecord] = [segment, run] if last else [segment]
    if any(one.failure_reason != end.failure_reason for one in told):
        return DifferenceKind.OUTCOME_DIFFERS
    if end.error is not None and not all(one.has_error for one in told):
        return DifferenceKind.OUTCOME_DIFFERS
    if last and not _same_outputs(end, run):
        return DifferenceKind.OUTCOME_DIFFERS
    return None


def _same_outputs(end: End, run: RunRecord) -> bool:
    if not run.has_outputs or end.outputs is None:
        return run.has_outputs == (end.outputs is not None)
    # A value that lies apart is known by its hash, and one that could not be read by nothing.
    if run.outputs is None or is_unread(end.outputs) or is_unread(run.outputs):
        return True
    if _is_digest(run.outputs) or _is_digest(end.outputs):
        both = _is_digest(run.outputs) and _is_digest(end.outputs)
        return not both or run.outputs["sha256"] == end.outputs["sha256"]
    packed = pack(end.outputs)
    return packed is None or _as_kept(packed.data) == _as_kept(json.dumps(run.outputs).encode())


def _as_kept(document: bytes) -> Any:
    """Return a value as a row keeps it: without NUL, and with numbers in any notation."""
    return json.loads(encoding.without_nul(document), parse_int=float)


def _is_digest(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"size", "sha256", "type"}


def is_unread(value: Any) -> bool:
    """Tell whether a value stands for one that could not be read."""
    return isinstance(value, dict) and "not_recorded" in value


def _told(run: RunRecord, segment: SegmentRecord) -> str:
    closed = "" if segment.closed_at is None else " and closed"
    words = f"execution {segment.status}{closed}, run {run.status}"
    return f"{words} ({segment.failure_reason})" if segment.failure_reason else words


def _meant(end: End) -> str:
    words = "continued as new" if end.status is RunStatus.RUNNING else str(end.status)
    words += f" ({end.failure_reason})" if end.failure_reason else ""
    return words if end.successor is None else f"{words}, goes on in {end.successor}"
