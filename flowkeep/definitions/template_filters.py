"""Filters that work on one value: texts, numbers, objects and how they are written.

Names and meanings are Jinja's where Jinja has them, but what cannot be read is an error instead
of 0. None of them knows the time, chance, or another machine's settings.
"""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flowkeep.definitions.template_json import from_json
from flowkeep.definitions.template_limits import (
    DEEPEST_DATA,
    MOST_DIGITS,
    MOST_ENTRIES,
    OPERATIONS_TO_BEGIN,
    Account,
    TemplateError,
    bounded,
)
from flowkeep.definitions.template_values import (
    as_json,
    as_text,
    described,
    entries,
    finite,
    mapping,
    number,
    refuse_reference,
    text,
    whole_number,
)

Filter = Callable[..., Any]
"""Takes the account, the value and what stands in brackets."""

_MISSING = object()
_WORD_STARTS = re.compile(r"([-\s({\[<]+)")


def _changed_text(change: Callable[[str], str]) -> Filter:
    def change_text(account: Account, value: Any) -> str:
        account.touch(text(value))
        changed = change(value)
        account.grow_text(len(changed))
        return changed

    return change_text


def _title(account: Account, value: Any) -> str:
    account.spend(len(text(value)))
    return "".join(part[:1].upper() + part[1:].lower() for part in _WORD_STARTS.split(value))


def _trim(account: Account, value: Any, chars: str | None = None) -> str:
    account.touch(text(value))
    if chars is not None:
        account.spend(len(value) * len(text(chars)) // 1_000)
    return str(value.strip(chars))


def _replace(account: Account, value: Any, old: str, new: str, count: int | None = None) -> str:
    account.touch(text(value))
    found = value.count(text(old))
    times = found if count is None else min(found, whole_number(count, "count", 0, MOST_ENTRIES))
    account.grow_text(len(value) + times * (len(text(new)) - len(old)))
    return str(value.replace(old, new, times))


def _split(account: Account, value: Any, sep: str | None = None, most: int = -1) -> list[str]:
    account.touch(text(value))
    if sep is not None and not text(sep):
        raise TemplateError("splits a text at an empty text")
    whole_number(most, "most", -1, MOST_ENTRIES)
    pieces = len(value) // 2 + 1 if sep is None else value.count(sep) + 1
    account.grow_list(pieces if most < 0 else min(pieces, most + 1))
    return list(value.split(sep, most))


def _int(_account: Account, value: Any, default: Any = _MISSING, base: int = 10) -> Any:
    try:
        if isinstance(value, str):
            return bounded(_read_int(value, whole_number(base, "base", 2, 36)))
        return bounded(int(number(value)))
    except (ValueError, OverflowError):
        refuse_reference(value)
        if default is not _MISSING:
            return default
        raise TemplateError(f"cannot read {described(value)} as a whole number") from None


def _read_int(value: str, base: int) -> int:
    if len(value) > MOST_DIGITS:
        raise TemplateError(f"reads a whole number of more than {MOST_DIGITS:,} digits")
    try:
        return int(value, base)
    except ValueError:
        if base != 10:
            raise
        return int(float(value))


def _float(account: Account, value: Any, default: Any = _MISSING) -> Any:
    try:
        if isinstance(value, str):
            account.touch(value)
            return finite(float(value))
        return finite(float(number(value)))
    except (ValueError, OverflowError):
        refuse_reference(value)
        if default is not _MISSING:
            return default
        raise TemplateError(f"cannot read {described(value)} as a number") from None


def _round(_account: Account, value: Any, precision: int = 0, method: str = "common") -> Any:
    digits = whole_number(precision, "precision", -30, 30)
    if method == "common":
        return round(number(value), digits)
    ways: Mapping[Any, Callable[[float], int]] = {"ceil": math.ceil, "floor": math.floor}
    if not isinstance(method, str) or method not in ways:
        raise TemplateError("rounds in an unknown way", hint="common, ceil or floor")
    return finite(ways[method](number(value) * 10.0**digits) / 10.0**digits)


def _length(_account: Account, value: Any) -> int:
    if not isinstance(value, (str, list, tuple, Mapping)):
        raise TemplateError(f"asks {described(value)} for its length")
    refuse_reference(value)
    return len(value)


def _keys(account: Account, value: Any) -> list[Any]:
    return entries(account, mapping(value))


def _values(account: Account, value: Any) -> list[Any]:
    account.grow_list(len(mapping(value)))
    return list(value.values())


def _items(account: Account, value: Any) -> list[Any]:
    account.grow_list(2 * len(mapping(value)))
    return [[key, part] for key, part in value.items()]


def _combine(account: Account, value: Any, *others: Any, recursive: bool = False) -> Any:
    merged = value
    for other in others:
        merged = _merged(account, mapping(merged), mapping(other), DEEPEST_DATA * bool(recursive))
    return merged


def _merged(account: Account, one: Any, other: Any, depth: int) -> dict[str, Any]:
    """Return the keys of both; those of `other` win, objects in both are merged while deep."""
    account.grow_list(len(one) + len(other))
    merged = dict(one)
    for key, part in other.items():
        mine = merged.get(key)
        if depth and isinstance(mine, Mapping) and isinstance(part, Mapping):
            merged[key] = _merged(account, mapping(mine), mapping(part), depth - 1)
        else:
            merged[key] = part
    return merged


def _b64encode(account: Account, value: Any) -> str:
    account.grow_text(len(text(value)) * 4 // 3)
    written = base64.b64encode(_utf8(value)).decode()
    account.grow_text(len(written))
    return written


def _b64decode(account: Account, value: Any) -> str:
    account.touch(text(value))
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise TemplateError("reads a text that is not Base64 of UTF-8") from None


def _sha256(account: Account, value: Any) -> str:
    account.touch(text(value))
    return hashlib.sha256(_utf8(value)).hexdigest()


def _urlencode(account: Account, value: Any) -> str:
    account.spend(OPERATIONS_TO_BEGIN)
    written = as_text(account, value)
    account.grow_text(3 * len(_utf8(written)))
    return quote(written, safe="")


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise TemplateError("has a text with half a character (a lone surrogate)") from None


def _abs(_account: Account, value: Any) -> int | float:
    return abs(number(value))


def _from_json(account: Account, value: Any) -> Any:
    return from_json(account, text(value))


VALUE_FILTERS: Mapping[str, Filter] = {
    "abs": _abs,
    "b64decode": _b64decode,
    "b64encode": _b64encode,
    "combine": _combine,
    "count": _length,
    "float": _float,
    "fromjson": _from_json,
    "int": _int,
    "items": _items,
    "keys": _keys,
    "length": _length,
    "lower": _changed_text(str.lower),
    "replace": _replace,
    "round": _round,
    "sha256": _sha256,
    "split": _split,
    "string": as_text,
    "title": _title,
    "tojson": as_json,
    "trim": _trim,
    "upper": _changed_text(str.upper),
    "urlencode": _urlencode,
    "values": _values,
}
"""Filters by name."""
