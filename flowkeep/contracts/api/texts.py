"""Kinds of values that requests are made of."""

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints


def _written_out(value: object) -> object:
    """Refuse a number: which moment it stands for would have to be guessed."""
    number = isinstance(value, int | float)
    if isinstance(value, str):
        number = not value.strip() or not set(value) - set("0123456789+-._eE ")
    if number:
        raise ValueError("write a time with its zone, like 2026-01-31T12:00:00Z")
    return value


Text = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
"""A short text without NUL."""
TemporalName = Annotated[
    str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")
]
"""A name that Temporal keeps."""
Prose = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
"""Words for people."""
Span = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=36_500))]
"""A length of time: ISO 8601 (`PT30S`), or seconds."""
Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A moment: ISO 8601 with a zone."""
