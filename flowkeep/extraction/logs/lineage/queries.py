"""Queries: SELECT, VALUES and set operations, as relations."""

from collections.abc import Sequence

from sqlglot import exp

from flowkeep.extraction.logs.lineage.expressions import influences_of
from flowkeep.extraction.logs.lineage.from_clause import add_from, star
from flowkeep.extraction.logs.lineage.influence import (
    FILTER,
    GROUP_BY,
    IDENTITY,
    SORT,
    Influences,
    add,
)
from flowkeep.extraction.logs.lineage.output_names import output_name
from flowkeep.extraction.logs.lineage.scopes import Group, Scope
from flowkeep.extraction.logs.lineage.sources import QuerySource, Relation
from flowkeep.extraction.logs.lineage.with_clause import with_scope


def query(node: exp.Expr, outer: Scope) -> Relation:
    """Return the relation a query, or a statement with RETURNING, results in.

    Args:
        node: The query.
        outer: What is visible around it.
    """
    if isinstance(node, exp.Select):
        return _select(node, outer)
    if isinstance(node, exp.SetOperation):
        return _set_operation(node, outer)
    if isinstance(node, exp.Subquery):
        scope = with_scope(node, outer)
        inner = node.this
        if isinstance(inner, exp.Table):
            scope = Scope(scope.facts, scope)
            add_from(inner, (), scope)
            relation = star(scope.groups, scope)
            return Relation(
                relation.names, relation.values, scope.rows, relation.rest, relation.fixed
            )
        return _ordered(node, query(inner, scope), scope)
    if isinstance(node, (exp.Values, exp.Tuple)):
        return _values(node, outer)
    if isinstance(node, exp.Table):
        return query(exp.Subquery(this=node), outer)
    from flowkeep.extraction.logs.lineage.writes import change

    if isinstance(node, exp.DML):
        return change(node, outer)
    outer.facts.problem("unsupported_query", type(node).__name__)
    return Relation([], [])


def _select(node: exp.Select, outer: Scope) -> Relation:
    args = node.args
    scope = Scope(outer.facts, with_scope(node, outer))
    from_ = args.get("from_")
    add_from(from_.this if from_ is not None else None, args.get("joins") or (), scope)
    for lateral in args.get("laterals") or ():
        add_from(lateral, (), scope)
    for window in args.get("windows") or ():
        scope.windows[scope.facts.fold(window.this)] = window
    rows = scope.rows
    for part in ("where", "having", "qualify"):
        if args.get(part) is not None:
            add(rows, influences_of(args[part], scope, FILTER))
    relation = select_list(node.expressions, scope)
    relation.rows = rows
    group = args.get("group")
    if group is not None:
        for part in group.args.values():
            for item in part if isinstance(part, list) else ():
                add(rows, _grouped(item, relation, scope))
    distinct = args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        on = distinct.args["on"]
        for item in on.expressions if isinstance(on, exp.Tuple) else [on]:
            add(rows, _by_output(item, relation, scope, GROUP_BY))
    return _ordered(node, relation, scope)


def select_list(items: Sequence[exp.Expr], scope: Scope) -> Relation:
    """Return what a select list, or that of RETURNING, results in.

    Args:
        items: The list.
        scope: What its names mean.
    """
    names: list[str] = []
    values: list[Influences] = []
    relation = Relation(names, values)
    relation.fixed = -1
    for item in items:
        expanded = _star(item, scope)
        if expanded is None:
            names.append(output_name(item, scope))
            values.append(influences_of(item, scope))
            continue
        if expanded.rest and relation.fixed < 0:
            relation.fixed = len(names)
        names += expanded.names
        values += expanded.values
        relation.rest += expanded.rest
    if relation.fixed < 0:
        relation.fixed = len(names)
    return relation


def _star(item: exp.Expr, scope: Scope) -> Relation | None:
    """Return what `*`, `t.*` or `(t).*` stands for; None for anything else."""
    if isinstance(item, exp.Star):
        return star(scope.groups, scope)
    fold = scope.facts.fold
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        schema = item.args.get("db")
        alias, qualifier = fold(item.args["table"]), fold(schema) if schema else None
    elif isinstance(item, exp.Dot) and isinstance(item.expression, exp.Star):
        inner = item.this.unnest() if isinstance(item.this, exp.Paren) else item.this
        if not isinstance(inner, exp.Column) or inner.args.get("table") is not None:
            return None
        alias, qualifier = fold(inner.this), None
    else:
        return None
    source = scope.source(alias, qualifier)
    if source is None:
        if isinstance(item, exp.Column):
            scope.facts.problem("unknown_source", alias)
            return Relation([], [])
        return None
    group = Group()
    group.add(source)
    hidden, source.hidden = source.hidden, set()
    relation = star([group], scope)
    source.hidden = hidden
    return relation


def _grouped(item: exp.Expr, relation: Relation, scope: Scope) -> Influences:
    """Return what a GROUP BY item is influenced by: a column of the input comes first."""
    if isinstance(item, exp.Column) and item.args.get("table") is None:
        name = scope.facts.fold(item.this)
        if scope.own_column(name) is None and name in relation.names:
            return _by_output(item, relation, scope, GROUP_BY)
    elif isinstance(item, exp.Literal) and not item.is_string:
        return _by_output(item, relation, scope, GROUP_BY)
    return influences_of(item, scope, GROUP_BY)


def _by_output(item: exp.Expr, relation: Relation, scope: Scope, use: int) -> Influences:
    """Return what an item is influenced by that may name a column of the result."""
    if isinstance(item, exp.Ordered):
        item = item.this
    value: Influences | None = None
    if isinstance(item, exp.Literal) and not item.is_string:
        position = int(item.this) - 1 if str(item.this).isdigit() else -1
        if 0 <= position < relation.fixed:
            value = relation.values[position]
    elif isinstance(item, exp.Column) and item.args.get("table") is None:
        name = scope.facts.fold(item.this) if isinstance(item.this, exp.Identifier) else ""
        if name in relation.names:
            value = relation.values[relation.names.index(name)]
    if value is None:
        return influences_of(item, scope, use)
    found: Influences = {}
    add(found, value, use)
    scope.facts.mention(value, use)
    return found


def _ordered(node: exp.Expr, relation: Relation, scope: Scope) -> Relation:
    """Take ORDER BY, LIMIT and OFFSET into account."""
    args = node.args
    order = args.get("order")
    if order is not None:
        for item in order.expressions:
            add(relation.rows, _by_output(item, relation, scope, SORT))
    for part in ("limit", "offset"):
        if args.get(part) is not None:
            add(relation.rows, influences_of(args[part], scope, FILTER))
    return relation


def _values(node: exp.Expr, outer: Scope) -> Relation:
    values: list[Influences] = []
    rows: list[exp.Expr] = [node] if isinstance(node, exp.Tuple) else node.expressions
    for row in rows:
        items = row.expressions if isinstance(row, exp.Tuple) else [row]
        while len(values) < len(items):
            values.append({})
        for value, item in zip(values, items, strict=False):
            if item.__class__ is not exp.Literal:
                add(value, influences_of(item, outer))
    names = [f"column{position}" for position in range(1, len(values) + 1)]
    return _ordered(node, Relation(names, values), outer)


def _set_operation(node: exp.SetOperation, outer: Scope) -> Relation:
    """Resolve a chain of set operations from the left, without recursion."""
    chain: list[tuple[exp.SetOperation, Scope]] = []
    arm: exp.Expr = node
    scope = outer
    while isinstance(arm, exp.SetOperation):
        scope = with_scope(arm, scope)
        chain.append((arm, scope))
        arm = arm.this
    first = query(arm, scope)
    result = Relation(
        first.names, [dict(value) for value in first.values], dict(first.rows), [*first.rest]
    )
    result.fixed = first.fixed
    for operation, inside in reversed(chain):
        _combine(result, operation, query(operation.expression, inside), inside)
        if operation.args.get("order") is not None or operation.args.get("limit") is not None:
            columns = Group()
            columns.add(QuerySource(Relation(result.names, result.values), ""))
            _ordered(operation, result, Scope(inside.facts, inside, [columns]))
    return result


def _combine(left: Relation, operation: exp.SetOperation, right: Relation, scope: Scope) -> None:
    """Add the right side of a set operation: to UNION its values, to others its deciding."""
    add(left.rows, right.rows)
    if not isinstance(operation, exp.Union):
        for value in right.values:
            add(left.rows, value, FILTER)
            scope.facts.mention(value, FILTER)
        return
    for value, other in zip(left.values, right.values[: right.fixed], strict=False):
        add(value, other, IDENTITY)
    left.fixed = min(left.fixed, right.fixed)
    left.rest += right.rest
