"""Which columns a value is influenced by.

Walks an expression with a stack of its own, so that long chains of operators take no deep
recursion; only subqueries are resolved by a call.
"""

from collections.abc import Callable
from typing import TypeAlias

from sqlglot import exp

from flowkeep.extraction.logs.lineage.influence import (
    AGGREGATION,
    CONDITIONAL,
    FILTER,
    IDENTITY,
    INDIRECT,
    SORT,
    TRANSFORMATION,
    WINDOW,
    Influences,
    add,
)
from flowkeep.extraction.logs.lineage.scopes import Scope, whole_row

_Stack: TypeAlias = list[tuple[exp.Expr, int]]
_Handler: TypeAlias = Callable[[exp.Expr, int, "_Walk"], None]

_KEYWORDS = frozenset(
    {"default", "user", "current_role", "system_user", "session_user", "current_user"}
)
"""Words that PostgreSQL reserves and the parser takes for columns."""
_AGGREGATES = frozenset(
    {
        *("every", "xmlagg", "json_arrayagg", "json_objectagg", "jsonb_object_agg_strict"),
        *("jsonb_object_agg_unique", "json_object_agg", "json_agg_strict", "jsonb_agg_strict"),
        *("json_object_agg_strict", "bit_xor", "range_agg", "json_object_agg_unique"),
        *("jsonb_object_agg_unique_strict", "json_object_agg_unique_strict"),
        *("range_intersect_agg", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept"),
        *("regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "covar_pop", "covar_samp"),
        *("string_agg", "jsonb_agg", "json_agg"),
    }
)
"""Aggregate functions of PostgreSQL that the parser may not know."""
_NO_AGGREGATES = (
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.PercentRank,
    exp.CumeDist,
    exp.Ntile,
)
_LEAVES = (
    exp.Identifier,
    exp.Literal,
    exp.DataType,
    exp.Var,
    exp.Parameter,
    exp.Placeholder,
    exp.Null,
    exp.Boolean,
    exp.Star,
    exp.ColumnDef,
    exp.JSONPath,
)


class _Walk:
    """One walk through an expression."""

    __slots__ = ("found", "scope", "stack")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.stack: _Stack = []
        self.found: Influences = {}

    def push(self, node: object, use: int) -> None:
        """Leave a part of the expression to later."""
        if isinstance(node, list):
            for item in node:
                self.push(item, use)
        elif isinstance(node, exp.Expr):
            self.stack.append((node, use))

    def take(self, influences: Influences, use: int) -> None:
        """Add what a column or subquery leads to."""
        if not influences:
            return
        add(self.found, influences, use)
        self.scope.facts.mention(influences, use)


def influences_of(node: exp.Expr | None, scope: Scope, use: int = IDENTITY) -> Influences:
    """Return which columns an expression is influenced by, and how.

    Args:
        node: The expression.
        scope: What its names mean.
        use: How its value is used: one bit.
    """
    if node is None:
        return {}
    if isinstance(node, exp.Column):
        found = column_of(node, scope)
        scope.facts.mention(found, use)
        if use == IDENTITY:
            return found
        used: Influences = {}
        add(used, found, use)
        return used
    walk = _Walk(scope)
    walk.stack.append((node, use))
    while walk.stack:
        part, how = walk.stack.pop()
        handler = _HANDLERS.get(part.__class__)
        if handler is None:
            handler = _HANDLERS[part.__class__] = _choose(part.__class__)
        handler(part, how, walk)
    return walk.found


def column_of(node: exp.Column, scope: Scope) -> Influences:
    """Return what a column reference means."""
    args = node.args
    name_node, table = args["this"], args.get("table")
    fold = scope.facts.fold
    if isinstance(name_node, exp.Star):
        source = scope.source(fold(table)) if table is not None else None
        return whole_row(source) if source is not None else {}
    name = fold(name_node)
    if table is not None:
        schema = args.get("db")
        return scope.qualified(fold(table), name, fold(schema) if schema else None)
    if name in _KEYWORDS and not name_node.args.get("quoted"):
        return {}
    return scope.column(name)


def _leaf(node: exp.Expr, use: int, walk: _Walk) -> None:
    """Take nothing: there is no column in it."""


def _column(node: exp.Expr, use: int, walk: _Walk) -> None:
    assert isinstance(node, exp.Column)
    walk.take(column_of(node, walk.scope), use)


def _same(node: exp.Expr, use: int, walk: _Walk) -> None:
    """Pass through what does not change a value."""
    walk.push(node.args.get("this"), use)
    walk.push(node.args.get("expressions"), use)


def _changed(node: exp.Expr, use: int, walk: _Walk) -> None:
    """Take what an operator or function makes of its operands."""
    below = TRANSFORMATION if use == IDENTITY else use
    for part in node.args.values():
        if part.__class__ is list:
            for item in part:
                if isinstance(item, exp.Expr):
                    walk.stack.append((item, below))
        elif isinstance(part, exp.Expr):
            walk.stack.append((part, below))


def _aggregate(node: exp.Expr, use: int, walk: _Walk) -> None:
    _changed(node, use if use & INDIRECT else AGGREGATION, walk)


def _function(node: exp.Expr, use: int, walk: _Walk) -> None:
    if str(node.this).lower() in _AGGREGATES:
        _aggregate(node, use, walk)
    else:
        _changed(node, use, walk)


def _window(node: exp.Expr, use: int, walk: _Walk) -> None:
    deciding = use if use & INDIRECT else WINDOW
    name, base = node.args.get("this"), node.args.get("alias")
    if not isinstance(name, exp.Identifier):
        walk.push(name, TRANSFORMATION if use == IDENTITY else use)
    for part in ("partition_by", "order", "spec"):
        walk.push(node.args.get(part), deciding)
    if base is not None:
        walk.push(walk.scope.windows.get(walk.scope.facts.fold(base)), deciding)


def _order(node: exp.Expr, use: int, walk: _Walk) -> None:
    walk.push(node.args.get("this"), use)
    # In an aggregate it sorts what is aggregated; elsewhere it belongs to the clause around.
    sorting = SORT if node.args.get("this") is not None and not use & INDIRECT else use
    walk.push(node.args.get("expressions"), sorting)


def _within_group(node: exp.Expr, use: int, walk: _Walk) -> None:
    value = use if use & INDIRECT else AGGREGATION
    walk.push(node.args.get("this"), value)
    walk.push(node.args.get("expression"), value)


def _filter(node: exp.Expr, use: int, walk: _Walk) -> None:
    walk.push(node.args.get("this"), use)
    walk.push(node.args.get("expression"), use if use & INDIRECT else FILTER)


def _case(node: exp.Expr, use: int, walk: _Walk) -> None:
    value = TRANSFORMATION if use == IDENTITY else use
    deciding = use if use & INDIRECT else CONDITIONAL
    walk.push(node.args.get("this"), deciding)
    walk.push(node.args.get("default"), value)
    branches = node.args.get("ifs") or []
    for branch in branches:
        walk.push(branch.args.get("this"), deciding)
        walk.push(branch.args.get("true"), value)


def _if(node: exp.Expr, use: int, walk: _Walk) -> None:
    value = TRANSFORMATION if use == IDENTITY else use
    walk.push(node.args.get("this"), use if use & INDIRECT else CONDITIONAL)
    walk.push(node.args.get("true"), value)
    walk.push(node.args.get("false"), value)


def _dot(node: exp.Expr, use: int, walk: _Walk) -> None:
    """Take a field of a row: `(t).a` is a column if `t` is a source, `(c).a` a part of one."""
    inner, field = node.this, node.args.get("expression")
    if isinstance(inner, exp.Paren) and isinstance(field, exp.Identifier):
        column = inner.this
        if isinstance(column, exp.Column) and column.args.get("table") is None:
            alias = walk.scope.facts.fold(column.this)
            source = walk.scope.source(alias)
            if source is not None and walk.scope.own_column(alias) is None:
                name = walk.scope.facts.fold(field)
                walk.take(walk.scope.qualified(alias, name), use)
                return
    _changed(node, use, walk)


def _subquery(node: exp.Expr, use: int, walk: _Walk) -> None:
    relation = walk.scope.facts.query(node, walk.scope)
    for value in relation.values:
        walk.take(value, use)
    add(walk.found, relation.rows)


def _exists(node: exp.Expr, use: int, walk: _Walk) -> None:
    if isinstance(node.this, exp.Query):
        add(walk.found, walk.scope.facts.query(node.this, walk.scope).rows)
    else:
        _changed(node, use, walk)


_HANDLERS: dict[type, _Handler] = {
    exp.Column: _column,
    exp.Alias: _same,
    exp.Paren: _same,
    exp.Distinct: _same,
    exp.Anonymous: _function,
    exp.Window: _window,
    exp.Order: _order,
    exp.WithinGroup: _within_group,
    exp.Filter: _filter,
    exp.Case: _case,
    exp.If: _if,
    exp.Dot: _dot,
    exp.Exists: _exists,
}


def _choose(kind: type) -> _Handler:
    """Return how to walk through a class of expressions that is met for the first time."""
    if issubclass(kind, _LEAVES):
        return _leaf
    if issubclass(kind, exp.Query):
        return _subquery
    if issubclass(kind, exp.Column):
        return _column
    if issubclass(kind, exp.AggFunc) and not issubclass(kind, _NO_AGGREGATES):
        return _aggregate
    return _changed
