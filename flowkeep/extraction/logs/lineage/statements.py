"""Statements of any dialect, by sqlglot's tree: queries, changes and CREATE … AS."""

from collections.abc import Sequence

from sqlglot import exp

from flowkeep.extraction.logs.lineage.facts import Facts
from flowkeep.extraction.logs.lineage.influence import IDENTITY
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName
from flowkeep.extraction.logs.lineage.queries import query
from flowkeep.extraction.logs.lineage.scopes import Scope
from flowkeep.extraction.logs.lineage.sources import Relation

_KINDS: dict[type, str] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.Alter: "alter_table",
    exp.Drop: "drop",
    exp.TruncateTable: "truncate",
    exp.Copy: "copy",
}


def run(tree: exp.Expr, facts: Facts) -> str:
    """Resolve one statement and return its kind.

    Args:
        tree: Its tree.
        facts: Takes what is found.
    """
    if isinstance(tree, (exp.Query, exp.DML, exp.Values)):
        return _query(tree, facts)
    if isinstance(tree, exp.Create):
        return _create(tree, facts)
    if isinstance(tree, (exp.Alter, exp.Drop, exp.TruncateTable)):
        tables = [tree.this, *(tree.args.get("tables") or ()), *tree.expressions]
        for table in tables:
            if isinstance(table, exp.Table) and tree.args.get("kind", "TABLE") in _TABLE_LIKE:
                facts.writes.add(facts.table(facts.written_name(table), quiet=True))
    elif isinstance(tree, exp.Copy):
        _copy(tree, facts)
    found = _KINDS.get(type(tree))
    if found is None:
        named_by = tree.this if isinstance(tree, exp.Command) else type(tree).__name__
        found = str(named_by).lower()
    return found


_TABLE_LIKE = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", None})


def create(
    name: TableName, columns: Sequence[str], relation: Relation, facts: Facts, *, temporary: bool
) -> None:
    """Take note of a table or view that is made of a query.

    Args:
        name: Its name, as the statement writes it.
        columns: Names of its first columns; the others are called as the query's.
        relation: The query's result.
        facts: Takes what is found.
        temporary: Whether it lasts for the session only.
    """
    table = facts.new_table(name, temporary=temporary)
    facts.writes.add(table)
    if relation.rest:
        facts.problem("unknown_columns", table)
    names = [*columns, *relation.names[len(columns) :]]
    for column, value in zip(names, relation.values, strict=False):
        facts.write_column(ColumnName(table, column), value)
    facts.write_rows(table, relation.rows)


def _query(tree: exp.Expr, facts: Facts) -> str:
    relation = query(tree, Scope(facts))
    into = _into(tree)
    if into is None:
        facts.output(relation)
        return _KINDS.get(type(tree), "select")
    temporary = bool(into.args.get("temporary"))
    create(facts.written_name(into.this), (), relation, facts, temporary=temporary)
    return "select_into"


def _into(tree: exp.Expr) -> exp.Expr | None:
    while isinstance(tree, (exp.SetOperation, exp.Subquery)):
        tree = tree.this
    into: exp.Expr | None = tree.args.get("into") if isinstance(tree, exp.Select) else None
    return into if into is not None and isinstance(into.this, exp.Table) else None


def _create(tree: exp.Create, facts: Facts) -> str:
    kind = "create_" + str(tree.args.get("kind") or "").lower().replace(" ", "_")
    target, source = tree.this, tree.args.get("expression")
    columns: list[str] = []
    if isinstance(target, exp.Schema):
        if source is not None:
            columns = [facts.fold(_named(one)) for one in target.expressions]
        target = target.this
    if not isinstance(target, exp.Table) or kind not in ("create_table", "create_view"):
        return kind
    properties = tree.args.get("properties")
    listed = properties.expressions if properties is not None else []
    temporary = any(isinstance(one, exp.TemporaryProperty) for one in listed)
    if any(isinstance(one, exp.MaterializedProperty) for one in listed):
        kind = "create_materialized_view"
    name = facts.written_name(target)
    if not isinstance(source, (exp.Query, exp.Values)):
        facts.writes.add(facts.new_table(name, temporary=temporary))
        return kind
    create(name, columns, query(source, Scope(facts)), facts, temporary=temporary)
    return "create_table_as" if kind == "create_table" else kind


def _named(node: exp.Expr) -> exp.Expr:
    return node if isinstance(node, exp.Identifier) else node.this


def _copy(tree: exp.Copy, facts: Facts) -> None:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if isinstance(target, exp.Query):
        facts.output(query(target, Scope(facts)))
    elif isinstance(target, exp.Table):
        columns = [facts.fold(one) for one in tree.this.expressions] if tree.this != target else []
        copy_table(facts.written_name(target), columns, facts, into=bool(tree.args.get("kind")))


def copy_table(name: TableName, columns: Sequence[str], facts: Facts, *, into: bool) -> None:
    """Take note of a COPY of a table.

    Args:
        name: The table, as the statement writes it.
        columns: The columns; all that are not generated when empty.
        facts: Takes what is found.
        into: Whether it is written.
    """
    table = facts.table(name)
    known = facts.catalogue.columns(table)
    if known is None and not columns:
        facts.problem("unknown_columns", table)
    (facts.writes if into else facts.reads).add(table)
    for column in columns or known or ():
        spelled = known.get(column) if known is not None else None
        full = ColumnName(table, spelled or column)
        if into:
            facts.write_column(full, exact=spelled is not None)
        else:
            facts.output(Relation([column], [{full: IDENTITY}]))
            if spelled is None:
                facts.assume({full: IDENTITY})
