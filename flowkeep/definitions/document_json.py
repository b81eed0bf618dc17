"""JSON texts as the events that YAML gives, so that both have lines and the same rules."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flowkeep.errors import InvalidInput

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|\n|[^\s,:{}\[\]"]+')

_Kind = Literal["object", "list", "end", "value"]
_BRACKETS: dict[str, _Kind] = {"{": "object", "[": "list", "}": "end", "]": "end"}


@dataclass(frozen=True, slots=True)
class Event:
    """A step in reading a text.

    Attributes:
        kind: An object or a list begins, or ends, or a value stands there.
        line: From 1.
        column: From 1.
        value: The value.
    """

    kind: _Kind
    line: int
    column: int
    value: Any = None


def read_json(text: str, name: str) -> list[Event] | None:
    """Return the events of a JSON text, or None where it is none.

    Args:
        text: The text.
        name: What errors call it; when it ends with `.json` the text has to be JSON.

    Raises:
        InvalidInput: If it has to be JSON and is not, or has a number or a text that cannot be
            stored.
    """
    try:
        json.loads(text, parse_int=str)
    except json.JSONDecodeError as error:
        if name.lower().endswith(".json"):
            raise InvalidInput(
                f"{name} line {error.lineno}, column {error.colno}: is no JSON: {error.msg}",
                hint="check commas, brackets and quotes there",
            ) from None
        return None
    except RecursionError:
        return None  # the reader of YAML names the line where it gets too deep
    return list(_events(text, name))


def _events(text: str, name: str) -> Iterator[Event]:
    line, begin = 1, 0
    for match in _TOKEN.finditer(text):
        word, column = match[0], match.start() - begin + 1
        if word == "\n":
            line, begin = line + 1, match.end()
        elif word in _BRACKETS:
            yield Event(_BRACKETS[word], line, column)
        else:
            yield Event("value", line, column, _value(word, f"{name} line {line}, column {column}"))


def _value(token: str, place: str) -> Any:
    if len(token) > 24 and token.lstrip("-").isdigit():
        raise InvalidInput(f"{place}: is a number of more than 64 bits", hint="write a text")
    value = json.loads(token)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                f"{place}: has half of a surrogate pair", hint="write it whole"
            ) from None
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise InvalidInput(f"{place}: is a number of more than 64 bits", hint="write a text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{place}: is no number of JSON", hint="write a text")
    return value
