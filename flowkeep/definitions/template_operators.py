"""The operators of templates, each with its size known before it is carried out."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from flowkeep.definitions.template_limits import MOST_BITS, Account, TemplateError, bounded
from flowkeep.definitions.template_values import comparable, described, finite, refuse_reference

Operator = Callable[[Account, Any, Any], Any]

_NUMBER = (int, float)
_SEQUENCE = (list, tuple)


def _outcome(value: Any) -> Any:
    if isinstance(value, int):
        return bounded(value)
    if isinstance(value, float):
        return finite(value)
    raise TemplateError("makes a complex number")  # a root of a negative number


def _unfit(sign: str, left: Any, right: Any) -> TemplateError:
    refuse_reference(left)
    refuse_reference(right)
    hint = "write ~ to join texts, or … | int to calculate"
    return TemplateError(f"cannot do {described(left)} {sign} {described(right)}", hint=hint)


def _calculation(sign: str, calculate: Callable[[Any, Any], Any]) -> Operator:
    def operate(_account: Account, left: Any, right: Any) -> Any:
        if not isinstance(left, _NUMBER) or not isinstance(right, _NUMBER):
            raise _unfit(sign, left, right)
        try:
            return _outcome(calculate(left, right))
        except ZeroDivisionError:
            raise TemplateError("divides by zero") from None
        except OverflowError:
            raise TemplateError("makes a number that is too big") from None

    return operate


_add_numbers = _calculation("+", lambda left, right: left + right)
_multiply_numbers = _calculation("*", lambda left, right: left * right)


def _add(account: Account, left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        account.grow_text(len(left) + len(right))
        return left + right
    if isinstance(left, _SEQUENCE) and isinstance(right, _SEQUENCE):
        account.grow_list(len(left) + len(right))
        return [*left, *right]
    return _add_numbers(account, left, right)


def _multiply(account: Account, left: Any, right: Any) -> Any:
    if type(left) is int and isinstance(right, (str, *_SEQUENCE)):
        left, right = right, left
    if isinstance(left, str) and type(right) is int:
        account.grow_text(len(left) * max(right, 0))
        return left * right if left and right > 0 else ""
    if isinstance(left, _SEQUENCE) and type(right) is int:
        account.grow_list(len(left) * max(right, 0))
        return list(left) * right if left and right > 0 else []
    return _multiply_numbers(account, left, right)


def _raise_power(base: float, exponent: float) -> Any:
    if isinstance(base, int) and isinstance(exponent, int):
        # A positive exponent makes at least so many bits; a negative one makes a fraction.
        if (abs(base).bit_length() - 1) * abs(exponent) > MOST_BITS:
            raise TemplateError(f"makes a whole number of more than {MOST_BITS:,} bits")
        return base**exponent
    return base**exponent


BINARY: Mapping[type[nodes.BinExpr], Operator] = {
    nodes.Add: _add,
    nodes.Sub: _calculation("-", lambda left, right: left - right),
    nodes.Mul: _multiply,
    nodes.Div: _calculation("/", lambda left, right: left / right),
    nodes.FloorDiv: _calculation("//", lambda left, right: left // right),
    nodes.Mod: _calculation("%", lambda left, right: left % right),
    nodes.Pow: _calculation("**", _raise_power),
}
"""What is done for each operator between two values."""


def equal(account: Account, left: Any, right: Any) -> bool:
    """Whether two values are the same; null may be compared with anything."""
    if left is None or right is None:
        return left is right
    return bool(comparable(account, left) == comparable(account, right))


def ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Operator:
    """Return an operator that compares two numbers, two texts or two lists."""

    def operate(account: Account, left: Any, right: Any) -> bool:
        try:
            return compare(comparable(account, left), comparable(account, right))
        except TypeError:
            raise _unfit(sign, left, right) from None

    return operate


def contains(account: Account, part: Any, whole: Any) -> bool:
    """Whether something is an entry of a list, a key of an object or a part of a text."""
    comparable(account, part)
    if isinstance(whole, str):
        account.touch(whole)
        if not isinstance(part, str):
            raise _unfit("in", part, whole)
        return part in whole
    if isinstance(whole, Mapping):
        refuse_reference(whole)
        return isinstance(part, str) and part in whole
    if isinstance(whole, _SEQUENCE):
        return part in comparable(account, whole)
    raise _unfit("in", part, whole)


COMPARISONS: Mapping[str, Operator] = {
    "eq": equal,
    "ne": lambda account, left, right: not equal(account, left, right),
    "lt": ordered("<", lambda left, right: left < right),
    "lteq": ordered("<=", lambda left, right: left <= right),
    "gt": ordered(">", lambda left, right: left > right),
    "gteq": ordered(">=", lambda left, right: left >= right),
    "in": contains,
    "notin": lambda account, part, whole: not contains(account, part, whole),
}
"""What is done for each comparison, by Jinja's name of it."""
