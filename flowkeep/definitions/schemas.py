"""JSON Schemas (2020-12, https://json-schema.org/draft/2020-12): checked, applied, filled in.

All of it is deterministic, as workflows apply schemas too: patterns are matched in linear time,
nothing is fetched from anywhere, and errors come in the order of their paths.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jsonschema_rs

from flowkeep.contracts import Problem
from flowkeep.definitions.schema_defaults import with_defaults
from flowkeep.definitions.schema_violations import Violation, told
from flowkeep.definitions.schema_weight import MOST_WEIGHT, resolve, weight
from flowkeep.errors import InvalidInput

__all__ = ["Violation", "check", "is_plain", "problems", "require", "violations", "with_defaults"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SHOWN = 5
# What stands below these is a value, however much it looks like a schema.
_VALUES = ("const", "default", "enum", "examples")


def check(schema: Any, path: str) -> list[Problem]:
    """Return everything that is wrong with a schema.

    Args:
        schema: What is meant to be a schema.
        path: Where it stands, for example `parameters`.
    """
    if not isinstance(schema, Mapping):
        return [Problem(path=path, message="is no JSON Schema", hint="write an object")]
    try:
        found = [one.problem(path) for one in violations({"$ref": _DIALECT}, schema)]
    except InvalidInput as error:
        return [Problem(path=path, message=error.message, hint=error.hint or None)]
    found += _references(schema, path)
    if not found:
        found += _limits(schema, path)
    return found


def violations(schema: Mapping[str, Any], value: Any) -> list[Violation]:
    """Return every way in which a value does not fit a schema, in the order of their paths.

    Args:
        schema: One without problems.
        value: Plain JSON.

    Raises:
        InvalidInput: If the schema cannot be used, or the value is no plain JSON.
    """
    try:
        validator = _compiled(_canonical(schema))
    except jsonschema_rs.ValidationError as error:
        raise InvalidInput(f"the schema cannot be used: {error.message[:200]}") from None
    # The validator does not guard its stack: what is too deep would end the process.
    if not is_plain(value):
        raise InvalidInput(
            "the value is no plain JSON, or nested too deeply",
            hint="use texts as names, and at most 255 levels",
        )
    found = [one for error in validator.iter_errors(value) for one in told(error, schema)]
    unique = {(one.path, one.message): one for one in found}
    return sorted(unique.values(), key=lambda one: (one.sort_key, one.message))


def problems(schema: Mapping[str, Any], value: Any, path: str) -> list[Problem]:
    """Return `violations` as problems.

    Args:
        schema: One without problems.
        value: Plain JSON.
        path: Where the value stands.
    """
    return [one.problem(path) for one in violations(schema, value)]


def require(
    schema: Mapping[str, Any],
    value: Any,
    path: str,
    *,
    code: str | None = None,
    opaque: Callable[[Any], bool] = lambda _: False,
) -> None:
    """Raise unless a value fits a schema.

    Args:
        schema: One without problems.
        value: Plain JSON.
        path: What the error calls the value.
        code: Code of the error.
        opaque: Tells what stands for something else, and so may stand anywhere.

    Raises:
        InvalidInput: If it does not fit; names the paths, never the values.
    """
    found = [
        one.problem(path)
        for one in violations(schema, value)
        if not any(map(opaque, _along(value, one.path)))
    ]
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InvalidInput("; ".join(str(one) for one in found[:_SHOWN]) + more, code=code)


def _along(value: Any, path: Sequence[str | int]) -> Iterator[Any]:
    """Yield the values that a path leads through, as far as they are there."""
    yield value
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return
        yield value


def is_plain(value: Any) -> bool:
    """Return whether a value is plain JSON of at most 255 levels; tuples count as lists."""
    try:
        jsonschema_rs.canonical.json.to_string(value)
    except (ValueError, RecursionError):
        return False
    return True


def _limits(schema: Mapping[str, Any], path: str) -> list[Problem]:
    """Return what keeps a well-formed schema from being used."""
    if weight(schema) > MOST_WEIGHT:
        return [
            Problem(
                path=path,
                message=f"has more than {MOST_WEIGHT} parts, with its references written out",
                hint="make it simpler",
            )
        ]
    try:
        _compiled(_canonical(schema))
    except jsonschema_rs.ValidationError as error:
        return [one.problem(path) for one in told(error, {})]
    except InvalidInput:
        return [Problem(path=path, message="is no plain JSON", hint="use texts as names")]
    return []


def _canonical(schema: Mapping[str, Any]) -> str:
    try:
        return jsonschema_rs.canonical.json.to_string(schema)
    except (ValueError, RecursionError):
        raise InvalidInput("the schema is no plain JSON, or nested too deeply") from None


@lru_cache(maxsize=512)
def _compiled(text: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        text,
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
    )


def _references(schema: Mapping[str, Any], path: str) -> list[Problem]:
    """Return what is wrong with the references of a schema: they stay inside of it."""
    found = []
    for reference, where in _all_references(schema, path):
        if not reference.startswith("#"):
            message, hint = "leads out of the schema", "nothing is fetched: put it into `$defs`"
        elif reference.startswith("#/") and resolve(schema, reference) is None:
            message, hint = f"leads nowhere: {reference[:100]!r}", "it begins with `#/$defs/`"
        else:
            continue
        found.append(Problem(path=where, message=message, hint=hint))
    return found


def _all_references(part: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, Mapping):
        for name, value in part.items():
            where = f"{path}.{name}"
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                if value != _DIALECT:
                    yield value, where
            elif name not in _VALUES or path.endswith(".properties"):
                yield from _all_references(value, where)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for number, value in enumerate(part):
            yield from _all_references(value, f"{path}[{number}]")
