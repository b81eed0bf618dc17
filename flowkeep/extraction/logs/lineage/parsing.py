"""Parsing redacted statements with sqlglot: placeholders for literals, and limits on nesting.

Imports sqlglot with the module: only processes that parse import it.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from flowkeep.extraction.logs.lineage.model import ParseFailure
from flowkeep.extraction.logs.lineage.pg_syntax import known_syntax

# Its warnings quote the statement.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)

_LITERAL = "1 day"
"""Stands for every literal: it may be a string, and the length of an interval."""
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END})
_NOTABLE = _OPENING | _CLOSING | {TokenType.JOIN, TokenType.NUMBER, TokenType.IDENTIFIER}
_DEEPEST = 400
"""Parentheses and the like within each other: more may exhaust the stack inside compiled code."""
_DEEPEST_ARRAY = 12
"""Brackets within each other: the parser's time doubles with each."""
_LONGEST_CHAIN = 100
"""Brackets behind each other: the parser's time grows with the cube."""
_MOST_JOINS = 5_000


class _RedactedPostgres(Postgres):
    """PostgreSQL's SQL in which `$1` is a placeholder, also in front of another one."""

    class Tokenizer(Postgres.Tokenizer):
        COMMANDS: ClassVar[set[TokenType]] = set()  # of which only the first word would be a token
        HEREDOC_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
        SINGLE_TOKENS: ClassVar[dict[str, TokenType]] = {
            **Postgres.Tokenizer.SINGLE_TOKENS,
            "$": TokenType.PARAMETER,
        }
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            **Postgres.Tokenizer.KEYWORDS,
            # In a function's arguments `->` would begin a lambda; `#>` is read like it elsewhere.
            "->": TokenType.HASH_ARROW,
        }


@cache
def dialect_of(name: str) -> Dialect:
    """Return sqlglot's dialect for redacted text."""
    return _RedactedPostgres() if name == "postgres" else Dialect.get_or_raise(name)


def tokens_of(sql: str, dialect: str) -> list[Token]:
    """Return a text's tokens, with one string for each placeholder.

    PostgreSQL takes strings in places where it takes no placeholders, such as `date '…'`.

    Raises:
        ParseFailure: If the text is no SQL, or nested too deep.
    """
    try:
        found = dialect_of(dialect).tokenize(sql)
    except TokenError:
        raise ParseFailure("truncated", len(sql)) from None
    tokens: list[Token] = []
    counts = _Nesting()
    previous = None
    for token in found:
        kind = token.token_type
        if kind in _NOTABLE:
            if kind == TokenType.NUMBER:
                if previous == TokenType.PARAMETER:
                    tokens[-1] = _placeholder(token)
                    previous = kind
                    continue
            elif kind == TokenType.IDENTIFIER:
                if dialect == "postgres" and sql[token.start - 2 : token.start].upper() == "U&":
                    raise ParseFailure("unsupported", token.start + 1)  # U&"…": has escapes
            else:
                counts.count(token, kind, previous)
        tokens.append(token)
        previous = kind
    return tokens


def _placeholder(token: Token) -> Token:
    return Token(TokenType.STRING, _LITERAL, token.line, token.col, token.start, token.end)


class _Nesting:
    """Counts what is nested, and fails where it goes too deep."""

    __slots__ = ("arrays", "chain", "depth", "joins")

    def __init__(self) -> None:
        self.depth = self.arrays = self.chain = self.joins = 0

    def count(self, token: Token, kind: TokenType, previous: TokenType | None) -> None:
        """Count one token."""
        if kind in _CLOSING:
            self.depth -= 1
            self.arrays -= kind == TokenType.R_BRACKET
            return
        if kind == TokenType.JOIN:
            self.joins += 1
        else:
            self.depth += 1
        if kind == TokenType.L_BRACKET:
            self.arrays += 1
            self.chain = self.chain + 1 if previous == TokenType.R_BRACKET else 0
        if (
            self.depth > _DEEPEST
            or self.arrays > _DEEPEST_ARRAY
            or self.chain > _LONGEST_CHAIN
            or self.joins > _MOST_JOINS
        ):
            raise ParseFailure("too_deep", token.start + 1)


def trees_of(tokens: list[Token], sql: str, dialect: str) -> list[exp.Expr]:
    """Return the syntax trees of the statements in a text.

    Raises:
        ParseFailure: If the parser does not understand it.
    """
    try:
        trees = dialect_of(dialect).parser().parse(tokens, sql)
    except ParseError as error:
        known = known_syntax(tokens) if dialect == "postgres" else None
        if known is not None:
            return trees_of(known, sql, dialect)
        raise ParseFailure(*_reason(error, tokens)) from None
    except RecursionError:
        raise ParseFailure("too_deep") from None
    except (
        TokenError,
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ):
        raise ParseFailure("unsupported") from None
    return [tree for tree in trees if tree is not None]


def _reason(error: ParseError, tokens: Sequence[Token]) -> tuple[str, int | None]:
    """Return code and position: a text that its last token makes wrong ends too early."""
    details = error.errors[0] if error.errors else {}
    line, column = details.get("line"), details.get("col")
    for index, token in enumerate(tokens):
        if token.line == line and token.col == column:
            last = index == len(tokens) - 1
            return ("truncated" if last else "syntax"), token.start + 1
    return "syntax", None


def inner_query(tokens: list[Token]) -> list[Token] | None:
    """Return the query inside EXPLAIN, DECLARE, PREPARE or CREATE … AS; None if there is none."""
    words = [token.text.upper() for token in tokens[:2]]
    if words[:1] == ["EXPLAIN"]:
        start = 1
        if words[1:] == ["("]:
            start = 1 + next(
                (i for i, one in enumerate(tokens) if one.token_type == TokenType.R_PAREN), 0
            )
        while start < len(tokens) and tokens[start].text.upper() in ("ANALYZE", "VERBOSE"):
            start += 1
        return tokens[start:]
    if words[:1] not in (["DECLARE"], ["PREPARE"], ["CREATE"]):
        return None
    opens = "FOR" if words[0] == "DECLARE" else "AS"
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0 and token.text.upper() == opens and token.token_type != TokenType.IDENTIFIER:
            return _without_options(tokens[index + 1 :])
    return None


def _without_options(tokens: list[Token]) -> list[Token]:
    """Cut off WITH [NO] DATA and WITH … CHECK OPTION at the end."""
    for length in (2, 3, 4):
        words = [token.text.upper() for token in tokens[-length:]]
        if words[:1] == ["WITH"] and words[-1] in ("DATA", "OPTION"):
            return tokens[:-length]
    return tokens
