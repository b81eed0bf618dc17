"""From log records to the lines that are kept."""

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flowkeep.contracts.task_logs import NewLogLine
from flowkeep.recording.capture import clip
from flowkeep.redaction import MASK, names_secret, redact
from flowkeep.statestore import encoding

if TYPE_CHECKING:
    from flowkeep.recording.current import CurrentAttempt

_DETAILS = "temporal_activity"
"""Attribute of a record that Temporal's activity logger sets; it appends the same as text."""
_OURS = "flowkeep_fields"
"""Attribute of a record that holds what `flowkeep.telemetry.get_logger`'s loggers were given."""
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "activity_info",
    _DETAILS,
    _OURS,
}
_DEEPEST = 6


def line_of(record: logging.LogRecord, attempt: "CurrentAttempt", most_bytes: int) -> NewLogLine:
    """Return what is kept of a record: plain, without secrets, and no longer than allowed.

    Args:
        record: What was logged.
        attempt: By whose code.
        most_bytes: Of the message, and of the fields.
    """
    given = {name: value for name, value in vars(record).items() if name not in _USUAL}
    given |= getattr(record, _OURS, {})
    if record.exc_info and record.exc_info[0] is not None:
        text = "".join(traceback.format_exception(*record.exc_info))
        given["exception"] = clip(redact(text), most_bytes // 2, tail=True)
    return new_line(
        attempt,
        datetime.fromtimestamp(record.created, UTC),
        record.levelno,
        record.name,
        clip(redact(_message(record)), most_bytes),
        _fields(given, most_bytes),
    )


def new_line(
    attempt: "CurrentAttempt",
    at: datetime,
    level: int,
    logger: str,
    message: str,
    fields: dict[str, Any] | None,
) -> NewLogLine:
    """Return a line of an attempt; the message and the fields are as they are to be kept."""
    ref = attempt.run.ref
    return NewLogLine(
        run_id=ref.run_id,
        tenant_id=ref.tenant_id,
        temporal_run_id=ref.temporal_run_id,
        activity_id=attempt.key,
        attempt=attempt.info.attempt,
        at=at,
        level=min(max(level, 0), 1000),
        logger=logger[:200],
        message=message,
        fields=fields,
    )


def _message(record: logging.LogRecord) -> str:
    message = str(record.msg)
    details = getattr(record, _DETAILS, None)
    if isinstance(details, Mapping):
        message = message.removesuffix(f" ({dict(details)})")
    try:
        return message % record.args if record.args else message
    except (TypeError, ValueError, KeyError):  # `logging` tells whoever wrote the line
        return message


def _fields(given: Mapping[str, Any], most_bytes: int) -> dict[str, Any] | None:
    if not given:
        return None
    kept: dict[str, Any] = encoding.storable(_plain(given, _DEEPEST))
    size = len(encoding.lenient(kept))
    return kept if size <= most_bytes else {"not_kept": f"{len(given)} fields of {size} bytes"}


def _plain(value: Any, depth: int) -> Any:
    """Return plain JSON values without secrets; what is nested too deep becomes text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > 0 and isinstance(value, Mapping):
        return {
            str(key): MASK if names_secret(key) else _plain(item, depth - 1)
            for key, item in value.items()
        }
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    return redact(str(value))
