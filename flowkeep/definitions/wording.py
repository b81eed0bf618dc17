"""Words that errors about definitions share."""

import json
from bisect import bisect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
"""The types of JSON Schema in words."""

_MOST_COMPARED = 60
_NEIGHBOURS = 10
_LONGEST_COMPARED = 64
_MOST_LISTED = 8


def kind_of(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return a hint at the known name that may have been meant, or at all when they are few.

    Comparing takes long: of many names only those that stand next to the word in order are.
    """
    names = sorted(set(known))
    alike = names
    if len(names) > _MOST_COMPARED:
        place = bisect(names, word)
        alike = names[max(place - _NEIGHBOURS, 0) : place + _NEIGHBOURS]
    near = get_close_matches(word, alike, n=1) if len(word) <= _LONGEST_COMPARED else []
    if near:
        return f"did you mean {near[0]}?"
    return f"there is {', '.join(names)}" if 0 < len(names) <= _MOST_LISTED else None


def shortened(value: Any, longest: int = 100) -> str:
    """Return a value as text, as JSON where it is none, cut to some length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= longest else text[: longest - 1] + "…"
