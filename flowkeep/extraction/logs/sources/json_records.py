"""Reading lines of JSON."""

from typing import Any

import orjson

from flowkeep.extraction.logs.sources.record_parser import RecordParser


def read_object(record: bytes, parser: RecordParser) -> dict[str, Any] | str:
    """Return the object in a line, or the reason why there is none.

    Args:
        record: The line.
        parser: Takes note of bytes that are not UTF-8; they are replaced.
    """
    try:
        found = orjson.loads(record)
    except orjson.JSONDecodeError:
        try:
            found = orjson.loads(parser.decoded(record))
        except orjson.JSONDecodeError:
            return "not_json"
    return found if isinstance(found, dict) else "not_an_object"


def is_object(record: bytes) -> bool:
    """Return whether a text is a whole JSON object, to which nothing can be added."""
    try:
        return isinstance(orjson.loads(record), dict)
    except orjson.JSONDecodeError:
        return False


def first_object(beginning: bytes) -> dict[str, Any]:
    """Return the object in the first line of a text; an empty one if there is none."""
    try:
        found = orjson.loads(beginning.split(b"\n", 1)[0])
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
