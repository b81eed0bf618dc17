"""Values with the defaults of their JSON Schema filled in."""

import copy
from collections.abc import Mapping
from typing import Any

from flowkeep.definitions.schema_weight import resolve
from flowkeep.errors import InvalidInput

_Followed = frozenset[str]


def with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value with the properties it lacks that have a default.

    Properties inside objects, lists, `allOf` and references are filled in too; those that only
    one of several alternatives has are not, since it is not known which one is meant.

    Args:
        schema: One without problems.
        value: Plain JSON; it is not changed.

    Raises:
        InvalidInput: If the value is nested too deeply.
    """
    try:
        return _filled(schema, schema, copy.deepcopy(value), frozenset())
    except RecursionError:
        raise InvalidInput("the value is nested too deeply", hint="make it flatter") from None


def _filled(part: Any, root: Mapping[str, Any], value: Any, followed: _Followed) -> Any:
    """Fill in one part; a reference is followed once until a value that was given is reached."""
    if not isinstance(part, Mapping):
        return value
    reference = part.get("$ref")
    if isinstance(reference, str) and reference not in followed:
        value = _filled(resolve(root, reference), root, value, followed | {reference})
    for one in part.get("allOf") or ():
        value = _filled(one, root, value, followed)
    if isinstance(value, dict):
        for name, inner in (part.get("properties") or {}).items():
            if name in value:
                value[name] = _filled(inner, root, value[name], frozenset())
                continue
            default = _default(inner, root, followed)
            if default is not None:
                value[name] = _filled(inner, root, copy.deepcopy(default[0]), followed)
    elif isinstance(value, list) and isinstance(part.get("items"), Mapping):
        value = [_filled(part["items"], root, one, frozenset()) for one in value]
    return value


def _default(part: Any, root: Mapping[str, Any], followed: _Followed) -> tuple[Any] | None:
    """Return a default in a tuple, as null may be one; that of a reference when it has none."""
    if not isinstance(part, Mapping):
        return None
    if "default" in part:
        return (part["default"],)
    reference = part.get("$ref")
    if not isinstance(reference, str) or reference in followed:
        return None
    return _default(resolve(root, reference), root, followed | {reference})
