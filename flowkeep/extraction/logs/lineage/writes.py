"""Statements that write: INSERT, UPDATE, DELETE and MERGE, also those inside WITH."""

from collections.abc import Iterable, Sequence

from sqlglot import exp

from flowkeep.extraction.logs.lineage.expressions import influences_of
from flowkeep.extraction.logs.lineage.from_clause import add_from, add_table
from flowkeep.extraction.logs.lineage.influence import (
    FILTER,
    JOIN,
    NOTHING,
    TRANSFORMATION,
    Influences,
    add,
)
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName
from flowkeep.extraction.logs.lineage.queries import select_list
from flowkeep.extraction.logs.lineage.scopes import Group, Scope
from flowkeep.extraction.logs.lineage.sources import QuerySource, Relation, Source
from flowkeep.extraction.logs.lineage.with_clause import with_scope


class Target:
    """The table that a statement writes to.

    Args:
        node: The table.
        scope: The statement's scope.
    """

    def __init__(self, node: exp.Table, scope: Scope) -> None:
        self.group = Group()
        self._facts = scope.facts
        self.source: Source = add_table(node, scope, self.group, written=True)
        assert self.source.table is not None
        self.table: TableName = self.source.table
        self._columns = scope.facts.catalogue.columns(self.table)

    def all_columns(self) -> list[str]:
        """Return the table's columns in order, none if they are not known."""
        if self._columns is None:
            self._facts.problem("unknown_columns", self.table)
            return []
        return list(self._columns)

    def write(self, name: str, value: Influences = NOTHING) -> None:
        """Take note that a column is written."""
        spelled = None if self._columns is None else self._columns.get(name)
        column = ColumnName(self.table, spelled or name)
        self._facts.write_column(column, value, exact=spelled is not None)

    def write_rows(self, rows: Influences) -> None:
        """Take note of what decides which rows are written."""
        self._facts.write_rows(self.table, rows)


def change(node: exp.Expr, outer: Scope) -> Relation:
    """Resolve a statement that writes, and return what its RETURNING results in.

    Args:
        node: INSERT, UPDATE, DELETE or MERGE.
        outer: What is visible around it.
    """
    scope = Scope(outer.facts, with_scope(node, outer))
    if isinstance(node, exp.Insert):
        return _insert(node, scope)
    if isinstance(node, exp.Update):
        return _update(node, scope)
    if isinstance(node, exp.Delete):
        return _delete(node, scope)
    if isinstance(node, exp.Merge):
        return _merge(node, scope)
    scope.facts.problem("unsupported_statement", type(node).__name__)
    return Relation([], [])


def column_name(node: exp.Expr, scope: Scope) -> str:
    """Return the column that an assignment writes, of `c`, `c[1]` or `c.field`."""
    while isinstance(node, (exp.Bracket, exp.Paren, exp.Dot, exp.Ordered)):
        node = node.this
    if isinstance(node, exp.Column):
        parts = node.parts
        postgres = scope.facts.dialect == "postgres"
        return scope.facts.fold(parts[0] if postgres else parts[-1])
    return scope.facts.fold(node)


def _insert(node: exp.Insert, scope: Scope) -> Relation:
    into = node.this
    listed: Sequence[exp.Expr] = ()
    if isinstance(into, exp.Schema):
        into, listed = into.this, into.expressions
    if not isinstance(into, exp.Table):
        scope.facts.problem("unsupported_statement", "Insert")
        return Relation([], [])
    target = Target(into, scope)
    source = node.args.get("expression")
    proposed: dict[str, Influences] = {}
    if source is not None:
        relation = scope.facts.query(source, scope)
        names = [column_name(one, scope) for one in listed] or target.all_columns()
        if relation.rest and relation.fixed < len(names):
            scope.facts.problem("unknown_positions", target.table)
        values = relation.values[: relation.fixed]
        if not relation.rest:
            names = names[: len(values)]
        for name, value in zip(names, values, strict=False):
            add(proposed.setdefault(name, {}), value)
        for name in names:
            target.write(name, proposed.get(name, NOTHING))
        target.write_rows(relation.rows)
        scope.facts.output(relation)
    if node.args.get("conflict") is not None:
        _on_conflict(node.args["conflict"], target, proposed, scope)
    return _returning(node, scope, [target.group])


def _on_conflict(
    node: exp.Expr, target: Target, proposed: dict[str, Influences], scope: Scope
) -> None:
    names = [name for name, _ in target.source.columns()] or list(proposed)
    values = [proposed.get(name, {}) for name in names]
    excluded = Group()
    excluded.add(QuerySource(Relation(names, values), "excluded"))
    # Names without a qualifier mean the target: EXCLUDED has the same ones.
    inside = Scope(scope.facts, Scope(scope.facts, scope, [excluded]), [target.group])
    _assign(node.expressions, target, inside)
    target.write_rows(influences_of(node.args.get("where"), inside, FILTER))


def _update(node: exp.Update, scope: Scope) -> Relation:
    target = Target(node.this, scope)
    scope.groups.append(target.group)
    _add_entries(node.args.get("from_"), scope)
    _assign(node.expressions, target, scope)
    add(scope.rows, influences_of(node.args.get("where"), scope, FILTER))
    target.write_rows(scope.rows)
    return _returning(node, scope, scope.groups)


def _delete(node: exp.Delete, scope: Scope) -> Relation:
    target = Target(node.this, scope)
    scope.groups.append(target.group)
    for entry in node.args.get("using") or ():
        add_from(entry, (), scope)
    add(scope.rows, influences_of(node.args.get("where"), scope, FILTER))
    target.write_rows(scope.rows)
    return _returning(node, scope, scope.groups)


def _merge(node: exp.Merge, scope: Scope) -> Relation:
    target = Target(node.this, scope)
    add_from(node.args["using"], (), scope)
    sources = list(scope.groups)
    scope.groups.insert(0, target.group)
    add(scope.rows, influences_of(node.args.get("on"), scope, JOIN))
    whens = node.args["whens"]
    for when in whens.expressions:
        add(scope.rows, influences_of(when.args.get("condition"), scope, FILTER))
        action = when.args["then"]
        if isinstance(action, exp.Update):
            _assign(action.expressions, target, scope)
        elif isinstance(action, exp.Insert):
            _merge_insert(action, target, Scope(scope.facts, scope.parent, sources, scope.ctes))
    target.write_rows(scope.rows)
    return _returning(node, scope, [*sources, target.group])


def _merge_insert(node: exp.Insert, target: Target, scope: Scope) -> None:
    listed, values = node.args.get("this"), node.args.get("expression")
    if values is None:
        return
    items = values.expressions if isinstance(values, exp.Tuple) else [values]
    if isinstance(listed, exp.Tuple):
        names = [column_name(one, scope) for one in listed.expressions]
    else:
        names = target.all_columns()[: len(items)]
    for name, item in zip(names, items, strict=False):
        target.write(name, influences_of(item, scope))


def _assign(assignments: Iterable[exp.Expr], target: Target, scope: Scope) -> None:
    for assignment in assignments:
        left, value = assignment.this, assignment.args.get("expression")
        if not isinstance(left, exp.Tuple):
            influences = influences_of(value, scope)
            if isinstance(left, exp.Bracket):
                changed: Influences = {}
                add(changed, influences, TRANSFORMATION)
                influences = changed
            target.write(column_name(left, scope), influences)
            continue
        names = [column_name(one, scope) for one in left.expressions]
        values, rows = _row(value, scope)
        for name, one in zip(names, values, strict=False):
            add(one, rows)
            target.write(name, one)


def _row(node: exp.Expr | None, scope: Scope) -> tuple[list[Influences], Influences]:
    """Return what each of several assigned values is influenced by, and all of them."""
    inner = node
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.Query):
        relation = scope.facts.query(inner, scope)
        return [dict(value) for value in relation.values], relation.rows
    items = inner.expressions if isinstance(inner, (exp.Tuple, exp.Anonymous)) else [inner]
    return [dict(influences_of(item, scope)) for item in items], {}


def _add_entries(node: exp.Expr | None, scope: Scope) -> None:
    if node is not None:
        add_from(node.this, node.args.get("joins") or (), scope)


def _returning(node: exp.Expr, scope: Scope, groups: list[Group]) -> Relation:
    """Return what RETURNING results in: values of the target, and of what it was joined with."""
    clause = node.args.get("returning")
    if clause is None:
        return Relation([], [])
    inside = Scope(scope.facts, scope.parent, groups, scope.ctes)
    return select_list(clause.expressions, inside)
