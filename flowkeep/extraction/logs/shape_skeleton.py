"""A name under which statements that differ in their literals only are remembered.

It spares PostgreSQL's parser for most of a log, whose statements come again and again. Nothing is
redacted by it: what is remembered was made by the parser, for the first statement of the name. So
it may tell apart what is alike, and never the other way round; a text in which it is hard to tell
where a literal begins or ends has no such name.

What begins a literal, a comment or a quoted name follows PostgreSQL's manual, "Lexical Structure".
"""

import re
from string import ascii_uppercase

_STRING_HERE, _NUMBER_HERE = "\x01", "\x02"
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What is no white space to PostgreSQL, or would look like our own placeholders."""
_STRING = re.compile(r"'[^']*(?:''[^']*)*'")
_NUMBER = re.compile(r"[.0-9](?<=[ (,=<>+*/-][.0-9])[.0-9]*(?:[eE][+-]?[0-9]+)?(?![\w\"])")
_LEXEMES = re.compile(
    r"""
    [-/"'$.0-9]  # in front, so that the search runs from one of these to the next
    (?:
        (?P<comment> (?<=-)-[^\r\n]* | (?<=/)\*.*?\*/ )
        | (?P<name> (?<=")[^"]*" )
        | (?P<string>
            (?<=(?<![\w$])[eE]')[^'\\]*(?:(?:''|\\.)[^'\\]*)*'
            | (?<=')[^']*(?:''[^']*)*'
            | (?<=(?<![\w$])\$)(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
        )
        | (?<=[0-9])(?<![\w.$"][0-9])[0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?(?![\w."])
        | (?<=\.)(?<![\w.$"\]\)]\.)[0-9]+(?:[eE][+-]?[0-9]+)?(?![\w."])
    )
    """,
    re.DOTALL | re.VERBOSE | re.ASCII,
)
_SIGN = re.compile(r"(?<=[(,])-(?=\x02)|(?<=[(,=<>] )-(?=\x02)")
"""What the parser makes a part of the number behind it: nothing to subtract from stands before."""
_ESCAPES = re.compile(r"(?<![\w$])[eE](?=\x01)", re.ASCII)
_LEFT_OVER = re.compile(r"'|--|/\*|\*/|\$(?![0-9])")
_LIST = re.compile(r"[\x01\x02](?:\s*,\s*-?[\x01\x02])+", re.ASCII)
_PARAMETER = re.compile(r'"[^"]*"|(?<![\w$\x80-\U0010ffff])\$[0-9]+', re.ASCII)
_QUOTED = re.compile(r'("[^"]*")')
_SPACE = re.compile(r"[\t-\r]\s*| \s+", re.ASCII)
"""White space but a single blank."""
_IN = re.compile(r"(?<![\w$.\x80-\U0010ffff])IN\s*\(\s*-?$", re.IGNORECASE | re.ASCII)
_LONGEST_IN = 16
_END = re.compile(r"\s*\)", re.ASCII)
_LOWER = {ord(letter): letter.lower() for letter in ascii_uppercase}
"""As PostgreSQL folds names: a letter that is not ASCII stays as it is."""
_AROUND = re.compile(r" (?=[(),;=<>+*/|.-])|(?<=[(),;=<>+*/|.-]) ")
_ROWS = re.compile(r"(\(-?\x01(?:,-?\x01)*\))(?:,\1)+")


def skeleton(text: str) -> str | None:
    """Return a statement with a placeholder for each literal and each IN list of literals.

    Args:
        text: The statement.

    Returns:
        None for a text in which anything is hard to tell: one with names that are not ASCII, for
        example, since PostgreSQL takes most other characters for letters.
    """
    if _ODD.search(text) is not None:
        return None
    quoted = '"' in text
    if quoted or any(sign in text for sign in ("--", "/*", "\\", "$")):
        bare = _LEXEMES.sub(_replaced, text)
        if _LEFT_OVER.search(bare) is not None:  # also in a quoted name
            return None
        if "\\" in text:
            bare = _ESCAPES.sub("", bare)
    else:
        bare = _NUMBER.sub(_NUMBER_HERE, _STRING.sub(_STRING_HERE, text))
        if "'" in bare:  # its end is missing
            return None
    if not bare.isascii():
        return None
    if not quoted and ("\n" in bare or "  " in bare or "\t" in bare):
        bare = " ".join(bare.split())
    if "\x01 \x01" in bare:  # one string or an error: white space decides
        return None
    if "-\x02" in bare:
        bare = _SIGN.sub("", bare)
    if "\x01," in bare or "\x02," in bare:
        bare = _LIST.sub(_first_of_list, bare)
    return bare.rstrip("; ")


def unnumbered(normal: str) -> str:
    """Return a name for a normalised text: no numbers of parameters, short IN lists and spaces.

    Args:
        normal: A text in which the parser has put `$n` for each literal it can.

    Returns:
        The text as it is where a literal is left, or anything else may be misread.
    """
    if _ODD.search(normal) is not None or _LEFT_OVER.search(normal) is not None:
        return normal
    if normal.isascii() and '"' not in normal:
        normal = " ".join(normal.split())
    return _without_numbers(normal)


def _without_numbers(normal: str) -> str:
    return _LIST.sub(_first_of_list, _PARAMETER.sub(_name_or_here, normal))


def structure(normal: str) -> str:
    """Return what tells statements apart which the parser's fingerprint does not.

    The fingerprint knows neither the order of what is selected nor aliases, which decide what goes
    into which column. White space, case, and the number of rows in VALUES say nothing.

    Args:
        normal: A text with `$n` for each literal.
    """
    name = _without_numbers(normal).strip("; \t\r\n\f\v")
    parts = _QUOTED.split(name)
    parts[::2] = [_AROUND.sub("", _SPACE.sub(" ", part)).translate(_LOWER) for part in parts[::2]]
    return _ROWS.sub(r"\1", "".join(parts))


def _name_or_here(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == '"' else _STRING_HERE


def _replaced(found: re.Match[str]) -> str:
    if found["name"] is not None:
        return found[0]
    if found["comment"] is not None:
        return " "
    return _NUMBER_HERE if found["string"] is None else _STRING_HERE


def _first_of_list(found: re.Match[str]) -> str:
    """Cut a list of literals to one member behind IN, where alone its length says nothing."""
    begin, end = found.span()
    window = max(0, begin - _LONGEST_IN)
    behind_in = _IN.search(found.string, window, begin)
    whole = _END.match(found.string, end) is not None  # its last member is no part of a sum
    return found[0][0] if behind_in is not None and whole else found[0]
