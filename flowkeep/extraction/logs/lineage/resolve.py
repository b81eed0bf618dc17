"""Resolving a statement: from its text to what it reads and writes, in one pass.

PostgreSQL's SQL is parsed twice: by PostgreSQL's parser, which knows what the statement is and
which tables it names, and by sqlglot's, whose tree is resolved. Where the two disagree on the
tables, or only the first one understands the statement, the tables are those of PostgreSQL's, no
columns are told, and a problem says so.
"""

from collections.abc import Sequence
from typing import Any

from sqlglot.tokenizer_core import Token, TokenType

from flowkeep.extraction.logs.lineage.facts import Facts
from flowkeep.extraction.logs.lineage.model import Catalogue, Lineage, ParseFailure
from flowkeep.extraction.logs.lineage.parsing import tokens_of, trees_of
from flowkeep.extraction.logs.lineage.pg_statements import kind_of, run_postgres, tables_only
from flowkeep.extraction.logs.lineage.pg_tables import parse_tree, table_set
from flowkeep.extraction.logs.lineage.queries import query
from flowkeep.extraction.logs.lineage.statements import run


def resolve(
    sql: str,
    dialect: str,
    catalogue: Catalogue,
    *,
    database: str | None,
    search_path: Sequence[str],
) -> Lineage:
    """Return what a text reads and writes.

    Args:
        sql: One statement, or several; literals may be replaced by `$1`, `$2`, ….
        dialect: Its SQL, as sqlglot names it.
        catalogue: The tables and views that its names are looked up in.
        database: Where it ran; None if that is not known.
        search_path: Schemas in which names without one are looked for, first one first.

    Raises:
        ParseFailure: If the text cannot be parsed, or is nested too deep.
    """
    facts = Facts(catalogue, dialect, database, search_path, query)
    try:
        tree = _postgres_tree(sql) if dialect == "postgres" else None
        if tree is not None:
            return _by_postgres(sql, tree, facts)
        trees = trees_of(tokens_of(sql, dialect), sql, dialect)
        return facts.lineage(_kind([run(one, facts) for one in trees]))
    except RecursionError:
        raise ParseFailure("too_deep") from None


def _kind(kinds: Sequence[str]) -> str:
    return kinds[0] if len(kinds) == 1 else "batch" if kinds else "empty"


def _postgres_tree(sql: str) -> list[dict[str, Any]] | None:
    """Return PostgreSQL's tree, or None if it is too deep for Python, not for PostgreSQL.

    A long chain of operators or set operations is such a tree; the other parser takes it.
    """
    try:
        return parse_tree(sql)
    except ParseFailure as failure:
        if failure.code == "too_deep" and failure.position is None:
            return None
        raise


def _by_postgres(sql: str, tree: Sequence[dict[str, Any]], facts: Facts) -> Lineage:
    nodes = [one["stmt"] for one in tree if "stmt" in one]
    kind = _kind([kind_of(node) for node in nodes])
    names = table_set(nodes)
    problem = "unsupported_syntax"
    try:
        for node, tokens in zip(nodes, _split(sql, len(nodes), facts), strict=True):
            run_postgres(node, tokens, sql, facts)
        if facts.names == names:
            return facts.lineage(kind)
        problem = "tables_disagree"
    except ParseFailure as failure:
        if failure.code == "too_deep":
            raise
    rough = Facts(facts.catalogue, facts.dialect, facts.database, facts.search_path, query)
    rough.problem(problem, kind)
    for node in nodes:
        tables_only(node, rough)
    return rough.lineage(kind)


def _split(sql: str, statements: int, facts: Facts) -> list[list[Token]]:
    """Return each statement's tokens."""
    tokens = tokens_of(sql, facts.dialect)
    if statements == 1:
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens.pop()
        return [tokens]
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            parts.append([])
        else:
            parts[-1].append(token)
    found = [part for part in parts if part]
    if len(found) != statements:
        raise ParseFailure("unsupported")
    return found
