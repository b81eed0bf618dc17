"""The tables PostgreSQL's parser finds in a statement, by libpg_query's parse tree.

Tables are what the tree calls RangeVar, and the objects of DROP TABLE, DROP VIEW and their like.
Names of CTEs are no tables where they are visible, nor are names of sequences and indexes, what
FOR UPDATE OF names (aliases), and NEW and OLD in rules.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowkeep.extraction.logs.lineage.model import ParseFailure, TableName

_WITH = "withClause"
_DROPPED = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"})
_TARGETS = frozenset({"relation", "rel"})
"""Members that are a RangeVar which a statement writes to, so that no CTE is meant."""
_SKIPPED = frozenset(
    {
        # RangeVars in them name aliases, sequences and composite types.
        *("lockingClause", "sequence", "typevar"),
        # There is none in them: this saves time.
        *("ColumnRef", "A_Const", "ParamRef", "String", "typeName", "name", "funcname", "alias"),
    }
)
_NO_TABLE_TYPES = frozenset({"OBJECT_SEQUENCE", "OBJECT_INDEX", "OBJECT_TYPE"})
_RULE = frozenset({"new", "old"})
_NONE: frozenset[str] = frozenset()


def parse_tree(sql: str) -> list[dict[str, Any]]:
    """Return libpg_query's parse tree, one dict per statement.

    Raises:
        ParseFailure: If the text cannot be parsed: `syntax`, `truncated` or `too_deep`.
    """
    import pgparse

    try:
        tree: list[dict[str, Any]] = pgparse.parse(sql)
    except RecursionError:
        raise ParseFailure("too_deep") from None
    except (UnicodeEncodeError, ValueError):
        raise ParseFailure("syntax") from None
    except pgparse.PGQueryError as error:
        message = str(error.message)
        if message.startswith(("memory exhausted", "stack depth")):
            code = "too_deep"
        elif message.startswith("unterminated ") or message.endswith("at end of input"):
            code = "truncated"
        else:
            code = "syntax"
        raise ParseFailure(code, error.position or None) from None
    return tree


def tables_of(sql: str) -> frozenset[tuple[str | None, str | None, str]]:
    """Return database, schema and name of each table a text names, as it writes them.

    Args:
        sql: One or more statements in PostgreSQL's SQL.

    Raises:
        ParseFailure: As `parse_tree` does.
    """
    return table_set(parse_tree(sql))


def table_set(tree: Iterable[Mapping[str, Any]]) -> frozenset[TableName]:
    """Return the tables a parse tree names, as the statement writes them.

    Args:
        tree: What `pgparse.parse` returns, or a part of it.
    """
    found: set[TableName] = set()
    _collect(list(tree), _NONE, found)
    return frozenset(found)


def _collect(root: Any, hidden: frozenset[str], found: set[TableName]) -> None:
    """Add the tables below a node.

    Args:
        root: A dict, or a list of dicts.
        hidden: Names of visible CTEs.
        found: Takes the tables.
    """
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if node.__class__ is list:
            stack += node
            continue
        if _WITH in node:
            _with(node, hidden, found)
            continue
        for key, member in node.items():
            kind = member.__class__
            if (kind is not dict and kind is not list) or key in _SKIPPED:
                continue
            if kind is list:
                stack += member
            elif "relname" in member:
                name = relation_name(member)
                if name.schema is not None or name.table not in hidden or key in _TARGETS:
                    found.add(name)
            elif key in _SPECIAL:
                _SPECIAL[key](member, hidden, found)
            else:
                stack.append(member)


def relation_name(node: Mapping[str, Any]) -> TableName:
    """Return the name in a RangeVar."""
    return TableName(node.get("catalogname"), node.get("schemaname"), node["relname"])


def _with(node: Mapping[str, Any], hidden: frozenset[str], found: set[TableName]) -> None:
    """Add the tables of a statement with CTEs, each of which sees some of the others."""
    clause = node[_WITH]
    queries = [entry["CommonTableExpr"] for entry in clause["ctes"]]
    if clause.get("recursive"):
        hidden |= {query["ctename"] for query in queries}
    for query in queries:
        _collect(query["ctequery"], hidden, found)
        hidden |= {query["ctename"]}
    _collect({key: member for key, member in node.items() if key != _WITH}, hidden, found)


def _drop(node: Mapping[str, Any], hidden: frozenset[str], found: set[TableName]) -> None:
    if node["removeType"] in _DROPPED:
        for entry in node.get("objects", []):
            parts = [item["String"]["sval"] for item in entry["List"]["items"]]
            found.add(TableName(*([None] * (3 - len(parts)) + parts)))


def _rule(node: Mapping[str, Any], hidden: frozenset[str], found: set[TableName]) -> None:
    found.add(relation_name(node["relation"]))
    inside = [node.get(part, {}) for part in ("actions", "whereClause")]
    _collect(inside, hidden | _RULE, found)


def _other_objects(node: Mapping[str, Any], hidden: frozenset[str], found: set[TableName]) -> None:
    """Add the tables of a statement that may be about sequences or indexes."""
    if _NO_TABLE_TYPES.isdisjoint((node.get("objtype"), node.get("renameType"))):
        _collect([node], hidden, found)


_SPECIAL: Mapping[str, Callable[[Mapping[str, Any], frozenset[str], set[TableName]], None]] = {
    "DropStmt": _drop,
    "RuleStmt": _rule,
    "RenameStmt": _other_objects,
    "AlterTableStmt": _other_objects,
    "AlterObjectSchemaStmt": _other_objects,
    "GrantStmt": _other_objects,
}
