"""The values of templates: what JSON can say, and references that are only passed on."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from flowkeep.definitions.template_limits import (
    DEEPEST_DATA,
    MOST_TEXT,
    OPERATIONS_PER_CALL,
    OPERATIONS_TO_BEGIN,
    Account,
    Missing,
    TemplateError,
    bounded,
)

STORED = "$stored"
"""Key of a reference to a value that is too big for the memory of a run; `bytes` is its size."""

SECRET = "$secret"  # noqa: S105 - a key, not a secret
"""Key of a reference to a secret, by name."""

_TAKEN_OUT = frozenset({"secret_ref", "shown"})
"""Keys of what stands for a secret that was taken out of the arguments of a run."""

_EASY = 2**63
"""Whole numbers below this need no second look."""

_NUMBERS = frozenset({bool, float, int})


def described(value: Any) -> str:
    """Return what a value is, in plain words, without telling it."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "a text"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    )
    named = next((words for kind, words in kinds if isinstance(value, kind)), None)
    return named or f"a Python {type(value).__name__}"


def refuse_reference(value: Any) -> None:
    """Refuse to look inside a value that is only a reference.

    Raises:
        TemplateError: If it is one; says how big the value is.
    """
    if not isinstance(value, Mapping):
        return
    if STORED in value:
        size = value.get("bytes")
        big = f"{size:,} bytes, " if isinstance(size, int) else ""
        raise TemplateError(
            f"looks inside a value that is kept by reference ({big}too big for the run's memory)",
            hint="pass it on as a whole; an action that takes it can return the part you need",
        )
    if SECRET in value or (_TAKEN_OUT.issuperset(value) and "secret_ref" in value):
        raise TemplateError(
            "uses a secret for something other than a whole value",
            hint="let the whole value be {{ secret('name') }}, or the parameter that holds it: "
            "only actions learn secrets, so they cannot become part of a text, be compared or "
            "looked into",
        )


def look_up(value: Any, key: Any, label: str) -> Any:
    """Return what is under a key of an object, or at a position of a list or text.

    Args:
        value: Where to look. Only data is looked at, never what Python knows about it.
        key: Key or position; negative positions count from the end.
        label: How the template wrote it, for errors.

    Raises:
        Missing: If nothing is there.
        TemplateError: If the value is a reference.
    """
    if isinstance(value, Mapping):
        refuse_reference(value)
        if isinstance(key, str) and key in value:
            return value[key]
    is_position = type(key) is int and isinstance(value, (list, tuple, str))
    if is_position and -len(value) <= key < len(value):
        return value[key]
    raise Missing(f"{label} is not defined: it is looked for in {described(value)}")


def plain(account: Account, value: Any, whole: bool = True, depth: int = 0) -> Any:
    """Return a value as lists, dicts, texts, numbers, true, false and null.

    Args:
        account: What is counted.
        value: The value; tuples become lists. Lists and dicts are copied.
        whole: Whether references may stand in it.
        depth: How deep it lies.

    Raises:
        TemplateError: If something in it is no such data, too big, or too deeply nested.
    """
    kind = type(value)
    if (kind is int and -_EASY < value < _EASY) or value is None or kind is bool:
        return value
    if isinstance(value, str):
        return _plain_text(account, value)
    if isinstance(value, int):
        return bounded(int(value))
    if isinstance(value, float):
        return finite(float(value))
    if depth == DEEPEST_DATA:
        raise TemplateError(f"has data nested deeper than {DEEPEST_DATA} levels")
    deeper = depth + 1
    if kind is list or isinstance(value, (list, tuple)):
        account.grow_list(len(value))
        return [plain(account, part, whole, deeper) for part in value]
    if not isinstance(value, Mapping):
        raise TemplateError(f"gives {described(value)}, which JSON has no form for")
    if not whole:
        refuse_reference(value)
    account.grow_list(len(value))
    for key in value:
        if not isinstance(key, str):
            raise TemplateError(f"has an object with {described(key)} as key: use texts")
    return {
        _plain_text(account, key): plain(account, part, whole, deeper)
        for key, part in value.items()
    }


def _plain_text(account: Account, value: str) -> str:
    account.grow_text(len(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise TemplateError("has a text with half a character (a lone surrogate)") from None
    return str.__str__(value)


def finite(number: float) -> float:
    """Return a number that JSON has a form for.

    Raises:
        TemplateError: If it is infinite or not a number.
    """
    if not math.isfinite(number):
        raise TemplateError("makes a number that is infinite or not a number")
    return number


def as_text(account: Account, value: Any) -> str:
    """Return a value as text: texts as they are, everything else as JSON with sorted keys.

    Raises:
        TemplateError: If there is a reference in it, or what `plain` refuses.
    """
    if isinstance(value, str):
        account.touch(value)
        return str.__str__(value)
    if type(value) is int:
        account.spend(1)
        return str(bounded(value))
    if type(value) is float:
        account.spend(OPERATIONS_PER_CALL)
        return repr(finite(value))
    return as_json(account, value)


def as_json(account: Account, value: Any) -> str:
    """Return a value as JSON with sorted keys.

    Raises:
        TemplateError: If there is a reference in it, or what `plain` refuses.
    """
    account.spend(OPERATIONS_TO_BEGIN)
    written = json.dumps(
        plain(account, value, whole=False), ensure_ascii=False, allow_nan=False, sort_keys=True
    )
    account.grow_text(len(written))
    return written


def comparable(account: Account, value: Any, depth: int = 0) -> Any:
    """Return a value that may be compared, all of it counted.

    Raises:
        TemplateError: If there is a reference in it, or it is nested too deeply.
    """
    if type(value) in _NUMBERS:
        return value
    if isinstance(value, str):
        account.touch(value)
    elif isinstance(value, (list, tuple, Mapping)):
        if depth == DEEPEST_DATA:
            raise TemplateError(f"has data nested deeper than {DEEPEST_DATA} levels")
        account.spend(1 + len(value))
        parts: Iterable[Any] = value
        if isinstance(value, Mapping):
            refuse_reference(value)
            parts = value.values()
        for part in parts:
            if type(part) not in _NUMBERS:
                comparable(account, part, depth + 1)
    return value


def entries(account: Account, value: Any) -> list[Any]:
    """Return what is gone through: entries of a list, keys of an object, characters of a text.

    Raises:
        TemplateError: If the value has none, or is a reference.
    """
    if not isinstance(value, (list, tuple, str, Mapping)):
        raise TemplateError(f"goes through {described(value)}: a list is needed")
    refuse_reference(value)
    account.grow_list(len(value))
    return list(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object whose keys may be looked at.

    Raises:
        TemplateError: If it is none, or a reference.
    """
    if not isinstance(value, Mapping):
        raise TemplateError(f"needs an object, not {described(value)}")
    refuse_reference(value)
    return value


def text(value: Any) -> str:
    """Return a text.

    Raises:
        TemplateError: If it is something else; says what.
    """
    if not isinstance(value, str):
        refuse_reference(value)
        raise TemplateError(f"needs a text, not {described(value)}", hint="write … | string")
    if len(value) > MOST_TEXT:
        raise TemplateError(f"works on a text of more than {MOST_TEXT:,} characters")
    return value


def number(value: Any) -> int | float:
    """Return a number.

    Raises:
        TemplateError: If it is something else; says what.
    """
    if not isinstance(value, (int, float)):
        refuse_reference(value)
        raise TemplateError(
            f"needs a number, not {described(value)}", hint="write … | int or … | float"
        )
    return value


def whole_number(value: Any, what: str, least: int, most: int) -> int:
    """Return a whole number between bounds.

    Raises:
        TemplateError: If it is something else; says what `what` may be.
    """
    if type(value) is not int or not least <= value <= most:
        raise TemplateError(f"needs a whole number from {least:,} to {most:,} as {what}")
    return value
