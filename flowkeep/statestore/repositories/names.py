"""Names of definitions: made from what people call them, and checked."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import count

from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs

LONGEST = 200
"""Most characters of a name that an index holds."""

_LONGEST_TAG = 100
_MOST_TAGS = 64
# Of Latin letters alone: elsewhere a mark makes another letter.
_ACCENTS = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")
_SEPARATORS = re.compile(r"[\W_]+")
_REF = re.compile(r"\w[\w.:/@-]*")


def slug_of(name: str) -> str:
    """Return the slug of a name: lower case, without accents, words joined by hyphens.

    Args:
        name: What people call it; a name without any letter or digit gives `definition`.
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", name))
    plain = unicodedata.normalize("NFC", plain.casefold())
    return _SEPARATORS.sub("-", plain)[:LONGEST].strip("-") or "definition"


def candidates(base: str) -> Iterator[str]:
    """Yield a name, then the same with -2, -3 and so on.

    Args:
        base: The first; cut where the number would make it too long.
    """
    yield base
    for number in count(2):
        ending = f"-{number}"
        yield base[: LONGEST - len(ending)] + ending


def first_free(base: str, taken: Collection[str]) -> str:
    """Return the first candidate that is not taken."""
    return next(one for one in candidates(base) if one not in taken)


def label(value: str, field: str) -> str:
    """Return a name for people: printable, at most 200 characters.

    Raises:
        InvalidInput: If it is anything else.
    """
    return _short(value, field, LONGEST)


def ref(value: str, field: str = "ref") -> str:
    """Return a name for programs: letters, digits and `. : / @ _ -`, at most 200.

    Raises:
        InvalidInput: If it is anything else.
    """
    if not _REF.fullmatch(_short(value, field, LONGEST)):
        raise InvalidInput(
            f"{field} is {value!r}",
            hint="use letters, digits and . : / @ _ - and begin with a letter or digit",
        )
    return value


def slug(value: str) -> str:
    """Return a slug as given.

    Raises:
        InvalidInput: If `slug_of` would not leave it as it is.
    """
    if slug_of(_short(value, "slug", LONGEST)) != value:
        raise InvalidInput(f"slug is {value!r}", hint=f"for example {slug_of(value)!r}")
    return value


def tags(values: Iterable[str]) -> list[str]:
    """Return tags, each once, in the given order.

    Raises:
        InvalidInput: If one is empty, longer than 100 characters or unprintable, or there are
            more than 64.
    """
    kept = list(dict.fromkeys(_short(v, f"tags[{i}]", _LONGEST_TAG) for i, v in enumerate(values)))
    if len(kept) > _MOST_TAGS:
        raise InvalidInput(f"tags are {len(kept)}", hint=f"use at most {_MOST_TAGS}")
    return kept


def _short(value: str, field: str, longest: int) -> str:
    inputs.name(value, field)
    if len(value) > longest:
        raise InvalidInput(f"{field} has {len(value)} characters", hint=f"use at most {longest}")
    return value
