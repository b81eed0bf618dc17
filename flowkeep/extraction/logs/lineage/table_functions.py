"""Functions in FROM clauses, and the names of entries and of their columns."""

from collections.abc import Iterator

from sqlglot import exp

from flowkeep.extraction.logs.lineage.expressions import influences_of
from flowkeep.extraction.logs.lineage.influence import TRANSFORMATION, Influences, add
from flowkeep.extraction.logs.lineage.scopes import Group, Scope
from flowkeep.extraction.logs.lineage.sources import FunctionSource, QuerySource, Relation

_FUNCTION_COLUMNS = {
    "json_each": ("key", "value"),
    "jsonb_each": ("key", "value"),
    "json_each_text": ("key", "value"),
    "jsonb_each_text": ("key", "value"),
    "json_array_elements": ("value",),
    "jsonb_array_elements": ("value",),
    "json_array_elements_text": ("value",),
    "jsonb_array_elements_text": ("value",),
}
"""Columns of PostgreSQL's functions whose result columns have names of their own."""
_ONE_COLUMN = frozenset(
    {
        *("generate_series", "generate_subscripts", "unnest", "string_to_table"),
        *("json_object_keys", "jsonb_object_keys", "jsonb_path_query"),
        *("regexp_split_to_table", "regexp_matches"),
    }
)
"""Functions whose only column is called as the function is, or as its alias."""


def alias_of(node: exp.Expr, scope: Scope) -> tuple[str, list[str]]:
    """Return an entry's alias, empty if it has none, and the names it gives to columns."""
    alias = node.args.get("alias")
    if alias is None:
        return "", []
    fold = scope.facts.fold
    if not isinstance(alias, exp.TableAlias):
        return fold(alias), []
    name = alias.args.get("this")
    columns = [
        fold(column.this if isinstance(column, exp.ColumnDef) else column)
        for column in alias.args.get("columns") or ()
    ]
    return fold(name) if name is not None else "", columns


def add_function(node: exp.Expr, scope: Scope, visible: Scope, group: Group) -> None:
    """Add a function to a group.

    Args:
        node: Its entry.
        scope: Where it stands.
        visible: What its arguments see.
        group: What it is added to.
    """
    alias, renamed = alias_of(node, scope)
    calls = [influences_of(call, visible, TRANSFORMATION) for call in _calls(node)]
    influences: Influences = {}
    for call in calls:
        add(influences, call)
    called = _function_name(node)
    names: tuple[str, ...] | None
    if len(calls) > 1:
        # ROWS FROM, and unnest of several arrays: a column each.
        given = [*renamed, *[called] * (len(calls) - len(renamed))]
        group.add(QuerySource(Relation(given[: len(calls)], calls), alias))
        return
    if renamed:
        names = tuple(renamed)
    elif called in _FUNCTION_COLUMNS:
        names = _FUNCTION_COLUMNS[called]
    elif called in _ONE_COLUMN:
        names = (alias or called,)
    else:
        names = tuple(_declared(node, scope)) or None
    if names is not None and not renamed and node.args.get("ordinality"):
        names = (*names, "ordinality")
    offset = node.args.get("offset")
    if isinstance(offset, exp.Identifier):
        names = (*(names or ()), scope.facts.fold(offset))
    group.add(FunctionSource(alias or called, names, influences))


def _calls(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the calls in an entry of a FROM clause, without its alias."""
    if isinstance(node, exp.Unnest):
        yield from node.expressions
    elif isinstance(node, (exp.Table, exp.Lateral)):
        if isinstance(node.args.get("this"), exp.Expr):
            yield node.this
        for one in node.args.get("rows_from") or ():
            yield from _calls(one)
    else:
        yield node


def _function_name(node: exp.Expr) -> str:
    """Return the name that a function in a FROM clause was called by."""
    if isinstance(node, exp.Unnest):
        return "unnest"
    call = node.args.get("this")
    if isinstance(call, exp.Dot):
        call = call.expression
    if isinstance(call, exp.ExplodingGenerateSeries):
        return "generate_series"
    if isinstance(call, exp.Anonymous):
        return str(call.this).lower()
    if isinstance(call, exp.Unnest):
        return "unnest"
    return call.sql_name().lower() if isinstance(call, exp.Func) else ""


def _declared(node: exp.Expr, scope: Scope) -> Iterator[str]:
    """Yield the columns that XMLTABLE and JSON_TABLE declare."""
    call = node.args.get("this")
    if isinstance(call, (exp.XMLTable, exp.JSONTable)):
        for kind in (exp.ColumnDef, exp.JSONColumnDef):
            for column in call.find_all(kind):
                yield scope.facts.fold(column.this)
