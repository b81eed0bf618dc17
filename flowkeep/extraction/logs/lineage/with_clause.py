"""CTEs: what each name of a WITH clause stands for."""

from typing import TYPE_CHECKING

from sqlglot import exp

from flowkeep.extraction.logs.lineage.influence import TRANSFORMATION, Influences, add
from flowkeep.extraction.logs.lineage.scopes import Scope
from flowkeep.extraction.logs.lineage.sources import QuerySource, Relation

if TYPE_CHECKING:
    from flowkeep.extraction.logs.lineage.facts import Facts

_MOST_ROUNDS = 50
"""Rounds after which a recursive query's influences count as complete; two or three are usual."""


class CommonTable:
    """One CTE.

    Attributes:
        relation: Its result, once it is known; of a recursive one, what is known so far.
    """

    __slots__ = ("busy", "columns", "extra", "query", "relation", "scope")

    def __init__(self, query: exp.Expr, columns: list[str], scope: Scope) -> None:
        self.query = query
        self.columns = columns
        self.scope = scope
        self.extra: list[exp.Expr] = []
        self.busy = False
        self.relation: Relation | None = None


def with_scope(node: exp.Expr, outer: Scope) -> Scope:
    """Return a scope in which the CTEs of a statement are visible, and resolve them.

    Args:
        node: A query or another statement that may have a WITH clause.
        outer: What is visible around it.
    """
    clause = node.args.get("with_")
    if clause is None:
        return outer
    facts = outer.facts
    scope = Scope(facts, outer, [], dict(outer.ctes))
    recursive = bool(clause.args.get("recursive"))
    tables: list[tuple[str, CommonTable]] = []
    for entry in clause.expressions:
        alias = entry.args["alias"]
        columns = [facts.fold(column) for column in alias.args.get("columns") or ()]
        tables.append((facts.fold(alias.this), CommonTable(entry.this, columns, scope)))
    if tables:
        tables[-1][1].extra += [
            part for part in map(clause.args.get, ("search", "cycle")) if part is not None
        ]
    if recursive:
        scope.ctes.update(tables)
    for name, table in tables:
        cte_relation(table, facts, recursive=recursive)
        scope.ctes[name] = table
    return scope


def cte_relation(table: CommonTable, facts: "Facts", *, recursive: bool = True) -> Relation:
    """Return what a CTE's name stands for.

    Args:
        table: The CTE.
        facts: What is found of the statement.
        recursive: Whether it can name itself.
    """
    if table.relation is None:
        if table.busy:
            return Relation([], [])
        table.busy = True
        query = table.query
        if recursive and isinstance(query, exp.Union):
            _iterate(table, query, facts)
        else:
            table.relation = _renamed(facts.query(query, table.scope), table, facts)
    assert table.relation is not None
    return table.relation


def _iterate(table: CommonTable, query: exp.Union, facts: "Facts") -> None:
    """Resolve a recursive query again and again, until nothing new comes in."""
    inner = with_scope(query, table.scope) if query.args.get("with_") else table.scope
    table.relation = _renamed(facts.query(query.this, inner), table, facts)
    for _ in range(_MOST_ROUNDS):
        before = _content(table.relation)
        table.relation = _renamed(facts.query(query, table.scope), table, facts)
        if _content(table.relation) == before:
            break


def _content(relation: Relation) -> tuple[list[Influences], Influences]:
    return relation.values, relation.rows


def _renamed(relation: Relation, table: CommonTable, facts: "Facts") -> Relation:
    columns = table.columns
    names = [*columns, *relation.names[len(columns) :]] if columns else relation.names
    if not table.extra:
        return Relation(names, relation.values, relation.rows, relation.rest, relation.fixed)
    names, values = list(names), list(relation.values)
    source = QuerySource(Relation(names, values), "")
    for clause in table.extra:  # SEARCH … SET a; CYCLE … SET a USING b
        influences: Influences = {}
        add(influences, source.find(facts.fold(clause.this)) or {}, TRANSFORMATION)
        for part in ("expression", "using"):
            if clause.args.get(part) is not None:
                names.append(facts.fold(clause.args[part]))
                values.append(influences)
    return Relation(names, values, relation.rows, relation.rest, relation.fixed)
