"""Filters that put lists into order or find what is equal in them.

Names and meanings are Jinja's: unless `case_sensitive` is true, texts are compared in lower case.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flowkeep.definitions.template_filters import Filter
from flowkeep.definitions.template_limits import (
    OPERATIONS_PER_CALL,
    OPERATIONS_TO_BEGIN,
    Account,
    Missing,
    TemplateError,
)
from flowkeep.definitions.template_values import (
    as_json,
    comparable,
    described,
    entries,
    look_up,
    mapping,
    text,
)

Key = Callable[[Any], Any]
"""Gives what of an entry counts."""

NOTHING = object()
"""Stands for a default that was not given, or a value that is not there."""


def itself(value: Any) -> Any:
    """Return a value as it is."""
    return value


def path(account: Account, attribute: Any) -> Key:
    """Return what follows keys and positions that are joined by dots, like `address.city`."""
    if type(attribute) is not int:
        account.touch(text(attribute))
    keys = [int(key) if key.isdecimal() else key for key in str(attribute).split(".")]

    def follow(value: Any) -> Any:
        account.spend(len(keys))
        for key in keys:
            value = look_up(value, key, f"{key!r}")
        return value

    return follow


def _key(account: Account, attribute: Any, case_sensitive: bool) -> Key:
    follow = itself if attribute is None else path(account, attribute)

    def key(value: Any) -> Any:
        found = comparable(account, follow(value))
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return key


def _in_order(account: Account, values: list[Any], key: Key, reverse: bool = False) -> list[Any]:
    account.spend(OPERATIONS_TO_BEGIN + OPERATIONS_PER_CALL * len(values))
    before = account.left
    keys = [key(value) for value in values]
    # Each key is compared some log2(n) times, and that in C: a quarter of an operation each.
    account.spend((before - account.left) * (len(values).bit_length() // 4))
    try:
        order = sorted(range(len(values)), key=keys.__getitem__, reverse=bool(reverse))
    except TypeError:
        kinds = sorted({described(one) for one in keys})
        raise TemplateError(f"puts into order what has none: {', '.join(kinds)}") from None
    return [values[position] for position in order]


def optional(follow: Key, default: Any) -> Key:
    """Return what gives a default, if there is one, where nothing is found."""

    def found(value: Any) -> Any:
        try:
            return follow(value)
        except Missing:
            if default is NOTHING:
                raise
            return default

    return found


def _sort(
    account: Account,
    value: Any,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    if isinstance(attribute, str) and "," in attribute:
        parts = [_key(account, part, case_sensitive) for part in attribute.split(",")]
        return _in_order(
            account, entries(account, value), lambda one: [part(one) for part in parts], reverse
        )
    key = _key(account, attribute, case_sensitive)
    return _in_order(account, entries(account, value), key, reverse)


def _dictsort(
    account: Account,
    value: Any,
    case_sensitive: bool = False,
    by: str = "key",
    reverse: bool = False,
) -> list[Any]:
    if by not in ("key", "value"):
        raise TemplateError("sorts an object by something else than key or value")
    pairs = [[key, part] for key, part in mapping(value).items()]
    account.grow_list(2 * len(pairs))
    return _in_order(account, pairs, _key(account, int(by == "value"), case_sensitive), reverse)


def _identity(account: Account, value: Any) -> Any:
    """Return something hashable that is the same for equal values."""
    return value if not isinstance(value, (list, tuple, Mapping)) else (as_json(account, value),)


def _unique(
    account: Account, value: Any, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    key = _key(account, attribute, case_sensitive)
    values = entries(account, value)
    account.spend(OPERATIONS_TO_BEGIN + OPERATIONS_PER_CALL * len(values))
    first: dict[Any, Any] = {}
    for one in values:
        first.setdefault(_identity(account, key(one)), one)
    return list(first.values())


def _groupby(
    account: Account,
    value: Any,
    attribute: Any,
    default: Any = NOTHING,
    case_sensitive: bool = False,
) -> list[Any]:
    """Return `grouper` and `list` of each group, in the order of their keys."""
    follow = optional(path(account, attribute), default)
    fold = _key(account, None, case_sensitive)
    values = entries(account, value)
    account.spend(OPERATIONS_TO_BEGIN + OPERATIONS_PER_CALL * len(values))
    groups: dict[Any, dict[str, Any]] = {}
    for one in values:
        grouper = follow(one)
        same = groups.setdefault(
            _identity(account, fold(grouper)), {"grouper": grouper, "list": []}
        )
        same["list"].append(one)
    return _in_order(account, list(groups.values()), lambda group: fold(group["grouper"]))


def _extreme(position: int) -> Filter:
    def extreme(
        account: Account, value: Any, case_sensitive: bool = False, attribute: Any = None
    ) -> Any:
        values = entries(account, value)
        if not values:
            raise Missing("there is no smallest or biggest entry: the list is empty")
        key = _key(account, attribute, case_sensitive)
        # Of equal ones the first, whichever end is asked for.
        return _in_order(account, values, key, reverse=position == -1)[0]

    return extreme


ORDER_FILTERS: Mapping[str, Filter] = {
    "dictsort": _dictsort,
    "groupby": _groupby,
    "max": _extreme(-1),
    "min": _extreme(0),
    "sort": _sort,
    "unique": _unique,
}
"""Filters by name."""
