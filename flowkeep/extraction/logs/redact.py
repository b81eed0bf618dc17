"""Taking literals and comments out of statements, by the tokens of sqlglot."""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token, TokenType
    from sqlglot.tokens import Tokenizer


_BARE_DOLLAR = re.compile(r"\$(?![0-9])")
"""Matches wherever a dollar quote begins, and elsewhere too."""


class Read(NamedTuple):
    """A statement's tokens.

    Attributes:
        text: The statement.
        tokens: Its tokens, without those that overlap an earlier one.
        literal: For each token, whether it is a literal or a part of one.
        commented: Whether anything but whitespace stands between tokens.
    """

    text: str
    tokens: "Sequence[Token]"
    literal: list[bool]
    commented: bool

    def source(self, index: int) -> str:
        """Return a token as it was written."""
        token = self.tokens[index]
        return self.text[token.start : token.end + 1]


class Reader:
    """Reads tokens, of one dialect. Not to be shared between threads.

    Args:
        dialect: The dialect, as sqlglot names it.

    Raises:
        ValueError: If there is no such dialect.
    """

    def __init__(self, dialect: str) -> None:
        from sqlglot.dialects.dialect import Dialect

        found = Dialect.get_or_raise(dialect)
        base = found.tokenizer_class
        # sqlglot reads what follows commands such as CALL as one string: here they are words.
        plain = type("PlainTokenizer", (base,), {"COMMANDS": set()})
        self._tokenizer = plain(dialect=found)
        self._dollars = self._tokenizer
        if dialect == "postgres":
            # sqlglot takes `$1,$` for the beginning of a dollar-quoted string.
            single = {**base.SINGLE_TOKENS, "$": token_types().parameter}
            more = {"COMMANDS": set(), "HEREDOC_STRINGS": [], "SINGLE_TOKENS": single}
            self._tokenizer = type("ParameterTokenizer", (base,), more)(dialect=found)

    def read(self, text: str) -> Read | None:
        """Return the tokens of a text, None when it cannot be read to its end."""
        found = self._tokens(text)
        if found is None:
            return None
        types = token_types()
        tokens: list[Token] = []
        literal: list[bool] = []
        commented, end, before = False, 0, None
        for token in found:
            start, kind = token.start, token.token_type
            if start < end or token.end < start:
                continue  # a part of a literal that was read as two tokens, for example 10L
            if start != end and not text[end:start].isspace():
                commented = True
            touching = start == end and before is not None
            if kind in types.literals:
                # The number of $1 is none.
                literal.append(
                    not (touching and kind is types.number and before is types.parameter)
                )
            elif kind is types.identifier:
                literal.append(False)  # names stay, whatever their quotes
            else:
                source = text[start : token.end + 1]
                # In doubt it is one: quotes, 1_000 and 0o17 in two tokens, $a$.
                literal.append(
                    "'" in source
                    or '"' in source
                    or source[0].isdigit()
                    or source.count("$") > 1
                    or (touching and literal[-1] and source[0].isidentifier())
                )
            tokens.append(token)
            end, before = token.end + 1, kind
        commented = commented or bool(text[end:].strip())
        return Read(text, tokens, literal, commented)

    def _tokens(self, text: str) -> "list[Token] | None":
        found = _tokens(self._tokenizer, text)
        if self._dollars is self._tokenizer:
            return found
        if found is None or (_BARE_DOLLAR.search(text) and _has_bare_dollar(found)):
            return _tokens(self._dollars, text)
        return found


def _tokens(tokenizer: "Tokenizer", text: str) -> "list[Token] | None":
    from sqlglot.errors import TokenError

    try:
        return tokenizer.tokenize(text)
    except (TokenError, ValueError, IndexError, RecursionError):
        return None


def _has_bare_dollar(tokens: "Sequence[Token]") -> bool:
    """Tell whether a `$` stands before something else than the number of a parameter."""
    types = token_types()
    return any(
        token.token_type is types.parameter
        and token.text == "$"
        and (
            index + 1 == len(tokens)
            or tokens[index + 1].token_type is not types.number
            or tokens[index + 1].start != token.end + 1
        )
        for index, token in enumerate(tokens)
    )


class TokenTypes(NamedTuple):
    """Kinds of tokens that matter here."""

    identifier: "TokenType"
    number: "TokenType"
    variable: "TokenType"
    parameter: "TokenType"
    literals: "frozenset[TokenType]"


@cache
def token_types() -> TokenTypes:
    """Return the kinds of tokens that matter here, so that sqlglot is imported when needed."""
    from sqlglot.tokenizer_core import TokenType

    names = (
        "STRING NUMBER BIT_STRING HEX_STRING BYTE_STRING NATIONAL_RAW_STRING NATIONAL_STRING "
        "RAW_STRING HEREDOC_STRING UNICODE_STRING COMMAND_STRING"
    )
    known = TokenType.__members__
    return TokenTypes(
        TokenType.IDENTIFIER,
        TokenType.NUMBER,
        TokenType.VAR,
        TokenType.PARAMETER,
        frozenset(known[name] for name in names.split() if name in known),
    )


def rewritten(read: Read, words: Sequence[str | None]) -> str:
    """Return the statement with other words, and a space in the place of each comment.

    Args:
        read: The statement.
        words: What to write for each token; None leaves it out.
    """
    out: list[str] = []
    end = 0
    for token, word in zip(read.tokens, words, strict=True):
        if word is not None:
            gap = read.text[end : token.start]
            out += (gap if gap == "" or gap.isspace() else " ", word)
        end = token.end + 1
    return "".join(out).strip()


def sources(read: Read) -> list[str | None]:
    """Return the tokens as they were written."""
    return [read.source(index) for index in range(len(read.tokens))]


def numbered(read: Read, spared: Collection[int] = ()) -> list[str | None]:
    """Return the words with literals as `$n`, counted on behind the parameters that are there.

    Args:
        read: The statement.
        spared: Characters at which literals stand that are none, such as those of `varchar(10)`.
    """
    words = sources(read)
    number = max(_parameters(read), default=0)
    inside = False
    for index, token in enumerate(read.tokens):
        if not read.literal[index] or token.start in spared:
            inside = False
        elif inside and read.tokens[index - 1].end + 1 == token.start:
            words[index] = ""  # the rest of 1_000
        else:
            inside = True
            number += 1
            words[index] = f"${number}"
    return words


def _parameters(read: Read) -> Iterable[int]:
    parameter = token_types().parameter
    for index in range(1, len(read.tokens)):
        word = read.source(index)
        # Longer ones are none that PostgreSQL takes.
        if read.tokens[index - 1].token_type is parameter and word.isdigit() and len(word) < 10:
            yield int(word)


def is_clean(read: Read, spared: Collection[int] = ()) -> bool:
    """Tell whether a statement holds neither literal nor comment, nor a `$` of its own."""
    if read.commented or _has_bare_dollar(read.tokens):
        return False
    return all(
        not literal or token.start in spared
        for token, literal in zip(read.tokens, read.literal, strict=True)
    )
