"""How much work a JSON Schema makes: its parts, with references written out.

References to references double the work with each level, without making the text much longer.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MOST_WEIGHT = 100_000
"""Most parts."""


def weight(schema: Mapping[str, Any]) -> int:
    """Return how many parts a schema has when its references are written out.

    What leads back to itself counts once: how often it is applied is up to the value.
    """
    known: dict[str, int] = {}

    def of(part: Any) -> int:
        if isinstance(part, list):
            return sum(of(one) for one in part)
        if not isinstance(part, dict):
            return 0
        total = 1 + sum(of(one) for name, one in part.items() if name not in ("$defs", "enum"))
        reference = part.get("$ref", part.get("$dynamicRef"))
        return total + (of_reference(reference) if isinstance(reference, str) else 0)

    def of_reference(reference: str) -> int:
        if reference not in known:
            known[reference] = 1
            known[reference] = of(resolve(schema, reference))
        return known[reference]

    return of(schema)


def resolve(schema: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference like `#/$defs/name` leads to, or None (RFC 6901)."""
    place: Any = schema
    if reference == "#":
        return place
    if not reference.startswith("#/"):
        return None
    for step in unquote(reference[2:]).split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping):
            place = place.get(name)
        elif isinstance(place, list) and name.isdigit() and int(name) < len(place):
            place = place[int(name)]
        else:
            return None
    return place
