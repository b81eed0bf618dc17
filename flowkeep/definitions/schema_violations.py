"""What is wrong with a value, in plain words: from the errors of the JSON Schema validator.

Nothing of the value is told but names and kinds: values may be secret.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from flowkeep.contracts import Problem
from flowkeep.definitions.wording import KINDS, kind_of, shortened, suggestion

_ALTERNATIVES = ("AnyOf", "OneOfNotValid")
# Keywords whose demands depend on what the value is elsewhere.
_CONDITIONAL = frozenset(
    ("if", "then", "else", "not", "anyOf", "oneOf", "dependentSchemas", "dependentRequired")
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value does not fit.

    Attributes:
        path: Names and numbers that lead to it.
        message: What is wrong there.
        hint: What to do.
        conditional: Whether that depends on another part of the value.
        about_names: Whether it is about which names an object has, not about a value.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None
    conditional: bool = False
    about_names: bool = False

    @property
    def sort_key(self) -> tuple[tuple[int, int, str], ...]:
        """Paths in order, numbers as numbers."""
        return tuple((0, one, "") if isinstance(one, int) else (1, 0, one) for one in self.path)

    def problem(self, path: str) -> Problem:
        """Return it as a problem of something that stands at a path."""
        where = path + "".join(
            f"[{one}]" if isinstance(one, int) else f".{one}" for one in self.path
        )
        return Problem(path=where.removeprefix("."), message=self.message, hint=self.hint)


def told(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what an error says, one violation for each name that it is about."""
    kind: Any = error.kind
    name = type(kind).__name__
    path = tuple(error.instance_path)
    conditional = not _CONDITIONAL.isdisjoint(map(str, error.evaluation_path))
    if name == "Required":
        missing = "is missing"
        yield Violation((*path, kind.property), missing, None, conditional, about_names=True)
    elif name in ("AdditionalProperties", "UnevaluatedProperties"):
        known = _siblings(schema, error.schema_path)
        for unknown in kind.unexpected:
            hint = suggestion(unknown, known)
            yield Violation((*path, unknown), "is not known", hint, conditional, about_names=True)
    elif name in _ALTERNATIVES:
        yield from _nearest(error, schema, conditional)
    else:
        yield Violation(path, _message(error), None, conditional)


def _siblings(schema: Mapping[str, Any], path: list[str | int]) -> list[str]:
    """Return the properties known beside a keyword."""
    place: Any = schema
    for step in path[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return []
    properties = place.get("properties") if isinstance(place, Mapping) else None
    return list(properties) if isinstance(properties, Mapping) else []


def _nearest(
    error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], conditional: bool
) -> Iterator[Violation]:
    """Yield what is wrong with the alternative that a value comes nearest to, if that is clear."""
    path = tuple(error.instance_path)
    kind: Any = error.kind
    types: list[str] = []
    near = []
    for alternative in kind.context:
        first = next((e for e in alternative if tuple(e.instance_path) == path), None)
        if first is not None and type(first.kind).__name__ == "Type":
            types += first.kind.types
        else:
            near.append((first is None, alternative))
    inside = [alternative for is_inside, alternative in near if is_inside]
    chosen = inside if len(inside) == 1 else [alternative for _, alternative in near]
    if not near:
        wanted = " or ".join(dict.fromkeys(KINDS[one] for one in types))
        yield Violation(path, f"is {kind_of(error.instance)}, not {wanted}", None, conditional)
    elif len(chosen) == 1:
        for one in chosen[0]:
            yield from told(one, schema)
    else:
        message = f"fits none of {len(kind.context)} alternatives"
        yield Violation(path, message, None, conditional)


_FORMATS = {"regex": "pattern that can be matched in linear time (nothing may look ahead or back)"}
_MESSAGES: dict[str, Callable[[Any], str]] = {
    "Constant": lambda kind: f"is not {shortened(kind.expected_value)}",
    "Enum": lambda kind: f"is none of {shortened(', '.join(map(shortened, kind.options)))}",
    "Minimum": lambda kind: f"is less than {kind.limit}",
    "Maximum": lambda kind: f"is more than {kind.limit}",
    "ExclusiveMinimum": lambda kind: f"is not more than {kind.limit}",
    "ExclusiveMaximum": lambda kind: f"is not less than {kind.limit}",
    "MultipleOf": lambda kind: f"is no multiple of {kind.multiple_of}",
    "MinLength": lambda kind: f"is shorter than {kind.limit} characters",
    "MaxLength": lambda kind: f"is longer than {kind.limit} characters",
    "Pattern": lambda kind: f"does not match {shortened(kind.pattern)}",
    "Format": lambda kind: f"is no {_FORMATS.get(kind.format, kind.format)}",
    "MinItems": lambda kind: f"has less than {kind.limit} items",
    "MaxItems": lambda kind: f"has more than {kind.limit} items",
    "UniqueItems": lambda _: "has equal items",
    "Contains": lambda _: "has too few or too many of the items it must have",
    "MinProperties": lambda kind: f"has less than {kind.limit} names",
    "MaxProperties": lambda kind: f"has more than {kind.limit} names",
    "PropertyNames": lambda _: "has a name that is not allowed",
    "FalseSchema": lambda _: "is not allowed",
    "UnevaluatedItems": lambda _: "has more items than are known",
    "AdditionalItems": lambda _: "has more items than are known",
    "OneOfMultipleValid": lambda _: "fits more than one of the alternatives, which exclude another",
    "Not": lambda _: "is just what it must not be",
}


def _message(error: jsonschema_rs.ValidationError) -> str:
    kind: Any = error.kind
    name = type(kind).__name__
    if name == "Type":
        wanted = " or ".join(KINDS[one] for one in kind.types)
        return f"is {kind_of(error.instance)}, not {wanted}"
    message = _MESSAGES.get(name)
    return message(kind) if message is not None else f"does not fit ({kind.name})"
