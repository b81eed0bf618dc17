"""Lines that a process writes all the time, past the machinery that other records go through."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from flowkeep.redaction import redact
from flowkeep.telemetry.logs import Handler, get_logger, to_json


class Lines:
    """Writes lines of one logger at level INFO.

    Where our handler is the only one that would get a record, and writes JSON, the line is made
    at once; it is the same line. Everywhere else there is a record as of any other logger.

    Args:
        name: Name of the logger.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._plain = logging.getLogger(name)
        self._log = get_logger(name)

    @property
    def wanted(self) -> bool:
        """Whether anybody wants the lines."""
        return self._plain.isEnabledFor(logging.INFO)

    def write(self, event: str, fields: Mapping[str, str | float]) -> None:
        """Write one line, if anybody wants it.

        Args:
            event: What it tells of.
            fields: What it tells: texts and numbers, under names that are ours.
        """
        if not self.wanted:
            return
        handler = self._only_handler()
        around = structlog.contextvars.get_contextvars()
        told: dict[str, Any] = {**fields, **{k: v for k, v in around.items() if k not in fields}}
        if handler is None or not all(isinstance(one, str | float | int) for one in told.values()):
            self._log.info(event, **fields)
            return
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        line: dict[str, Any] = {"event": event}
        for name, value in told.items():
            line[name] = redact(value) if isinstance(value, str) else value
        line |= {"level": "info", "logger": self._name}
        line["timestamp"] = f"{now}Z"
        if handler.process is not None:
            line["process"] = handler.process
        handler.write(to_json(line))

    def _only_handler(self) -> Handler | None:
        """Return our handler if no other handler and no filter would get a record."""
        logger: logging.Logger | None = self._plain
        while logger is not None:
            if logger.filters:
                return None
            if logger.parent is None or not logger.propagate:
                break
            if logger.handlers:
                return None
            logger = logger.parent
        only = logger.handlers[0] if logger is not None and len(logger.handlers) == 1 else None
        if type(only) is not Handler or not only.is_json or only.filters:
            return None
        return only if only.level <= logging.INFO else None
