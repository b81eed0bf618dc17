"""How deep a statement may nest, told from its tokens before a parser recurses over it."""

from dataclasses import dataclass
from typing import NamedTuple

from flowkeep.extraction.logs.redact import Read

_OPENING = frozenset({"(", "[", "{", "CASE"})
_CLOSING = frozenset({")", "]", "}", "END"})
_ENDING = frozenset(
    {",", ";", "AND", "OR", "WHEN", "THEN", "ELSE", "SELECT", "FROM", "WHERE", "ON", "GROUP BY"}
    | {"ORDER BY", "SET", "VALUES"}
)
_CHAINING = frozenset({"UNION", "INTERSECT", "EXCEPT", "MINUS", "JOIN"})
_BRACKET_LEVELS = 2
"""Levels of a parse tree for one of brackets: what they belong to, and a list in them."""


class Depth(NamedTuple):
    """Upper bounds.

    Attributes:
        brackets: Levels of brackets, and of CASE … END.
        tree: Levels of the parse tree.
    """

    brackets: int
    tree: int


@dataclass(slots=True)
class _Level:
    """What is between two brackets, or outside of all.

    Attributes:
        chain: Tokens since the last separator; each may be an operator, thus a level.
        inner: The deepest brackets since then.
        done: The deepest part before it.
        chained: Joins and set operations, which nest across separators.
        between: Whether the next AND belongs to a BETWEEN.
    """

    chain: int = 0
    inner: int = 0
    done: int = 0
    chained: int = 0
    between: bool = False

    def end_part(self) -> None:
        """Begin the next part of a flat list."""
        self.done = max(self.done, self.chain + self.inner)
        self.chain = self.inner = 0

    def depth(self) -> int:
        """Return the levels of the parse tree here."""
        return max(self.done, self.chain + self.inner) + self.chained + _BRACKET_LEVELS


def depth_of(read: Read) -> Depth:
    """Return bounds of how deep parsers nest a statement.

    Operators nest to the left, `a + b + c` two levels deep, until a comma, a clause or a logical
    operator, whose operands parsers keep in flat lists.
    """
    levels = [_Level()]
    brackets = 0
    for token in read.tokens:
        word = token.text.upper() if len(token.text) < 10 else ""
        here = levels[-1]
        if word in _OPENING:
            levels.append(_Level())
            brackets = max(brackets, len(levels) - 1)
        elif word in _CLOSING:
            if len(levels) > 1:
                _close(levels)
        elif word == "AND" and here.between:
            here.between = False
        elif word in _ENDING:
            here.end_part()
        elif word in _CHAINING:
            here.chained += 1
        else:
            here.between = here.between or word == "BETWEEN"
            here.chain += 1
    while len(levels) > 1:
        _close(levels)
    return Depth(brackets, levels[0].depth())


def _close(levels: list[_Level]) -> None:
    closed = levels.pop()
    levels[-1].inner = max(levels[-1].inner, closed.depth())
