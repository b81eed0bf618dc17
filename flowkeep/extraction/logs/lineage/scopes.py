"""Scopes: which sources a name in a statement can mean, and which one it does mean.

Follows PostgreSQL (parse_relation.c): the innermost scope that has a column wins; a name that is no
column anywhere may be a source's, and then means its whole row.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowkeep.extraction.logs.lineage.influence import (
    NOTHING,
    TRANSFORMATION,
    Influences,
    add,
)
from flowkeep.extraction.logs.lineage.sources import SYSTEM_COLUMNS, Source

if TYPE_CHECKING:
    from flowkeep.extraction.logs.lineage.facts import Facts


class Group:
    """Sources joined with each other: one entry of a FROM clause, between commas.

    Attributes:
        sources: The sources in their order.
        by_alias: The same by the name they go by.
        merged: Columns that USING or NATURAL made of two, the latest join's first.
    """

    __slots__ = ("by_alias", "merged", "sources")

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.by_alias: dict[str, Source] = {}
        self.merged: dict[str, Influences] = {}

    def add(self, source: Source) -> None:
        """Add a source."""
        self.sources.append(source)
        if source.alias:
            self.by_alias[source.alias] = source

    def join(self, other: "Group") -> None:
        """Add another group's sources behind the own ones."""
        self.sources += other.sources
        self.by_alias.update(other.by_alias)
        self.merged.update(other.merged)

    def find(self, name: str) -> list[Influences]:
        """Return what a column may be: one thing, unless the name is missing or ambiguous."""
        found = [self.merged[name]] if name in self.merged else []
        for source in self.sources:
            if name not in source.hidden:
                column = source.find(name)
                if column is not None:
                    found.append(column)
        return found

    def columns(self) -> Iterator[tuple[str, Influences]]:
        """Yield what `*` stands for, as far as it is known."""
        yield from self.merged.items()
        for source in self.sources:
            if source.hidden:
                yield from (pair for pair in source.columns() if pair[0] not in source.hidden)
            else:
                yield from source.columns()

    def open_sources(self) -> list[Source]:
        """Return the sources of columns that are not known."""
        return [one for source in self.sources if source.open for one in source.open_sources()]


class Scope:
    """What the names in one query can mean.

    Attributes:
        facts: What is found of the statement.
        parent: The scope around; None for the outermost.
        ctes: CTEs that are visible, by name.
        groups: Entries of the FROM clause.
        windows: Named windows.
        rows: What decides which rows there are.
    """

    __slots__ = ("ctes", "facts", "groups", "parent", "rows", "windows")

    def __init__(
        self,
        facts: "Facts",
        parent: "Scope | None" = None,
        groups: list[Group] | None = None,
        ctes: dict[str, Any] | None = None,
    ) -> None:
        self.facts = facts
        self.parent = parent
        self.groups = [] if groups is None else groups
        inherited: dict[str, Any] = parent.ctes if parent is not None else {}
        self.ctes: dict[str, Any] = inherited if ctes is None else ctes
        self.windows: dict[str, Any] = {}
        self.rows: Influences = {}

    def column(self, name: str) -> Influences:
        """Return what a name without a qualifier means; reports a problem if nothing."""
        guesses: list[Source] = []
        scope: Scope | None = self
        while scope is not None:
            found = [one for group in scope.groups for one in group.find(name)]
            if len(found) == 1:
                if guesses:
                    self.facts.assume(found[0])
                return found[0]
            if found:
                self.facts.problem("ambiguous_column", name)
                return NOTHING
            guesses += [source for group in scope.groups for source in group.sources if source.open]
            scope = scope.parent
        source = self.source(name)
        if source is not None:
            return whole_row(source)
        if name in SYSTEM_COLUMNS:
            return NOTHING
        if len(guesses) == 1:
            return self._guess(guesses[0], name)
        self.facts.problem("ambiguous_column" if guesses else "unknown_column", name)
        return NOTHING

    def own_column(self, name: str) -> Influences | None:
        """Return what a name means if a source of this query itself surely has it."""
        found = [one for group in self.groups for one in group.find(name)]
        return found[0] if len(found) == 1 else None

    def qualified(self, qualifier: str, name: str, schema: str | None = None) -> Influences:
        """Return what a name behind a source's name means; reports a problem if nothing."""
        source = self.source(qualifier, schema)
        if source is None:
            self.facts.problem("unknown_source", qualifier)
            return NOTHING
        found = source.find(name)
        if found is not None:
            return found
        if name in SYSTEM_COLUMNS:
            return NOTHING
        if source.open:
            return self._guess(source, name)
        self.facts.problem("unknown_column", f"{qualifier}.{name}")
        return NOTHING

    def source(self, alias: str, schema: str | None = None) -> Source | None:
        """Return the innermost source that goes by a name, or None."""
        scope: Scope | None = self
        while scope is not None:
            for group in scope.groups:
                source = group.by_alias.get(alias)
                if source is not None and schema is None:
                    return source
                for source in group.sources if schema is not None else ():
                    table = source.table
                    if source.alias == alias and table and table.schema in (schema, None):
                        return source
            scope = scope.parent
        return None

    def _guess(self, source: Source, name: str) -> Influences:
        found = source.guess(name)
        if found is None:
            self.facts.problem("ambiguous_column", name)
            return NOTHING
        if source.table is not None or source.open_sources() != [source]:
            self.facts.assume(found)
        return found


def whole_row(source: Source) -> Influences:
    """Return what a source's row, taken as one value, is influenced by."""
    row: Influences = {}
    for _, influences in source.columns():
        add(row, influences, TRANSFORMATION)
    return row
