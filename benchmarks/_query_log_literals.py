"""Literals of every style, comments, and templates that are filled with them.

A template is filled by one `%` of pieces drawn beforehand: more than 100,000 statements a second.
"""

import random
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

CANARIES = (
    "vermilionheron",
    "quartzpangolin",
    "tangerinewalrus",
    "cobaltmarmoset",
    "Zwölferkarpfen",
    "saffron_ocelot",
    "4111-0223-9987-6650",
    "918273645546372",
    "60221.40857321",
)
"""Words and numbers that stand in literals and comments only: no output may hold one."""

_POOL_BITS = 11
_POOL = 1 << _POOL_BITS
_LAST = _POOL - 1
_LAYOUT_BITS = 5
_LAST_LAYOUT = (1 << _LAYOUT_BITS) - 1
_PLACE = re.compile("‹(\\w+)›")
_WORDS = (
    *("alpha", "bravo", "café", "delta", "Ünal", "fox-trot", "100%", "x_y", "north", "south"),
    *("O'Brien", "東京", "open", "closed", "back\\slash"),
)
_UNITS = ("day", "hour", "week", "month", "quarter", "year")
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")

Filler: TypeAlias = Callable[[random.Random], str]


def _words(draw: random.Random) -> str:
    words = draw.choices(_WORDS, k=draw.choice((1, 1, 1, 2)))
    if draw.random() < 0.3:
        words.insert(draw.randrange(len(words) + 1), draw.choice(CANARIES))
    return " ".join(words)


def _styled(content: str, draw: random.Random) -> str:
    """Write a string in one of PostgreSQL's styles."""
    style = draw.random()
    if style < 0.7:
        return "'" + content.replace("'", "''") + "'"
    if style < 0.8:
        return "E'" + content.replace("\\", "\\\\").replace("'", "\\'") + "\\n\\x41'"
    if style < 0.9:
        return f"$${content}$$"
    tag = f"$q{draw.randrange(9)}$"
    return f"{tag}{content}{tag}"


def _text(draw: random.Random) -> str:
    content = _words(draw)
    odd = draw.random()
    if odd < 0.05:
        content += " -- no comment; /* none either */"
    elif odd < 0.08:
        content += "\nsecond line"
    return _styled(content, draw)


def _number(draw: random.Random) -> str:
    style = draw.random()
    if style < 0.5:
        return str(draw.randrange(100_000))
    if style < 0.8:
        return f"{draw.uniform(0, 5_000):.2f}"
    if style < 0.9:
        return f"-{draw.randrange(1, 500)}"
    return draw.choice(("1e6", ".5", "12.", *CANARIES[-2:]))


def _list_of(one: Filler) -> Filler:
    def fill(draw: random.Random) -> str:
        return ", ".join(one(draw) for _ in range(draw.choice((1, 2, 2, 3, 3, 5, 12))))

    return fill


def _day(draw: random.Random) -> str:
    return f"{draw.randint(2019, 2025)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


def _quoted(content: Filler) -> Filler:
    return lambda draw: f"'{content(draw)}'"


def _time(draw: random.Random) -> str:
    zone = draw.choice(("", "+00", "+02:00", "Z"))
    return f"{_day(draw)} {draw.randrange(24):02}:{draw.randrange(60):02}:00{zone}"


def _key(draw: random.Random) -> str:
    return draw.choice(("status", "kind", "ref", "customer", draw.choice(CANARIES[:6])))


def _block_comment(draw: random.Random) -> str:
    inner = draw.choice(("", "/* inner */ ", "it's ", "; "))
    return f"/* {inner}request {draw.randrange(10_000)} by {draw.choice(CANARIES)} */"


def _line_comment(draw: random.Random) -> str:
    return f"-- '{draw.choice(CANARIES)} {draw.randrange(100)}\n"


FILLERS: Mapping[str, Filler] = {
    "text": _text,
    "texts": _list_of(_text),
    "pattern": lambda draw: _styled(f"%{_words(draw)}_%", draw),
    "number": _number,
    "numbers": _list_of(_number),
    "small": lambda draw: str(draw.randint(1, 200)),
    "date": _quoted(_day),
    "time": _quoted(_time),
    "interval": _quoted(lambda draw: f"{draw.randint(1, 90)} {draw.choice(_UNITS[:4])}s"),
    "unit": _quoted(lambda draw: draw.choice(_UNITS)),
    "zone": _quoted(lambda draw: draw.choice(_ZONES)),
    "format": _quoted(lambda draw: draw.choice(("YYYY-MM", "YYYY-MM-DD", "HH24:MI", "IYYY-IW"))),
    "key": _quoted(_key),
    "path": _quoted(lambda draw: f"{{{_key(draw)},{draw.randrange(9)}}}"),
    "json": _quoted(lambda draw: f'{{"{_key(draw)}": "{draw.choice(CANARIES)}"}}'),
    "array": _quoted(lambda draw: "{" + _list_of(lambda one: str(one.randrange(999)))(draw) + "}"),
    "comment": lambda draw: draw.choice((_block_comment, _block_comment, _line_comment))(draw),
}
"""What may stand for `‹…›`, and `comment`, which may stand for a space."""


@cache
def _pools(seed: int) -> dict[str, list[str]]:
    pools = {}
    for name, fill in FILLERS.items():
        draw = random.Random(f"{seed} {name}")
        pools[name] = [fill(draw) for _ in range(_POOL)]
    return pools


class Template:
    """A statement in several layouts, to be filled with literals.

    Whoever sends a statement sends it in one layout: 28 of 32 executions have that of the shape,
    the others more or less white space, or a comment. A few shapes always have a comment in front,
    as tracing libraries put it there.

    Args:
        text: With `‹…›` for literals, and line breaks where any white space may stand.
        seed: Of the literals, the layout, and where comments stand.
    """

    def __init__(self, text: str, seed: int) -> None:
        draw = random.Random(f"{seed} {text}")
        flat = text.replace("\n", " ")
        lines = text.replace("\n", "\n    ") + ";"
        gaps = text.split("\n")
        place = draw.randrange(len(gaps))
        inside = "\n".join(gaps[:place]) + " ‹comment› " + "\t".join(gaps[place:])
        around = f"‹comment› {flat.replace(' = ', '=').replace(', ', ',')}\n‹comment›"
        [usual] = draw.choices([flat, lines, f"‹comment› {flat}"], [70, 26, 4])
        odd = [lines, text.replace("\n", "  \n\n"), inside, around]
        self._layouts = [_compiled(usual, seed)] * 28 + [_compiled(one, seed) for one in odd]
        most = max(len(places) for _, places in self._layouts)
        self._bits = _LAYOUT_BITS + _POOL_BITS * most

    def fill(self, draw: random.Random) -> str:
        """Return the statement with literals drawn at random."""
        bits = draw.getrandbits(self._bits)
        template, places = self._layouts[bits & _LAST_LAYOUT]
        return template % tuple([pool[bits >> shift & _LAST] for pool, shift in places])


def _compiled(layout: str, seed: int) -> tuple[str, list[tuple[list[str], int]]]:
    """Return a layout for `%`, and for each literal its pool and which bits choose from it."""
    pools = _pools(seed)
    pieces = _PLACE.split(layout)
    template = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
    places = [
        (pools[name], _LAYOUT_BITS + _POOL_BITS * place) for place, name in enumerate(pieces[1::2])
    ]
    return template, places
