"""Statements of PostgreSQL: what they are, and what all but queries and changes do, by its parser.

Tables count as written when their rows or their definition change: COPY FROM, TRUNCATE, CREATE
TABLE, ALTER, RENAME, DROP, REFRESH. CREATE INDEX, GRANT, COMMENT, LOCK, VACUUM, ANALYZE and the
other utility statements name tables, and neither read nor write them.
"""

from collections.abc import Mapping
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from flowkeep.extraction.logs.lineage.facts import Facts
from flowkeep.extraction.logs.lineage.influence import Influences
from flowkeep.extraction.logs.lineage.model import ParseFailure
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName
from flowkeep.extraction.logs.lineage.parsing import inner_query, trees_of
from flowkeep.extraction.logs.lineage.pg_tables import relation_name, table_set
from flowkeep.extraction.logs.lineage.queries import query
from flowkeep.extraction.logs.lineage.scopes import Scope
from flowkeep.extraction.logs.lineage.statements import copy_table, create, run
from flowkeep.extraction.logs.lineage.views import view_relation
from flowkeep.extraction.logs.lineage.with_clause import CommonTable, cte_relation

_KINDS = {
    "CreateStmt": "create_table",
    "CreateForeignTableStmt": "create_foreign_table",
    "IndexStmt": "create_index",
    "ViewStmt": "create_view",
    "DeclareCursorStmt": "declare",
    "RefreshMatViewStmt": "refresh",
    "VariableSetStmt": "set",
    "VariableShowStmt": "show",
}
_CHANGES = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_WRAPPERS = frozenset({"ExplainStmt", "DeclareCursorStmt", "PrepareStmt"})
_DEFINES = frozenset({"AlterTableStmt", "RenameStmt", "DropStmt", "TruncateStmt"})


def kind_of(node: Mapping[str, Any]) -> str:
    """Return what a statement is.

    Args:
        node: The statement in libpg_query's tree: one key, its type.
    """
    ((name, body),) = node.items()
    if name == "SelectStmt":
        return "select_into" if _into(body) else "select"
    if name == "CreateTableAsStmt":
        matview = body.get("objtype") == "OBJECT_MATVIEW"
        return "create_materialized_view" if matview else "create_table_as"
    if name in _KINDS:
        return _KINDS[name]
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.removeprefix("_").removesuffix("_stmt")


def run_postgres(node: Mapping[str, Any], tokens: list[Token], sql: str, facts: Facts) -> None:
    """Resolve one statement.

    Args:
        node: The statement in libpg_query's tree.
        tokens: Its tokens for the other parser.
        sql: The whole text.
        facts: Takes what is found.

    Raises:
        ParseFailure: If the other parser does not understand it.
    """
    ((name, body),) = node.items()
    if name in _CHANGES:
        run(_tree(tokens, sql, facts), facts)
    elif name in ("CreateTableAsStmt", "ViewStmt"):
        _create(body, tokens, sql, facts)
    elif name in _WRAPPERS:
        run_postgres(body["query"], inner_query(tokens) or tokens, sql, facts)
    elif name == "CopyStmt":
        _copy(body, tokens, sql, facts)
    elif name == "RefreshMatViewStmt":
        _refresh(body, facts)
    else:
        tables_only(node, facts)


def tables_only(node: Mapping[str, Any], facts: Facts) -> None:
    """Take note of a statement's tables, without columns."""
    ((name, body),) = node.items()
    named = table_set([node])
    facts.names |= named
    if name in ("CreateStmt", "CreateForeignTableStmt", "CreateTableAsStmt", "ViewStmt"):
        made = body.get("relation") or body.get("base", {}).get("relation") or body.get("view")
        made = made or body["into"]["rel"]
        temporary = made.get("relpersistence") == "t"
        facts.writes.add(facts.new_table(relation_name(made), temporary=temporary))
        named -= {relation_name(made)} if name in ("CreateTableAsStmt", "ViewStmt") else named
    elif (name == "CopyStmt" and body.get("is_from")) or name in _DEFINES:
        facts.writes.update(facts.table(one, quiet=True) for one in named)
        named = frozenset()
    elif name in _CHANGES:
        written = _written(node)
        facts.writes.update(facts.table(one) for one in written)
        named -= written
    elif name in _WRAPPERS:
        tables_only(body["query"], facts)
        return
    elif name != "CopyStmt":
        return
    facts.reads.update(facts.table(one) for one in named)


def _written(node: Any) -> frozenset[TableName]:
    """Return the targets of all changes in a tree."""
    found: set[TableName] = set()
    stack: list[Any] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, dict):
            for key, member in part.items():
                if key in ("relation", "rel") and isinstance(member, dict) and "relname" in member:
                    found.add(relation_name(member))
                else:
                    stack.append(member)
    return frozenset(found)


def _tree(tokens: list[Token], sql: str, facts: Facts) -> exp.Expr:
    trees = trees_of(tokens, sql, facts.dialect)
    if len(trees) != 1:
        raise ParseFailure("unsupported")
    return trees[0]


def _into(body: Mapping[str, Any]) -> bool:
    while "larg" in body:
        body = body["larg"]
    return "intoClause" in body


def _words(items: list[dict[str, Any]]) -> list[str]:
    return [str(item["String"]["sval"]) for item in items]


def _create(body: Mapping[str, Any], tokens: list[Token], sql: str, facts: Facts) -> None:
    made = body["into"]["rel"] if "into" in body else body["view"]
    columns = _words(
        body["into"].get("colNames", []) if "into" in body else body.get("aliases", [])
    )
    inner = inner_query(tokens)
    if inner is None or "ExecuteStmt" in body["query"]:
        raise ParseFailure("unsupported")
    tree = _tree(inner, sql, facts)
    scope = Scope(facts)
    if any(token.token_type == TokenType.RECURSIVE for token in tokens[1:5]):
        table = CommonTable(tree, columns, scope)
        scope.ctes = {made["relname"]: table}
        relation = cte_relation(table, facts)
    else:
        relation = query(tree, scope)
    temporary = made.get("relpersistence") == "t"
    create(relation_name(made), columns, relation, facts, temporary=temporary)


def _copy(body: Mapping[str, Any], tokens: list[Token], sql: str, facts: Facts) -> None:
    if "relation" in body:
        columns = _words(body.get("attlist", []))
        copy_table(relation_name(body["relation"]), columns, facts, into=bool(body.get("is_from")))
        return
    depth, end = 1, 2
    while depth and end < len(tokens):
        kind = tokens[end].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        end += 1
    run(_tree(tokens[2 : end - 1], sql, facts), facts)


def _refresh(body: Mapping[str, Any], facts: Facts) -> None:
    """Take note of what a materialised view is filled from anew."""
    view = facts.target(relation_name(body["relation"]))
    relation = view_relation(view, facts)
    if relation is None:
        return
    known = facts.catalogue.columns(view)
    names = relation.names if known is None else list(known.values())
    values: list[Influences] = relation.values
    for name, value in zip(names, values, strict=False):
        facts.write_column(ColumnName(view, name), value)
    facts.mention(relation.rows)
    facts.write_rows(view, relation.rows)
