"""What PostgreSQL's log says of statements.

The wording is that of `exec_simple_query`, `exec_execute_message` and `errdetail_execute` in
PostgreSQL's `tcop/postgres.c`, in English: `lc_messages` of the server must not translate it.
Parameters stand in a record's detail, which nobody here reads.
"""

import re
from typing import TypeAlias

Logged: TypeAlias = tuple[str, int | None]
"""Text of a statement, and how long it ran, in microseconds, if the record says so."""

SEVERITIES = frozenset(
    {"LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG"}
    | {f"DEBUG{level}" for level in range(1, 6)}
)
"""Values of a record's severity."""
FAILURES = frozenset({"ERROR", "FATAL", "PANIC"})
"""Those that end a statement."""
_PREFIX = re.compile(
    r"(?:duration: (\d+)\.(\d{3}) ms(?:  |\Z))?"
    r"(statement: |execute fetch from |execute .*?: |parse |bind |plan:)?",
    re.ASCII | re.DOTALL,
)
_DURATION = "duration: "
_TIMED = " ms  statement: "
_FURTHEST = len(_DURATION) + 40
_STEPS = {"execute fetch from ": "fetch", "parse ": "parse", "bind ": "bind", "plan:": "plan"}
"""Messages about parts of an execution, which another message counts."""


def read_message(message: str) -> Logged | str:
    """Return the statement that a message of severity LOG names, or what it is instead.

    Args:
        message: The message, without the record's detail.

    Returns:
        The statement; or `duration`, `fetch`, `parse`, `bind`, `plan`, `empty`, or `log` for all
        others.
    """
    if message.startswith(_DURATION):  # most messages of a log: faster than the pattern below
        unit = message.find(_TIMED, len(_DURATION), _FURTHEST)
        digits = message[len(_DURATION) : unit - 4] + message[unit - 3 : unit]
        if unit > 0 and message[unit - 4] == "." and digits.isdecimal():
            text = message[unit + len(_TIMED) :]
            if text and not text.isspace():
                return text, int(digits)
    prefix = _PREFIX.match(message)
    assert prefix is not None  # it matches nothing, too
    milliseconds, decimals, what = prefix.groups()
    if what is None:
        return "duration" if milliseconds is not None else "log"
    if what in _STEPS:
        return _STEPS[what]
    text = message[prefix.end() :]
    if not text or text.isspace():
        return "empty"
    return text, int(milliseconds + decimals) if milliseconds is not None else None
