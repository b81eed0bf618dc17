r"""Regular expressions that mean the same in every engine that a filter may run in.

A filter is applied by the source (PostgreSQL, MariaDB, MySQL, SQLite) and again here, to judge
what the source left out. These engines agree on less than it seems: what `\d` and letter case
mean depends on flags and locales, `\b` is a word's edge in one and a backspace in another, `[[:`
opens a class or a set. So an expression is read by the grammar below and written anew in the part
that all of them read alike; whatever has no place in that part is refused with a reason.

Understood: literals, `.` (any character, line breaks too), `[...]` with ranges and classes like
`[:alnum:]`, `\d \w \s` and their opposites (all of ASCII), `\n \t \r \f \v`, a backslash
before punctuation, `^`, `$`, `|`, groups, and the quantifiers `* + ? {m} {m,} {m,n}`. No look
around and no back references: without them an expression takes linear time, whatever it is.
"""

import re

_MOST_REPEATS = 255
"""Largest bound of a quantifier, PostgreSQL's DUPMAX."""
_MOST_NESTED = 1_000
"""Largest product of nested bounds, RE2's."""

_CLASSES = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
    "s": (("\t", "\r"), (" ", " ")),
}
_NAMED = {
    "alpha": (("A", "Z"), ("a", "z")),
    "digit": (("0", "9"),),
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "upper": (("A", "Z"),),
    "lower": (("a", "z"),),
    "space": (("\t", "\r"), (" ", " ")),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_BOUNDS = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}")

_Range = tuple[str, str]


def portable(pattern: str, *, insensitive: bool = False) -> str:
    """Rewrite an expression in the part that all engines read alike.

    Args:
        pattern: The expression; it need not be anchored.
        insensitive: Whether `A` to `Z` and `a` to `z` count as equal; other letters never do.

    Returns:
        The expression without captures. It still has to be anchored on both sides.

    Raises:
        ValueError: If it is wrong or beyond this part; says where and what to write instead.
    """
    return _Reader(pattern, insensitive).read()


def literal(text: str, *, insensitive: bool = False) -> str:
    """Return the expression for a text that stands for itself."""
    return "".join(_one(character, insensitive) for character in text)


def wildcards(glob: str, *, insensitive: bool = False) -> str:
    """Return the expression for a glob: `*` any characters, `?` one, all others themselves."""
    special = {"*": ".*", "?": "."}
    return "".join(special.get(one) or _one(one, insensitive) for one in re.sub(r"\*+", "*", glob))


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, pattern: str, insensitive: bool) -> None:
        self._pattern = pattern
        self._insensitive = insensitive
        self._at = 0
        self._out: list[str] = []
        self._cost = 0  # of the last atom, in repeats; 0 when there is none to repeat
        self._groups: list[int] = []  # dearest atom so far, of each open group
        self._dearest = 1

    def read(self) -> str:
        steps = {"[": self._set, "(": self._open, ")": self._close, "{": self._bounds}
        steps |= dict.fromkeys("*+?", self._repeat) | dict.fromkeys("^$|", self._border)
        while self._at < len(self._pattern):
            steps.get(self._pattern[self._at], self._atom)()
        if self._groups:
            raise self._error("a parenthesis is not closed")
        return "".join(self._out)

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{what} (at character {self._at + 1})")

    def _take(self, what: str = "the expression ends too early") -> str:
        if self._at >= len(self._pattern):
            raise self._error(what)
        self._at += 1
        return self._pattern[self._at - 1]

    def _emit(self, text: str, cost: int = 1) -> None:
        self._out.append(text)
        self._cost = cost
        self._dearest = max(self._dearest, cost)

    def _atom(self) -> None:
        character = self._take()
        if character == ".":
            self._emit(".")
        elif character != "\\":
            self._emit(_one(character, self._insensitive))
        else:
            escaped = self._take("a backslash has nothing behind it")
            if escaped.lower() in _CLASSES:
                self._emit(_set(list(_CLASSES[escaped.lower()]), negated=escaped.isupper()))
            else:
                self._emit(_one(self._escaped(escaped), self._insensitive))

    def _escaped(self, character: str) -> str:
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character.isascii() and character.isalnum():
            self._at -= 1
            raise self._error(
                f"\\{character} does not mean the same everywhere; use \\d, \\w, \\s or plain "
                "characters"
            )
        return character

    def _border(self) -> None:
        self._emit(self._take())
        self._cost = 0

    def _open(self) -> None:
        self._take()
        if self._pattern.startswith("?", self._at):
            if not self._pattern.startswith("?:", self._at):
                raise self._error(
                    "(? opens only groups like (?:a|b); instead of looking around write another "
                    "rule, instead of (?i) set case to insensitive"
                )
            self._at += 2
        self._out.append("(?:")
        self._groups.append(self._dearest)
        self._dearest, self._cost = 1, 0

    def _close(self) -> None:
        if not self._groups:
            raise self._error("a parenthesis was never opened")
        self._take()
        inner, self._dearest = self._dearest, self._groups.pop()
        self._emit(")", inner)

    def _repeat(self) -> None:
        if not self._cost:
            raise self._error(f"{self._pattern[self._at]} has nothing to repeat")
        self._out.append(self._take())
        self._end_of_repeat()

    def _bounds(self) -> None:
        found = _BOUNDS.match(self._pattern, self._at)
        if found is None:
            raise self._error("{ opens a quantifier like {3} or {1,3}; write \\{ for a brace")
        if not self._cost:
            raise self._error(f"{found[0]} has nothing to repeat")
        least, most = int(found[1]), int(found[3] or found[1])
        if not least <= most <= _MOST_REPEATS:
            raise self._error(f"the bounds of {found[0]} are not in order or above {_MOST_REPEATS}")
        cost = self._cost * max(most, 1)
        if cost > _MOST_NESTED:
            raise self._error(f"nested quantifiers multiply to more than {_MOST_NESTED}")
        self._at = found.end()
        self._emit(found[0], cost)
        self._end_of_repeat()

    def _end_of_repeat(self) -> None:
        self._cost = 0
        if self._pattern.startswith("?", self._at):
            self._at += 1  # a lazy quantifier: no difference when the whole name must match

    def _set(self) -> None:
        self._take()
        negated = self._pattern.startswith("^", self._at)
        self._at += negated
        ranges: list[_Range] = []
        first = True
        while first or not self._pattern.startswith("]", self._at):
            ranges += self._item()
            first = False
        self._take()
        self._emit(_set(ranges, negated=negated, insensitive=self._insensitive))

    def _item(self) -> tuple[_Range, ...]:
        low = self._member()
        if isinstance(low, tuple):
            return low
        behind = self._pattern[self._at : self._at + 2]
        if not behind.startswith("-") or behind == "-]":
            return ((low, low),)
        self._take()
        high = self._member()
        if isinstance(high, tuple) or high < low:
            raise self._error("a range in [ ] is not in order")
        return ((low, high),)

    def _member(self) -> str | tuple[_Range, ...]:
        """Return one character of a set, or the ranges of a class."""
        unclosed = "a [ is not closed; write \\[ for a bracket"
        character = self._take(unclosed)
        if character == "[":
            named = re.compile(r":([a-z]+):\]").match(self._pattern, self._at)
            if named is None or named[1] not in _NAMED:
                raise self._error(
                    f"[ inside [ ] opens only {', '.join(f'[:{name}:]' for name in _NAMED)}; "
                    "write \\[ for a bracket"
                )
            self._at = named.end()
            return _NAMED[named[1]]
        if character != "\\":
            return character
        escaped = self._take(unclosed)
        if escaped in _CLASSES:
            return _CLASSES[escaped]
        return self._escaped(escaped)


def _one(character: str, insensitive: bool) -> str:
    if insensitive and character.isascii() and character.isalpha():
        return f"[{character.upper()}{character.lower()}]"
    return f"\\{character}" if character in r"\.[]{}()*+?^$|" else character


def _set(ranges: list[_Range], *, negated: bool, insensitive: bool = False) -> str:
    if insensitive:
        ranges = [*ranges, *(other for one in ranges for other in _other_case(one))]
    written = dict.fromkeys(
        _member(low) if low == high else f"{_member(low)}-{_member(high)}" for low, high in ranges
    )
    return f"[{'^' if negated else ''}{''.join(written)}]"


def _other_case(letters: _Range) -> list[_Range]:
    found = []
    for first, last, change in (("a", "z", str.upper), ("A", "Z", str.lower)):
        low, high = max(letters[0], first), min(letters[1], last)
        if low <= high:
            found.append((change(low), change(high)))
    return found


def _member(character: str) -> str:
    return f"\\{character}" if character in r"\[]^-&~|" else character
