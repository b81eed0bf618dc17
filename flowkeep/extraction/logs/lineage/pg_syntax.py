"""PostgreSQL's syntax that sqlglot's parser does not know, said with tokens that it does know.

Only for statements that it has refused. What is left out makes no difference to lineage.
"""

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

_OPERATORS = frozenset({TokenType.LT, TokenType.GT, TokenType.LTE, TokenType.GTE})
_DEEPER = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE})
_UP = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END})


def known_syntax(tokens: Sequence[Token]) -> list[Token] | None:
    """Return tokens that mean the same for lineage, or None if there is nothing to change.

    Left out are OVERRIDING SYSTEM VALUE, the operator of ORDER BY … USING, and subscripts and
    fields in the column list of INSERT. WHERE CURRENT OF a cursor is true. A join in MERGE …
    USING gets parentheses.
    """
    kept = _in_parentheses(_without_subscripts(_simple(tokens)))
    return kept if len(kept) != len(tokens) else None


def _simple(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    skip = 0
    for index, token in enumerate(tokens):
        following = [one.text.upper() for one in tokens[index : index + 3]]
        if skip:
            skip -= 1
        elif following[:1] == ["OVERRIDING"] and following[2:] == ["VALUE"]:
            skip = 2
        elif following[:1] == ["USING"] and _is_operator(tokens[index + 1 : index + 2]):
            skip = 1
        elif following[:2] == ["CURRENT", "OF"]:
            skip = 2
            kept.append(Token(TokenType.TRUE, "TRUE", token.line, token.col, token.start))
        else:
            kept.append(token)
    return kept


def _is_operator(tokens: Sequence[Token]) -> bool:
    return bool(tokens) and tokens[0].token_type in _OPERATORS


def _without_subscripts(tokens: list[Token]) -> list[Token]:
    """Make `INSERT INTO t (a[1], b.c)` out of it: `INSERT INTO t (a, b)`."""
    start = _find(tokens, TokenType.INTO, 0, len(tokens))
    opening = _find(tokens, TokenType.L_PAREN, start, len(tokens)) if start is not None else None
    if opening is None:
        return tokens
    kept = tokens[: opening + 1]
    depth, brackets = 1, 0
    for index in range(opening + 1, len(tokens)):
        token = tokens[index]
        kind = token.token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if not depth:
            return kept + tokens[index:]
        brackets += kind == TokenType.L_BRACKET
        after_dot = TokenType.DOT in (kind, tokens[index - 1].token_type)
        if not brackets and not after_dot:
            kept.append(token)
        brackets -= kind == TokenType.R_BRACKET
    return tokens


def _in_parentheses(tokens: list[Token]) -> list[Token]:
    """Put the source of a MERGE in parentheses if it is a join."""
    merge = _find(tokens, TokenType.MERGE, 0, len(tokens))
    if merge is None:
        return tokens
    using = _find(tokens, TokenType.USING, merge, len(tokens))
    when = _find(tokens, TokenType.WHEN, merge, len(tokens))
    if using is None or when is None or _find(tokens, TokenType.JOIN, using, when) is None:
        return tokens
    end = using
    while (later := _find(tokens, TokenType.ON, end + 1, when)) is not None:
        end = later
    return [
        *tokens[: using + 1],
        Token(TokenType.L_PAREN, "("),
        *tokens[using + 1 : end],
        Token(TokenType.R_PAREN, ")"),
        *tokens[end:],
    ]


def _find(tokens: Sequence[Token], kind: TokenType, start: int, end: int) -> int | None:
    """Return where a kind of token first is, outside of parentheses and CASE."""
    depth = 0
    for index in range(start, end):
        found = tokens[index].token_type
        if found == kind and depth == 0:
            return index
        depth += (found in _DEEPER) - (found in _UP)
    return None
