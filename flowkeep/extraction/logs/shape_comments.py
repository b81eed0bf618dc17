"""Comments of PostgreSQL's statements, as its manual has them: "Lexical Structure"."""

import re

_SPACE = " \t\r\n\f\v"
"""What is white space to PostgreSQL."""
_MAY_BEGIN = re.compile(r"--|/\*")
_EDGE = re.compile(r"/\*|\*/")
_ESCAPED = r"'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'"
_LEXEMES = re.compile(
    rf"""
    "[^"]*"
    | (?<![\w$\x80-\U0010ffff])[eE]{_ESCAPED}(?:[ \t\f\v]*+[\r\n]\s*+{_ESCAPED})*  # on more lines
    | '[^']*'
    | (?<![\w$\x80-\U0010ffff])
      \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?)\$.*?\$(?P=tag)\$
    | (?P<line> --[^\r\n]* )
    | (?P<block> /\* )
    """,
    re.DOTALL | re.VERBOSE | re.ASCII,
)
_SAME_LINE = " \t\f\v"


def may_hold(text: str) -> bool:
    """Tell by its characters whether a text may hold a comment."""
    return _MAY_BEGIN.search(text) is not None


def nested(text: str) -> int:
    """Return an upper bound of how deep comments are nested."""
    depth = deepest = 0
    for found in _EDGE.finditer(text):
        depth = depth + 1 if found[0] == "/*" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


def removed(text: str) -> str:
    """Return a statement with a space for each comment, and no white space around.

    Line breaks stay: two strings are one if there is one between them.

    Args:
        text: A statement that the parser accepts; else this may take time that grows with the
            square of its length.
    """
    if not may_hold(text):
        return text.strip(_SPACE)
    parts: list[str] = []
    begin = place = 0
    while (found := _LEXEMES.search(text, place)) is not None:
        place = found.end()
        if found["line"] is None and found["block"] is None:
            continue
        if found["block"] is not None:
            place = _end_of_block(text, place)
        parts.append(text[begin : found.start()].strip(_SAME_LINE))
        begin = place
    parts.append(text[begin:].strip(_SAME_LINE))
    return " ".join(filter(None, parts)).strip(_SPACE)


def _end_of_block(text: str, place: int) -> int:
    """Return where the comment ends of which a part has been read; comments nest."""
    depth = 1
    for edge in _EDGE.finditer(text, place):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
