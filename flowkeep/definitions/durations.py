"""Lengths of time as definitions write them: seconds, or text like `90s`, `5m`, `1h30m`, `2d`."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_PART = r"\d+(?:\.\d+)?\s*(?:ms|s|m|h|d)"
_TEXT = re.compile(rf"\s*(?:{_PART}\s*)+")
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")

LONGEST_SECONDS = 3_650 * 86_400.0
"""Ten years: longer waits are a mistake."""


def read_seconds(value: Any) -> Any:
    """Return a length of time in seconds; what is no text is returned as it is.

    Raises:
        ValueError: If a text is no length of time.
    """
    if not isinstance(value, str):
        return value
    if not _TEXT.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is no length of time: write 90s, 5m, 1h30m or 2d")
    return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(value))


Seconds = Annotated[
    float,
    BeforeValidator(read_seconds),
    Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": LONGEST_SECONDS},
                {"type": "string", "pattern": rf"^\s*(?:{_PART}\s*)+$"},
            ],
            "description": "A length of time: seconds, or text like 90s, 5m, 1h30m, 2d.",
        }
    ),
]
"""A length of time, in seconds once read."""
