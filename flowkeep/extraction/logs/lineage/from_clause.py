"""FROM clauses: their tables, joins, derived tables and functions."""

from collections.abc import Sequence

from sqlglot import exp

from flowkeep.extraction.logs.lineage.expressions import influences_of
from flowkeep.extraction.logs.lineage.influence import (
    JOIN,
    TRANSFORMATION,
    Influences,
    add,
)
from flowkeep.extraction.logs.lineage.scopes import Group, Scope
from flowkeep.extraction.logs.lineage.sources import (
    QuerySource,
    Relation,
    Source,
    TableSource,
)
from flowkeep.extraction.logs.lineage.table_functions import add_function, alias_of
from flowkeep.extraction.logs.lineage.views import view_relation
from flowkeep.extraction.logs.lineage.with_clause import cte_relation


def add_from(first: exp.Expr | None, joins: Sequence[exp.Join], scope: Scope) -> None:
    """Add the entries of a FROM clause to a scope.

    Args:
        first: Its first entry.
        joins: What follows it, commas included.
        scope: The scope of the query.
    """
    if first is None:
        return
    group = Group()
    scope.groups.append(group)
    own = first.args.get("joins") or ()
    _add_item(first, scope, group, nested=False)
    for join in (*own, *joins):
        if _is_comma(join):
            group = Group()
            scope.groups.append(group)
            _add_item(join.this, scope, group)
        else:
            _add_join(join, scope, group)


def add_table(node: exp.Table, scope: Scope, group: Group, *, written: bool = False) -> Source:
    """Add a table to a group.

    Args:
        node: The table.
        scope: Where it stands.
        group: What it is added to.
        written: Whether the statement writes to it, so that no CTE can be meant and no rows of a
            view are read.
    """
    facts = scope.facts
    name = facts.written_name(node)
    alias, renamed = alias_of(node, scope)
    alias = alias or name.table
    source: Source
    if not written and name.schema is None and name.table in scope.ctes:
        relation = cte_relation(scope.ctes[name.table], facts)
        source = QuerySource(relation, alias, renamed)
        add(scope.rows, relation.rows)
    elif written:
        table = facts.target(name)
        source = TableSource(table, facts.catalogue.columns(table), alias, renamed)
    else:
        table = facts.table(name)
        facts.reads.add(table)
        columns = facts.catalogue.columns(table)
        expansion = view_relation(table, facts)
        if expansion is not None:
            add(scope.rows, expansion.rows)
            facts.mention(expansion.rows)
            if columns is None:
                columns = {column: column for column in expansion.names}
        source = TableSource(table, columns, alias, renamed, expansion)
    group.add(source)
    return source


def star(groups: Sequence[Group], scope: Scope, *, named: bool = True) -> Relation:
    """Return what `*` stands for.

    Args:
        groups: The entries of the FROM clause.
        scope: The scope of the query.
        named: Whether the columns count as read already.
    """
    names: list[str] = []
    values: list[Influences] = []
    rest: list[Source] = []
    fixed = None
    for group in groups:
        for name, influences in group.columns():
            names.append(name)
            values.append(influences)
            if named:
                scope.facts.mention(influences)
        opened = group.open_sources()
        if opened and fixed is None:
            fixed = 0
        rest += opened
    for source in rest:
        if source.table is not None:
            scope.facts.problem("unexpanded_star", source.table)
    return Relation(names, values, rest=rest, fixed=fixed)


def _is_comma(join: exp.Join) -> bool:
    args = join.args
    return not any(args.get(part) for part in ("kind", "side", "method", "on", "using"))


def _add_join(join: exp.Join, scope: Scope, left: Group) -> None:
    right = Group()
    _add_item(join.this, scope, right)
    args = join.args
    names = None
    if args.get("using"):
        names = [scope.facts.fold(_identifier(one)) for one in args["using"]]
    elif args.get("method") == "NATURAL":
        offered = {name for name, _ in right.columns()}
        names = [name for name, _ in left.columns() if name in offered]
    if names is not None:
        _merge(names, str(args.get("side") or ""), left, right, scope)
    left.join(right)
    condition = args.get("on")
    if condition is not None:
        inside = Scope(scope.facts, scope.parent, [left], scope.ctes)
        add(scope.rows, influences_of(condition, inside, JOIN))


def _merge(names: Sequence[str], side: str, left: Group, right: Group, scope: Scope) -> None:
    """Make one column of two for each name, as USING and NATURAL do."""
    sides = [Scope(scope.facts, None, [group], {}) for group in (left, right)]
    merged: dict[str, Influences] = {}
    for name in names:
        first, second = (one.column(name) for one in sides)
        for influences in (first, second):
            scope.facts.mention(influences, JOIN)
            add(scope.rows, influences, JOIN)
        if side == "FULL":
            both: Influences = {}
            add(both, first, TRANSFORMATION)
            add(both, second, TRANSFORMATION)
            merged[name] = both
        else:
            merged[name] = second if side == "RIGHT" else first
        for group in (left, right):
            group.merged.pop(name, None)
    for group in (left, right):
        for source in group.sources:
            source.hidden.update(names)
    left.merged = {**merged, **left.merged}


def _identifier(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Column) else node


def _add_item(node: exp.Expr, scope: Scope, group: Group, *, nested: bool = True) -> None:
    """Add one entry, with the joins that belong to it alone."""
    if nested and node.args.get("joins"):
        group.join(_joined(node, node.args["joins"], scope))
    elif isinstance(node, exp.Subquery):
        _add_subquery(node, scope, group)
    elif isinstance(node, exp.Table) and isinstance(node.args.get("this"), exp.Identifier):
        add_table(node, scope, group)
    elif isinstance(node, exp.Values):
        _add_relation(scope.facts.query(node, _outside(scope)), node, scope, group)
    elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
        relation = scope.facts.query(node.this, _visible(scope, group))
        _add_relation(relation, node, scope, group)
    else:
        add_function(node, scope, _visible(scope, group), group)


def _add_subquery(node: exp.Subquery, scope: Scope, group: Group) -> None:
    inner = node.this
    while isinstance(inner, exp.Subquery) and inner.args.get("alias") is None:
        if inner.args.get("joins"):
            break
        inner = inner.this
    if not isinstance(inner, (exp.Table, exp.Subquery)):
        _add_relation(scope.facts.query(node, _outside(scope)), node, scope, group)
        return
    joined = _joined(inner, inner.args.get("joins") or (), scope)
    alias, renamed = alias_of(node, scope)
    if alias:
        group.add(QuerySource(star([joined], scope, named=False), alias, renamed))
    else:
        group.join(joined)


def _joined(first: exp.Expr, joins: Sequence[exp.Join], scope: Scope) -> Group:
    """Return a join in parentheses, or one that stands before its ON."""
    inside = Scope(scope.facts, scope.parent, list(scope.groups), scope.ctes)
    group = Group()
    _add_item(first, inside, group, nested=False)
    inside.groups.append(group)
    for join in joins:
        _add_join(join, inside, group)
    add(scope.rows, inside.rows)
    return group


def _add_relation(relation: Relation, node: exp.Expr, scope: Scope, group: Group) -> None:
    add(scope.rows, relation.rows)
    alias, renamed = alias_of(node, scope)
    group.add(QuerySource(relation, alias, renamed))


def _outside(scope: Scope) -> Scope:
    """Return what a derived table sees: nothing of its neighbours."""
    return Scope(scope.facts, scope.parent, [], scope.ctes)


def _visible(scope: Scope, group: Group) -> Scope:
    """Return what LATERAL sees: all that stands before it."""
    groups = scope.groups if group in scope.groups else [*scope.groups, group]
    return Scope(scope.facts, scope.parent, groups, scope.ctes)
