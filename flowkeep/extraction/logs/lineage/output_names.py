"""Names of result columns that have no alias, as PostgreSQL gives them (FigureColname)."""

from sqlglot import exp

from flowkeep.extraction.logs.lineage.scopes import Scope

_BY_CLASS: dict[type, str] = {
    exp.Case: "case",
    exp.Array: "array",
    exp.Exists: "exists",
    exp.GroupConcat: "string_agg",
    exp.Extract: "extract",
    exp.StrPosition: "position",
    exp.Overlay: "overlay",
    exp.ArrayAgg: "array_agg",
    exp.Coalesce: "coalesce",
    exp.Nullif: "nullif",
    exp.Greatest: "greatest",
    exp.Least: "least",
    exp.Explode: "unnest",
    exp.ExplodingGenerateSeries: "generate_series",
    exp.TimestampTrunc: "date_trunc",
    exp.Trim: "btrim",
    exp.JSONArrayAgg: "json_agg",
    exp.JSONBObjectAgg: "jsonb_object_agg",
    exp.JSONObjectAgg: "json_object_agg",
    exp.LogicalAnd: "bool_and",
    exp.LogicalOr: "bool_or",
    exp.CurrentTimestamp: "now",
}
_THROUGH = (exp.Paren, exp.Window, exp.Filter, exp.WithinGroup, exp.Collate, exp.Bracket)
_TYPES = {
    "BIGINT": "int8",
    "INT": "int4",
    "SMALLINT": "int2",
    "DECIMAL": "numeric",
    "DOUBLE": "float8",
    "FLOAT": "float4",
    "BOOLEAN": "bool",
}


def output_name(node: exp.Expr, scope: Scope) -> str:
    """Return the name of a result column.

    Args:
        node: The item of the select list.
        scope: Where it stands.
    """
    fold = scope.facts.fold
    while True:
        if isinstance(node, exp.Alias):
            return fold(node.args["alias"])
        if isinstance(node, exp.Column):
            return fold(node.this)
        if isinstance(node, exp.Dot):
            node = node.expression
        elif isinstance(node, exp.Identifier):
            return fold(node)
        elif isinstance(node, exp.Cast):
            inner = output_name(node.this, scope)
            return _type_name(node.args["to"]) if inner in ("?column?", "case") else inner
        elif isinstance(node, exp.Subquery):
            node = _first_item(node)
        elif isinstance(node, _THROUGH):
            node = node.this
        else:
            return _of_call(node)


def _first_item(node: exp.Subquery) -> exp.Expr:
    inner: exp.Expr = node
    while isinstance(inner, (exp.Subquery, exp.SetOperation)):
        inner = inner.this
    items = inner.expressions if isinstance(inner, exp.Select) else []
    return items[0] if items else exp.Null()


def _of_call(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    found = _BY_CLASS.get(type(node))
    if found is not None:
        return found
    if isinstance(node, exp.Func) and not isinstance(node, (exp.Binary, exp.Connector)):
        return node.sql_name().lower()
    return "?column?"


def _type_name(kind: exp.Expr) -> str:
    name = str(getattr(kind.this, "value", kind.this))
    return _TYPES.get(name.upper(), name.lower())
