"""A hash of what a step is called with: alike in every process, and nothing is used up by it."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from flowkeep.errors import InvalidInput

_TEXTUAL = (datetime, date, time, timedelta, Decimal, PurePath, UUID)
_BYTES = (bytes, bytearray, memoryview)


def digest_of(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return a hash of arguments.

    Values count by their content where they are data: plain JSON, bytes, sets, dates, enums,
    dataclasses, pydantic models. Anything else (secrets, iterators, files, clients) counts by its
    type alone.

    Raises:
        InvalidInput: If they contain themselves.
    """
    while isinstance(fn, functools.partial):
        args, kwargs, fn = (*fn.args, *args), {**fn.keywords, **kwargs}, fn.func
    try:
        data = _written([_plain(list(args)), _plain(dict(kwargs))])
    except RecursionError:
        raise InvalidInput("the arguments of a step contain themselves") from None
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return [_type_of(value), value.name]
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else f"int {value:x}"
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").hex() if _is_odd(value) else value
    if isinstance(value, Mapping):
        pairs = ([_plain(key), _plain(one)] for key, one in value.items())
        return ["mapping", *sorted(pairs, key=_written)]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return ["set", *sorted((_plain(one) for one in value), key=_written)]
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, _BYTES):
        return ["bytes", hashlib.blake2b(value, digest_size=12).hexdigest()]
    if isinstance(value, _TEXTUAL):
        return [_type_of(value), str(value)]
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return [_type_of(value), _plain(fields), _plain(value.model_extra or {})]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name, None) for one in dataclasses.fields(value)}
        return [_type_of(value), _plain(fields)]
    if isinstance(value, type) or callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return _type_of(value)


def _is_odd(text: str) -> bool:
    """Tell a lone surrogate, which no JSON holds."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _written(value: Any) -> bytes:
    return orjson.dumps(value)


def _type_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
