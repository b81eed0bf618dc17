"""Judging names that are already here by the rules that a source is asked with."""

from collections.abc import Callable, Sequence

from flowkeep.extraction.filters.compile import FilterOptions
from flowkeep.extraction.filters.rule import Level, Pattern, Rule


class Scope:
    """Which names are in the scope; agrees with the conditions of `compile_rules`.

    `exclude_views` is for those to judge who know what a name stands for; names do not tell, nor
    what `exclude_empty_tables` asks for.

    Args:
        options: The rules and what goes with them.
        is_system_schema: Whether a schema is the server's own.
    """

    def __init__(self, options: FilterOptions, is_system_schema: Callable[[str], bool]) -> None:
        self.exclude_views = options.exclude_views
        self._rules = options.rules
        self._system = options.include_system_schemas
        self._is_system = is_system_schema

    def databases(self, names: Sequence[str]) -> list[str]:
        """Return those databases that an include rule names, or all, less the excluded ones."""
        rules = [rule for rule in self._rules if rule.level == "database"]
        return _chosen(names, rules, None)

    def schemas(self, database: str, names: Sequence[str]) -> list[str]:
        """Return those schemas of a database that are in the scope."""
        rules = self._concerning("schema", database)
        chosen = _chosen(names, rules, None)
        if self._system:
            return chosen
        exact = [rule for rule in rules if rule.action == "include" and rule.match == "exact"]
        return [
            name
            for name in chosen
            if not self._is_system(name) or any(rule.matches(name) for rule in exact)
        ]

    def tables(self, database: str, schema: str, names: Sequence[str]) -> list[str]:
        """Return those tables of a schema that are in the scope when the schema is."""
        return _chosen(names, self._concerning("table", database), schema)

    def procedures(self, database: str, schema: str, names: Sequence[str]) -> list[str]:
        """Return those procedures of a schema that are in the scope when the schema is."""
        return _chosen(names, self._concerning("procedure", database), schema)

    def holds_schema(self, database: str, schema: str) -> bool:
        """Return whether one schema is in the scope of a database that is."""
        return bool(self.schemas(database, [schema]))

    def holds_table(self, database: str, schema: str, table: str) -> bool:
        """Return whether one table and its schema are in the scope of a database that is."""
        return self.holds_schema(database, schema) and bool(self.tables(database, schema, [table]))

    def _concerning(self, level: Level, database: str) -> list[Rule]:
        return [rule for rule in self._rules if rule.level == level and rule.concerns(database)]


def _chosen(names: Sequence[str], rules: Sequence[Rule], schema: str | None) -> list[str]:
    concerned = [rule for rule in rules if rule.in_schema is None or _in(rule.in_schema, schema)]
    included = [rule for rule in concerned if rule.action == "include"]
    excluded = [rule for rule in concerned if rule.action == "exclude"]
    wanted = _any(included, names) if included else [True] * len(names)
    unwanted = _any(excluded, names)
    return [name for name, yes, no in zip(names, wanted, unwanted, strict=True) if yes and not no]


def _in(pattern: Pattern, schema: str | None) -> bool:
    return schema is not None and pattern.matches(schema)


def _any(patterns: Sequence[Pattern], names: Sequence[str]) -> list[bool]:
    found = [False] * len(names)
    for pattern in patterns:
        found = [old or new for old, new in zip(found, pattern.matching(names), strict=True)]
    return found
