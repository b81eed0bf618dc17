"""Logs: one handler on the root logger that renders our records and everybody else's alike.

Loggers of this package hand plain records to the standard library, so an application that
configures logging itself just receives them. `configure` is for processes that are ours: it
renders every record as JSON or for a console, with the fields that Temporal's workflow and
activity loggers attach, and with secrets removed. Workflow modules never import this one: in
workflow code `temporalio.workflow.logger` is the logger.
"""

import copy
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from flowkeep.errors import ConfigurationError
from flowkeep.redaction import MASK, redact
from flowkeep.settings import TelemetrySettings

_FIELDS = "flowkeep_fields"
"""Attribute of a log record that holds what our loggers were called with."""

_TEMPORAL_DETAILS = ("temporal_workflow", "temporal_activity")
"""Attributes of a log record that Temporal's loggers set (sdk-python, `LoggerAdapter`)."""

_RENAMED = {"run_id": "temporal_run_id", "workflow_run_id": "temporal_run_id"}
"""What Temporal calls its run id; `run_id` is ours."""

_DROPPED = {"message", "asctime", "taskName", "workflow_info", "activity_info"}
"""Attributes that other formatters leave on a record, or that repeat the named fields whole."""

_CORE_FIELD_LENGTH = 500
"""Longest text of a field of Temporal's core: it prints whole failures, which are logged anyway."""

_KEPT_BY_LOGGING = {"exc_info", "stack_info"}
_DEEPEST = 6


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose calls take fields as keywords.

    Args:
        name: Name of the standard library's logger behind it, usually `__name__`.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_CALL,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def configure(
    settings: TelemetrySettings, *, process: str | None = None, stream: TextIO | None = None
) -> None:
    """Render all log records of this process. Calling it again replaces the earlier set-up.

    Args:
        settings: Format and level.
        process: Name of this process, for example `worker-2`; becomes the field `process`.
        stream: Where lines go; standard error when left out, looked up anew for each record.

    Raises:
        ConfigurationError: If the level is not one of the standard library's.
    """
    level = settings.log_level.upper()
    if level not in logging.getLevelNamesMapping():
        raise ConfigurationError(
            f"FLOWKEEP_LOG_LEVEL: {settings.log_level!r} is no log level",
            hint="use DEBUG, INFO, WARNING, ERROR or CRITICAL",
        )
    handler = Handler(stream)
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and handler.stream.isatty()
    )
    handler.setFormatter(_formatter(handler.stream, process, console=console))
    handler.is_json, handler.process = not console, process
    root = logging.getLogger()
    for other in [known for known in root.handlers if isinstance(known, Handler)]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    # Loggers that users of structlog make in their activities end in the same handler.
    structlog.configure(
        processors=_CALL,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def silence() -> None:
    """Take the handler of `configure` off the root logger again."""
    root = logging.getLogger()
    for handler in [known for known in root.handlers if isinstance(known, Handler)]:
        root.removeHandler(handler)


class Handler(logging.StreamHandler[TextIO]):
    """Our handler; standard error is looked up for each record, because it may be replaced.

    Args:
        stream: Where lines go; standard error when left out.

    Attributes:
        is_json: Whether lines are JSON.
        process: Name of this process.
    """

    is_json = False
    process: str | None = None

    def __init__(self, stream: TextIO | None) -> None:
        self._fixed = stream
        super().__init__(stream)

    def write(self, line: str) -> None:
        """Write a line that is made already."""
        with self.lock or nullcontext():
            self.stream.write(f"{line}{self.terminator}")
            self.flush()

    @property
    def stream(self) -> TextIO:
        """Where lines go."""
        return self._fixed or sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore what the base class sets."""


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Removes the details that Temporal's loggers append to the message as text.

    They are fields already, and a percent sign in a workflow id would break the formatting.
    """

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, str):
            plain = record.msg
            for name in reversed(_TEMPORAL_DETAILS):
                details = getattr(record, name, None)
                if isinstance(details, Mapping):
                    plain = plain.removesuffix(f" ({dict(details)})")
            if plain is not record.msg:
                record = copy.copy(record)
                record.msg = plain
        return super().format(record)


def _formatter(stream: TextIO, process: str | None, *, console: bool) -> logging.Formatter:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if process is not None:
            event["process"] = process
        return event

    shared: list[Processor] = [
        structlog.stdlib.ExtraAdder(),
        _flatten,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _timestamp,
        name_process,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor
    if console:
        # Plain tracebacks: a pretty one imports modules while it renders, and a record may be
        # rendered inside the sandbox of a workflow.
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = structlog.processors.JSONRenderer(serializer=to_json)
    return _Formatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, renderer],
    )


def _call_logging(
    _logger: WrappedLogger, _method: str, event: EventDict
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Turn a call into arguments of the standard library's logger.

    All fields go into one attribute of the record, because `logging` refuses names that it uses
    itself. Positional arguments are left to it too, so a wrong format never breaks the caller.
    """
    message = event.pop("event", "")
    positional = event.pop("positional_args", ())
    arguments = {name: event.pop(name) for name in _KEPT_BY_LOGGING if name in event}
    return (message, *positional), {**arguments, "extra": {_FIELDS: event}}


_CALL: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    _call_logging,
]


def _flatten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Bring the fields of our loggers, of Temporal's and of its core to the top level."""
    for name in _DROPPED:
        event.pop(name, None)
    for attribute in _TEMPORAL_DETAILS:
        details = event.pop(attribute, None)
        if isinstance(details, Mapping):
            _merge(event, details)
    core = getattr(event.pop("temporal_log", None), "fields", {})
    short = {key: _shortened(value) for key, value in core.items()}
    _merge(event, short)
    message = event["event"]
    event.update(event.pop(_FIELDS, {}))
    event["event"] = message
    return event


def _merge(event: EventDict, details: Mapping[Any, Any]) -> None:
    """Add what Temporal says, in our words, where nothing of that name stands yet."""
    for key, value in details.items():
        name = str(key)
        event.setdefault(_RENAMED.get(name, name), value)


def _shortened(value: Any) -> Any:
    # Redacted first: what is cut in two may no longer look like a secret.
    return redact(value)[:_CORE_FIELD_LENGTH] if isinstance(value, str) else value


def _timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Stamp the moment of the call, not of its rendering: ISO 8601, UTC, microseconds."""
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC)
    event["timestamp"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    cleaned: EventDict = _redacted(event, _DEEPEST)
    return cleaned


@lru_cache(maxsize=1024)
def _names_secret(name: str) -> bool:
    """Whether the redaction takes what this name is set to for a secret."""
    return redact(f"{name}=x") != f"{name}=x"


def _redacted(value: Any, depth: int) -> Any:
    """Return plain JSON values without secrets; what is nested too deep becomes text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > 0 and isinstance(value, Mapping):
        return {
            str(key): MASK if _names_secret(str(key)) else _redacted(item, depth - 1)
            for key, item in value.items()
        }
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item, depth - 1) for item in value]
    return redact(str(value))


def to_json(event: EventDict, **_options: Any) -> str:
    """Return a line of JSON."""
    try:
        return orjson.dumps(event).decode()
    except TypeError:  # an integer above 64 bits, or text that is no valid Unicode
        return json.dumps(event)
