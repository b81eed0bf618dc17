"""What a statement of PostgreSQL is: its command and its object, by its parse tree."""

from collections.abc import Mapping, Sequence
from typing import Any

Statements = Sequence[Mapping[str, Any]]
"""What `pgparse.parse` returns: one mapping per statement, of the tree's own names."""

_COMMANDS = {
    "SelectStmt": "SELECT",
    "CreateStmt": "CREATE TABLE",
    "IndexStmt": "CREATE INDEX",
    "ViewStmt": "CREATE VIEW",
    "RuleStmt": "CREATE RULE",
    "CreateSeqStmt": "CREATE SEQUENCE",
    "AlterSeqStmt": "ALTER SEQUENCE",
    "CreatedbStmt": "CREATE DATABASE",
    "DropdbStmt": "DROP DATABASE",
    "CreatePLangStmt": "CREATE LANGUAGE",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER",
    "CreateEnumStmt": "CREATE TYPE",
    "CompositeTypeStmt": "CREATE TYPE",
    "CreateRangeStmt": "CREATE TYPE",
    "AlterEnumStmt": "ALTER TYPE",
    "DeclareCursorStmt": "DECLARE CURSOR",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW",
    "SecLabelStmt": "SECURITY LABEL",
    "AlterRoleSetStmt": "ALTER ROLE",
    "AlterDatabaseSetStmt": "ALTER DATABASE",
    "VariableSetStmt": "SET",
    "VariableShowStmt": "SHOW",
    "ConstraintsSetStmt": "SET CONSTRAINTS",
    "CheckPointStmt": "CHECKPOINT",
    "GrantRoleStmt": "GRANT",
    "ClosePortalStmt": "CLOSE",
    "CreateStatsStmt": "CREATE STATISTICS",
    "CreateForeignServerStmt": "CREATE SERVER",
    "AlterForeignServerStmt": "ALTER SERVER",
}
_NAMES = (
    *("role", "name", "conditionname", "servername", "dbname", "portalname", "extname"),
    *("subname", "pubname", "trigname", "policy_name", "schemaname", "tablespacename"),
)
_NAME_LISTS = ("object", "typeName", "funcname", "defnames")
_RELATIONS = ("relation", "sequence", "view")
_LISTED = 8
"""Different commands of one text that are told apart."""


def kind_of(statements: Statements) -> str:
    """Return the commands of a text, different ones joined by `; ` in their order."""
    kinds = list(dict.fromkeys(_kind(*_node(statement)) for statement in statements))
    return "; ".join(kinds[:_LISTED] + ["…"] * (len(kinds) > _LISTED))


def summary_of(statements: Statements) -> str:
    """Return the command and the name of its object: what is left of a text that is dropped.

    The names are those of PostgreSQL's tree for relations, roles, settings and other objects.
    """
    if len(statements) != 1:
        return kind_of(statements)
    tag, node = _node(statements[0])
    return " ".join(filter(None, (_kind(tag, node), _object(node))))


def spared_of(statements: Statements) -> set[int]:
    """Return the bytes at which integers stand that are no values.

    These are the modifiers of types, as in `varchar(10)`, and columns by their position, as in
    `ORDER BY 1`.
    """
    found: set[int] = set()
    left: list[tuple[Any, bool]] = [(statements, False)]
    while left:
        node, spared = left.pop()
        if isinstance(node, Mapping):
            constant = node.get("A_Const")
            if spared and isinstance(constant, Mapping) and "ival" in constant:
                found.add(constant.get("location", 0))
            sort = spared and "SortBy" in node
            for name, child in node.items():
                left.append((child, name in _POSITIONS or sort or (spared and name == "node")))
        elif isinstance(node, list):
            left += [(child, spared) for child in node]
    return found


_POSITIONS = frozenset({"typmods", "sortClause", "groupClause", "distinctClause"})


def _node(statement: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    for tag, node in statement.get("stmt", {}).items():
        return tag, node
    return "", {}


def _kind(tag: str, node: Mapping[str, Any]) -> str:
    match tag:
        case "SelectStmt" if "intoClause" in node:
            return "SELECT INTO"
        case "CreateTableAsStmt":
            matview = node.get("objtype") == "OBJECT_MATVIEW"
            return "CREATE MATERIALIZED VIEW" if matview else "CREATE TABLE AS"
        case "TransactionStmt":
            verb = _words(node.get("kind", ""), "TRANS_STMT_")
            return {"START": "BEGIN", "ROLLBACK TO": "ROLLBACK"}.get(verb, verb)
        case "DropStmt":
            return f"DROP {_object_type(node.get('removeType', ''))}".strip()
        case "CommentStmt":
            return f"COMMENT ON {_object_type(node.get('objtype', ''))}".strip()
        case "AlterTableStmt" | "DefineStmt" | "RenameStmt" | "AlterOwnerStmt":
            verb = "CREATE" if tag == "DefineStmt" else "ALTER"
            kind = node.get("kind" if tag == "DefineStmt" else "objtype")
            kind = node.get("renameType", kind)
            return f"{verb} {_object_type(kind or node.get('objectType', ''))}".strip()
        case "VariableSetStmt" if node.get("kind", "").startswith("VAR_RESET"):
            return "RESET"
        case "GrantStmt" | "GrantRoleStmt" if not node.get("is_grant"):
            return "REVOKE"
        case "VacuumStmt" if not node.get("is_vacuumcmd"):
            return "ANALYZE"
    return _COMMANDS.get(tag) or _split(tag.removesuffix("Stmt"))


def _object_type(name: str) -> str:
    return _words(name, "OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW")


def _words(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("_", " ")


def _split(name: str) -> str:
    """Return `AlterDefaultPrivileges` as `ALTER DEFAULT PRIVILEGES`."""
    return "".join(f" {c}" if c.isupper() else c for c in name).strip().upper()


def _object(node: Mapping[str, Any]) -> str:
    """Return the name of what a utility statement is about, empty when it has none."""
    for field in _RELATIONS:
        relation = node.get(field)
        if isinstance(relation, Mapping) and "relname" in relation:
            return ".".join(filter(None, (relation.get("schemaname"), relation["relname"])))
    for field in _NAMES:
        if isinstance(node.get(field), str):
            return str(node[field])
        if isinstance(node.get(field), Mapping):
            return str(node[field].get("rolename", ""))
    for field in _NAME_LISTS:
        if parts := _strings(node.get(field)):
            return ".".join(parts)
    return ""


def _strings(names: Any) -> list[str]:
    """Return a list of names as the tree writes them: a list or a node of strings only."""
    if isinstance(names, Mapping):
        inner = names.get("List", {}).get("items") if "List" in names else [names]
        return _strings(inner)
    if not isinstance(names, list):
        return []
    parts = [name.get("String", {}).get("sval") for name in names if isinstance(name, Mapping)]
    return [part for part in parts if part] if all(parts) else []
