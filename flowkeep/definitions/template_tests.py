"""The tests of templates: what can stand after `is`, and in `select`. Names are Jinja's."""

from collections.abc import Callable, Mapping
from typing import Any

from flowkeep.definitions.template_limits import Account, TemplateError
from flowkeep.definitions.template_operators import COMPARISONS
from flowkeep.definitions.template_values import number, refuse_reference, text

Test = Callable[..., bool]
"""Takes the account, the value and what the test is told."""


def _kind(*kinds: type, but: tuple[type, ...] = ()) -> Test:
    def is_kind(_account: Account, value: Any) -> bool:
        refuse_reference(value)
        return isinstance(value, kinds) and not isinstance(value, but)

    return is_kind


def _none(_account: Account, value: Any) -> bool:
    return value is None


def _true(_account: Account, value: Any) -> bool:
    return value is True


def _false(_account: Account, value: Any) -> bool:
    return value is False


def _whole(value: Any) -> int:
    if not isinstance(number(value), int):
        raise TemplateError("needs a whole number, not one with a fraction", hint="write … | int")
    return int(value)


def _divisible(_account: Account, value: Any, divisor: Any) -> bool:
    if not _whole(divisor):
        raise TemplateError("divides by zero")
    return _whole(value) % int(divisor) == 0


def _even(_account: Account, value: Any) -> bool:
    return _whole(value) % 2 == 0


def _odd(_account: Account, value: Any) -> bool:
    return _whole(value) % 2 == 1


def _startswith(account: Account, value: Any, beginning: Any) -> bool:
    account.touch(text(value))
    return bool(value.startswith(text(beginning)))


def _endswith(account: Account, value: Any, end: Any) -> bool:
    account.touch(text(value))
    return bool(value.endswith(text(end)))


def _contains(account: Account, whole: Any, part: Any) -> bool:
    return bool(COMPARISONS["in"](account, part, whole))


TESTS: Mapping[str, Test] = {
    "boolean": _kind(bool),
    "contains": _contains,
    "divisibleby": _divisible,
    "endswith": _endswith,
    "eq": COMPARISONS["eq"],
    "equalto": COMPARISONS["eq"],
    "even": _even,
    "false": _false,
    "float": _kind(float),
    "ge": COMPARISONS["gteq"],
    "gt": COMPARISONS["gt"],
    "in": COMPARISONS["in"],
    "integer": _kind(int, but=(bool,)),
    "iterable": _kind(str, list, tuple, Mapping),
    "le": COMPARISONS["lteq"],
    "lt": COMPARISONS["lt"],
    "mapping": _kind(Mapping),
    "ne": COMPARISONS["ne"],
    "none": _none,
    "number": _kind(int, float),
    "odd": _odd,
    "sequence": _kind(str, list, tuple, Mapping),
    "startswith": _startswith,
    "string": _kind(str),
    "true": _true,
}
"""Tests by name; `defined` and `undefined` are read by the sandbox itself."""
