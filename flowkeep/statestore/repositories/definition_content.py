"""What a definition consists of, checked before anything is written."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowkeep.contracts import Component, Problem
from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import components

LARGEST = 1024 * 1024
"""Most bytes of JSON of a spec or a canvas: Temporal must be able to carry them."""

_LARGEST_SCHEMA = 256 * 1024
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Content:
    """A checked spec, canvas and schemas, with what they use and what is wrong with them.

    Attributes:
        columns: By column of a version.
        components: The modules and steps.
        problems: What keeps it from being more than a draft.
    """

    columns: dict[str, Any]
    components: list[Component]
    problems: list[Problem]


def check(
    columns: Mapping[str, Any],
    modules: Sequence[str] | None,
    steps: Mapping[str, Sequence[str]] | None,
) -> Content:
    """Return content that can be stored.

    Args:
        columns: spec, canvas and schemas, as given.
        modules: The modules that the caller says it uses.
        steps: The steps by module that the caller says it uses.

    Raises:
        InvalidInput: If something cannot be stored, or is too big; names the path.
    """
    plain = {name: _sized(value, name) for name, value in columns.items()}
    used, problems = components.derive(plain["spec"], plain["canvas"], modules, steps)
    return Content(plain, used, problems)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise for the problems of what is to be more than a draft.

    Raises:
        InvalidInput: If there are any; lists the first ones.
    """
    found = list(problems)
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InvalidInput(
            "; ".join(str(problem) for problem in found[:_SHOWN]) + more,
            hint="correct it, or save it as a draft",
        )


def same(one: Any, other: Any, name: str) -> bool:
    """Return whether a column of a version stays as it is; in spec and canvas with its order."""
    if name in ("canvas", "spec"):
        return json.dumps(one) == json.dumps(other)
    return encoding.same(one, other)


def schema(value: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return a schema that can be stored.

    Raises:
        InvalidInput: If it is too big, or something in it cannot be stored.
    """
    plain: dict[str, Any] = _sized(dict(value), field)
    return plain


def _sized(value: Any, field: str) -> Any:
    plain = encoding.strict(value, field)
    size = len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    most = _LARGEST_SCHEMA if field.endswith("_schema") else LARGEST
    if size > most:
        raise InvalidInput(
            f"{field} has {size} bytes", hint=f"at most {most}; keep what is big in files"
        )
    return plain
