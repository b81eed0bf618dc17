"""Views: what they read, by their definition in the catalogue."""

from typing import TYPE_CHECKING

from flowkeep.extraction.logs.lineage.model import ParseFailure, TableName
from flowkeep.extraction.logs.lineage.parsing import tokens_of, trees_of
from flowkeep.extraction.logs.lineage.scopes import Scope
from flowkeep.extraction.logs.lineage.sources import Relation

if TYPE_CHECKING:
    from flowkeep.extraction.logs.lineage.facts import Facts


def view_relation(view: TableName, facts: "Facts") -> Relation | None:
    """Return what a view's query reads, or None for a table.

    What is found is kept with the catalogue, so that a definition is parsed once. A view that
    reads itself, or whose definition cannot be parsed, is a problem and counts as a table.

    Args:
        view: Full name of a table or view.
        facts: What is found of the statement; takes the tables that the view reads.
    """
    definition = facts.catalogue.definition(view)
    if definition is None:
        return None
    if view in facts.expanding:
        facts.problem("recursive_view", view)
        facts.in_circles = True
        return None
    known = facts.catalogue.expanded
    key = (view, facts.search_path)
    expanded = known.get(key)
    if expanded is None:
        expanded = _expand(view, definition, facts)
        if not expanded[0].in_circles:
            known[key] = expanded
    inner, relation = expanded
    facts.take_over(inner)
    found: Relation | None = relation
    return found


def _expand(view: TableName, definition: str, facts: "Facts") -> "tuple[Facts, Relation | None]":
    inner = type(facts)(
        facts.catalogue,
        facts.catalogue.dialect,
        view.database or facts.database,
        facts.search_path,
        facts.query,
    )
    inner.expanding = (*facts.expanding, view)
    try:
        tokens = tokens_of(definition, inner.dialect)
        trees = trees_of(tokens, definition, inner.dialect)
        relation = inner.query(trees[0], Scope(inner)) if trees else None
    except (ParseFailure, RecursionError):
        relation = None
    if relation is None:
        inner.problem("unreadable_view", view)
    return inner, relation
