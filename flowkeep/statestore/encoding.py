"""Values as JSON that PostgreSQL can store.

Two manners: what a caller saves must come back as it was, so `strict` names what cannot be stored;
what was merely observed must never be the reason to lose a record, so `lenient` stores the nearest
thing.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from flowkeep.errors import InvalidInput

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_DEEPEST = 200
_AS_TEXT = (date, time, UUID, Decimal, PurePath)


def strict(value: Any, where: str) -> Any:
    """Return a value as plain JSON types, or say what cannot be stored.

    Pydantic models, dataclasses, dates, times, ids, decimals, paths and enums become what their
    JSON form is; sets and tuples become lists.

    Args:
        value: What a caller wants stored.
        where: Name of the value, for the message.

    Raises:
        InvalidInput: For any other type, keys that are not text, NaN and infinity, NUL characters
            and lone surrogates (jsonb knows none of them); names the path.
    """
    return _strict(value, where, 0)


def _strict(value: Any, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InvalidInput(f"{where} is nested more than {_DEEPEST} levels deep")
    if value is None or isinstance(value, (bool, int, float, str, Enum, *_AS_TEXT)):
        return _strict_scalar(value, where)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {
            _strict_key(key, where): _strict(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (bytes, bytearray)):
        return [_strict(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise InvalidInput(
        f"{where} is of type {type(value).__name__}, which JSON does not know",
        hint="convert it to text, numbers, lists and objects first",
    )


def _strict_scalar(value: Any, where: str) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(f"{where} is {value}, which JSON does not know", hint="use null")
        return float(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    return _strict_text(str(value), where)


def _strict_text(value: str, where: str) -> str:
    if "\x00" in value:
        raise InvalidInput(f"{where} holds a NUL character", hint="remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{where} holds invalid unicode (a lone surrogate)") from None
    return str(value)


def _strict_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidInput(
            f"{where} has the key {key!r} of type {type(key).__name__}", hint="keys must be text"
        )
    return _strict_text(key, f"a key of {where}")


def same(one: Any, other: Any) -> bool:
    """Return whether two plain values are one JSON value.

    Unlike in Python, true is not 1. Unlike in JSON's text, 1.0 is 1 and 1e16 is
    10000000000000000: jsonb gives back the one for the other.

    Args:
        one: Plain JSON types.
        other: Plain JSON types.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, int):
        one, other = other, one
    if isinstance(one, int) and isinstance(other, float):
        return other.is_integer() and one == int(Decimal(repr(other)))
    return bool(one == other)


def lenient(value: Any) -> bytes:
    r"""Return JSON of any value, near enough for a record of what happened.

    Invalid unicode becomes U+FFFD, NaN becomes null, unknown types become their text. NUL
    characters are kept (as `\u0000`): see `without_nul`.

    Args:
        value: Anything.
    """
    try:
        return orjson.dumps(value, default=_nearest, option=_OPTIONS)
    except (orjson.JSONEncodeError, RecursionError):
        # Lone surrogates, integers beyond 64 bits, depth beyond orjson's: the slow way.
        return json.dumps(_mended(value, 0), ensure_ascii=False).encode()


def without_nul(data: bytes) -> bytes:
    """Replace NUL characters inside JSON by U+FFFD: neither text nor jsonb can hold them.

    Args:
        data: JSON as bytes.
    """
    if b"\\u0000" not in data:
        return data
    return _NUL.sub(rb"\1\\ufffd", data)


def storable(value: Any) -> Any:
    """Return the nearest plain value that jsonb can hold; see `lenient`."""
    return None if value is None else json.loads(without_nul(lenient(value)))


def _nearest(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, AbstractSet):
        return list(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return _text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mended(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= _DEEPEST:
        return _text(repr(value)[:1000])
    if isinstance(value, Mapping):
        return {_text(key): _mended(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [_mended(item, depth + 1) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (BaseModel, timedelta)):
        return _mended(_nearest(value), depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _mended(dataclasses.asdict(value), depth + 1)
    return _text(value)
