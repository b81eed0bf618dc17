"""Comments of PostgreSQL's statements, as its manual has them: "Lexical Structure"."""

import re

_MAY_BEGIN = re.compile(r"--|/\*")
_EDGE = re.compile(r"/\*|\*/")
_NAME_OR_COMMENT = re.compile(r'"[^"]*"|--[^\r\n]*|/\*.*?\*/', re.DOTALL)
_MAY_BEGIN_STRING = re.compile(r"'|\$(?!\d)")
SPACE = " \t\r\n\f\v"
"""What is white space to PostgreSQL."""


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


def removed(text: str) -> str | None:
    """Return a statement with a space for each comment, whatever whitespace was around it.

    Args:
        text: A statement that the parser accepts.

    Returns:
        None where characters alone do not tell: in a text with strings, or comments in comments.
    """
    parts: list[str] = []
    end = 0
    for found in _NAME_OR_COMMENT.finditer(text):
        if found[0][0] == '"':
            continue
        if "/*" in found[0][2:]:
            return None
        parts.append(text[end : found.start()].strip(SPACE))
        end = found.end()
    parts.append(text[end:].strip(SPACE))
    bare = " ".join(filter(None, parts))
    # Up to the first of them nothing was misread, so without one nothing was.
    return bare if _MAY_BEGIN_STRING.search(bare) is None else None
