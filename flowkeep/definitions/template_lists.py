"""Filters that work on lists. Names and meanings are Jinja's where Jinja has them.

What Jinja gives as a generator is a list here, and pairs are lists of two.
"""

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from flowkeep.definitions.template_filters import VALUE_FILTERS, Filter
from flowkeep.definitions.template_limits import (
    DEEPEST_DATA,
    MOST_ENTRIES,
    OPERATIONS_PER_CALL,
    OPERATIONS_TO_BEGIN,
    Account,
    Missing,
    TemplateError,
    bounded,
)
from flowkeep.definitions.template_order import NOTHING, ORDER_FILTERS, Key, itself, optional, path
from flowkeep.definitions.template_tests import TESTS
from flowkeep.definitions.template_values import (
    as_text,
    described,
    entries,
    finite,
    number,
    refuse_reference,
    whole_number,
)


def fitting(kind: str, name: Any, known: Mapping[str, Filter]) -> Filter:
    """Return a filter or test by its name.

    Raises:
        TemplateError: If there is none of that name.
    """
    if not isinstance(name, str) or name not in known:
        told = f" {name!r}" if isinstance(name, str) and len(name) < 40 else ""
        raise TemplateError(f"names an unknown {kind}{told}", hint=f"there are {', '.join(known)}")
    return known[name]


_signature = lru_cache(maxsize=256)(inspect.signature)


def check_arguments(name: str, function: Filter, given: int, named: Iterable[str]) -> None:
    """Check how many arguments a filter, test or function gets, and how they are called.

    Args:
        name: How it is called in templates.
        function: What is called.
        given: How many arguments without a name, what the code itself passes included.
        named: Names of the others.

    Raises:
        TemplateError: If it cannot be called that way.
    """
    try:
        _signature(function).bind(*range(given), **dict.fromkeys(named))
    except TypeError as error:
        raise TemplateError(f"{name} is called wrongly: {error}") from None


def _end(position: int, word: str) -> Filter:
    def end(_account: Account, value: Any) -> Any:
        if not isinstance(value, (list, tuple, str, Mapping)):
            raise TemplateError(f"needs a list, not {described(value)}")
        refuse_reference(value)
        if not value:
            raise Missing(f"there is no {word} entry: the list is empty")
        if isinstance(value, Mapping):
            return next(iter(value if position == 0 else reversed(list(value))))
        return value[position]

    return end


def _sum(account: Account, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    total = number(start)
    follow = itself if attribute is None else path(account, attribute)
    for one in entries(account, value):
        total = total + number(follow(one))
    return bounded(total) if isinstance(total, int) else finite(total)


def _join(account: Account, value: Any, d: Any = "", attribute: Any = None) -> str:
    follow = itself if attribute is None else path(account, attribute)
    between = as_text(account, d)
    pieces: list[str] = []
    size = 0
    for one in entries(account, value):
        pieces.append(as_text(account, follow(one)))
        size += len(pieces[-1])
    account.grow_text(size + len(between) * max(len(pieces) - 1, 0))
    return between.join(pieces)


def _map(
    account: Account,
    value: Any,
    name: Any = None,
    /,
    *arguments: Any,
    attribute: Any = None,
    **named: Any,
) -> list[Any]:
    if name is None:
        if arguments or attribute is None or named.keys() - {"default"}:
            raise TemplateError("map needs the name of a filter, or attribute='…'")
        follow = optional(path(account, attribute), named.get("default", NOTHING))
        return [follow(one) for one in entries(account, value)]
    if attribute is not None:
        named["attribute"] = attribute
    function = fitting("filter", name, FILTERS)
    check_arguments(f"the filter {name}", function, 2 + len(arguments), named)
    values = entries(account, value)
    account.spend(OPERATIONS_TO_BEGIN + OPERATIONS_PER_CALL * len(values))
    return [function(account, one, *arguments, **named) for one in values]


def _choose(wanted: bool, by_attribute: bool) -> Filter:
    def choose(account: Account, value: Any, *arguments: Any) -> list[Any]:
        follow: Key = itself
        if by_attribute:
            if not arguments:
                raise TemplateError("needs the name of the key to choose by")
            follow, arguments = path(account, arguments[0]), arguments[1:]
        holds = _condition(account, arguments, follow)
        values = entries(account, value)
        account.spend(OPERATIONS_TO_BEGIN + OPERATIONS_PER_CALL * len(values))
        return [one for one in values if holds(one) is wanted]

    return choose


def _condition(account: Account, arguments: tuple[Any, ...], follow: Key) -> Key:
    if not arguments:
        return lambda one: bool(follow(one))
    name, *others = arguments
    if name in ("defined", "undefined"):
        absent = object()
        present = optional(follow, absent)
        return lambda one: (present(one) is not absent) is (name == "defined")
    function = fitting("test", name, TESTS)
    check_arguments(f"the test {name}", function, 2 + len(others), ())
    return lambda one: bool(function(account, follow(one), *others))


def _reverse(account: Account, value: Any) -> Any:
    turned = entries(account, value)[::-1]
    return "".join(turned) if isinstance(value, str) else turned


def _batch(account: Account, value: Any, size: int, fill_with: Any = None) -> list[Any]:
    values = entries(account, value)
    whole_number(size, "the size of a batch", 1, MOST_ENTRIES)
    account.grow_list(len(values) + len(values) // size)
    batches = [values[at : at + size] for at in range(0, len(values), size)]
    if fill_with is not None and batches:
        missing = size - len(batches[-1])
        account.grow_list(missing)
        batches[-1].extend([fill_with] * missing)
    return batches


def _zip(account: Account, value: Any, *others: Any) -> list[Any]:
    lists = [entries(account, one) for one in (value, *others)]
    account.grow_list(min(map(len, lists)) * (1 + len(lists)))
    return [list(together) for together in zip(*lists, strict=False)]


def _flatten(account: Account, value: Any, levels: int = DEEPEST_DATA) -> list[Any]:
    flat = entries(account, value)
    for _ in range(whole_number(levels, "levels", 1, DEEPEST_DATA)):
        if not any(isinstance(one, (list, tuple)) for one in flat):
            break
        parts = [one if isinstance(one, (list, tuple)) else [one] for one in flat]
        account.grow_list(sum(map(len, parts)))
        flat = list(chain.from_iterable(parts))
    return flat


def _default(_account: Account, value: Any, instead: Any = "", boolean: bool = False) -> Any:
    return instead if boolean and not value else value


_ALL: dict[str, Filter] = {
    **VALUE_FILTERS,
    **ORDER_FILTERS,
    "batch": _batch,
    "d": _default,
    "default": _default,
    "first": _end(0, "first"),
    "flatten": _flatten,
    "join": _join,
    "last": _end(-1, "last"),
    "list": entries,
    "map": _map,
    "reject": _choose(wanted=False, by_attribute=False),
    "rejectattr": _choose(wanted=False, by_attribute=True),
    "reverse": _reverse,
    "select": _choose(wanted=True, by_attribute=False),
    "selectattr": _choose(wanted=True, by_attribute=True),
    "sum": _sum,
    "zip": _zip,
}

FILTERS: Mapping[str, Filter] = {name: _ALL[name] for name in sorted(_ALL)}
"""Every filter by name."""
