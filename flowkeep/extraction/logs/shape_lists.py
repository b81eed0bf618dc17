"""Shortening lists of literals: IN lists, arrays and rows of VALUES."""

from flowkeep.extraction.logs.redact import Read

_OPENING = {"(": ")", "[": "]"}
_SIGNS = frozenset("+-.")  # the point of .5, which the tokens have apart
_BEFORE_SIGN = frozenset(
    {"(", "[", ",", "=", "<>", "!=", "<", ">", "<=", ">=", "*", "/", "%", "+", "-", "||", ":="}
    | {"SELECT", "WHERE", "AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "BETWEEN", "LIKE"}
    | {"IN", "LIMIT", "OFFSET", "RETURN", "SET", "BY"}
)
_CONSTANTS = frozenset({"NULL", "TRUE", "FALSE"})
_BEFORE_CONSTANT = frozenset({"(", "[", ",", "=", "THEN", "ELSE", "SELECT"})


def with_constants(read: Read) -> list[bool]:
    """Return which tokens are literals when NULL, TRUE and FALSE as values are literals too."""
    literal = list(read.literal)
    for index in range(1, len(read.tokens)):
        if read.source(index).upper() in _CONSTANTS:
            literal[index] = read.source(index - 1).upper() in _BEFORE_CONSTANT
    return literal


def signs(read: Read, literal: list[bool]) -> list[bool]:
    """Return which tokens are the sign of a literal, not an operator between two values."""
    found = [False] * len(read.tokens)
    for index in range(1, len(read.tokens) - 1):
        if read.source(index) in _SIGNS and literal[index + 1]:
            found[index] = read.source(index - 1).upper() in _BEFORE_SIGN
    return found


def shorten(
    read: Read, words: list[str | None], literal: list[bool], sign: list[bool]
) -> list[str | None]:
    """Return the words with lists of literals cut down to their first member.

    That are `IN (…)` and arrays with nothing but literals or rows of literals, and rows of VALUES
    that differ in literals only from the one before.

    Args:
        read: The statement.
        words: The word for each token; None leaves it out.
        literal: Which tokens are literals.
        sign: Which tokens are signs of literals.
    """
    words = list(words)
    closing = _brackets(read)
    index = 0
    while index < len(words):
        previous = read.source(index - 1).upper() if index else ""
        end = closing.get(index)
        if end is not None and previous == "VALUES":
            index = _drop_rows(read, words, literal, sign, closing, index)
        elif end is not None and (previous == "IN" or read.source(index) == "["):
            _drop_members(read, words, literal, sign, index, end)
        index += 1
    return words


def _brackets(read: Read) -> dict[int, int]:
    """Return the index of the closing bracket for each opening one."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for index in range(len(read.tokens)):
        word = read.source(index)
        if word in _OPENING:
            opened.append(index)
        elif opened and word == _OPENING[read.source(opened[-1])]:
            found[opened.pop()] = index
    return found


def _drop_members(
    read: Read,
    words: list[str | None],
    literal: list[bool],
    sign: list[bool],
    start: int,
    end: int,
) -> None:
    """Keep the first member of a list of literals only."""
    depth, first_ends = 0, None
    for index in range(start + 1, end):
        word = read.source(index)
        if word in _OPENING:
            depth += 1
        elif word in _OPENING.values():
            depth -= 1
        elif word == "," and depth == 0:
            first_ends = first_ends or index
        elif word != "," and not (literal[index] or sign[index]):
            return
    if first_ends is not None:
        words[first_ends:end] = [None] * (end - first_ends)


def _drop_rows(
    read: Read,
    words: list[str | None],
    literal: list[bool],
    sign: list[bool],
    closing: dict[int, int],
    start: int,
) -> int:
    """Drop the rows that are like the one before them; return where the last one ends."""

    def pattern(start: int, end: int) -> list[str]:
        return [
            "?" if literal[index] else read.source(index)
            for index in range(start, end + 1)
            if not sign[index]
        ]

    end = closing[start]
    last = pattern(start, end)
    while end + 2 < len(words) and read.source(end + 1) == "," and end + 2 in closing:
        comma, end = end + 1, closing[end + 2]
        row = pattern(comma + 1, end)
        if row == last:
            words[comma : end + 1] = [None] * (end + 1 - comma)
        last = row
    return end
