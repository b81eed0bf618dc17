"""Results of many databases in one argument, which Temporal limits to two megabytes."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from flowkeep.errors import InvalidInput

Result = TypeVar("Result", bound=BaseModel)

PLAIN_BYTES = 512 * 1024
"""JSON up to this size travels as it is, for people to read in the history."""
MOST_BYTES = 900 * 1024
"""Largest argument: two of them, and what comes with them, fit into one payload."""


def pack(results: Sequence[BaseModel]) -> list[Any] | str:
    """Return results as plain values, or as compressed JSON in Base64 when they are large.

    Args:
        results: What activities returned.

    Raises:
        InvalidInput: If they are too many even so.
    """
    text = to_json(list(results))
    if len(text) <= PLAIN_BYTES:
        plain: list[Any] = from_json(text)
        return plain
    packed = base64.b64encode(zlib.compress(text)).decode()
    if len(packed) > MOST_BYTES:
        raise InvalidInput(
            f"the files of this run are too many to be listed in one argument: {len(packed)} bytes "
            f"of at most {MOST_BYTES}",
            hint="extract fewer databases per run, or in larger parts (metadata.part_rows)",
            code="TOO_MANY_FILES",
        )
    return packed


def unpack(model: type[Result], value: list[Any] | str) -> list[Result]:
    """Return results that `pack` made smaller, or left as they were.

    Args:
        model: What each of them is.
        value: What `pack` returned.
    """
    found = from_json(zlib.decompress(base64.b64decode(value))) if isinstance(value, str) else value
    return [model.model_validate(one) for one in found]
