"""Compiling rules into conditions with bound values, one per slot of a statement."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flowkeep.extraction.filters.rule import Action, Level, Pattern, Rule
from flowkeep.extraction.filters.syntax import FilterSyntax

_SLOT = re.compile(r"\{(database|schema|table|procedure)_filter\}")
_PLACEHOLDER = re.compile(r"%\(\w+\)s")


class FilterOptions(Protocol):
    """What of `ExtractionOptions` decides which objects are in the scope."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in order."""

    @property
    def include_system_schemas(self) -> bool:
        """Whether the server's own schemas count among all."""

    @property
    def exclude_views(self) -> bool:
        """Whether views are left out."""

    @property
    def exclude_empty_tables(self) -> bool:
        """Whether tables are left out that the server's statistics call empty."""


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """Conditions for the slots of statements, and what binds to them.

    Attributes:
        slots: Level to the condition that is true for objects in the scope.
        parameters: Values by name.
        doubles_percent: See `FilterSyntax`.
    """

    slots: Mapping[Level, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    doubles_percent: bool = True

    def apply(self, text: str) -> str:
        """Put the conditions in the place of `{schema_filter}` and the like.

        Everything else stays as it is, other braces too. So does a text without slots. In a text
        with slots a percent sign stands for itself, unless the text has placeholders of its own:
        then the author doubles the others, as the driver wants it.

        Args:
            text: SQL with or without slots.
        """
        if not _SLOT.search(text):
            return text
        if self.doubles_percent and self.parameters and not _PLACEHOLDER.search(text):
            used = any(_PLACEHOLDER.search(self.slots[_level(one)]) for one in _SLOT.finditer(text))
            text = text.replace("%", "%%") if used else text
        return _SLOT.sub(lambda found: self.slots[_level(found)], text)


def compile_rules(options: FilterOptions, syntax: FilterSyntax, database: str) -> CompiledFilter:
    """Compile the rules for the statements of one database.

    Equal options give equal texts. Without rules the condition of tables and of procedures is
    `true`, and that of schemas only keeps the server's own out.

    Args:
        options: The rules and what goes with them.
        syntax: How the source writes conditions.
        database: The database; rules that are restricted to another one are left out.
    """
    compiler = _Compiler(options, syntax, database)
    slots: dict[Level, str] = {
        "database": compiler.databases(),
        "schema": compiler.schemas(),
        "table": compiler.tables(),
        "procedure": compiler.named("procedure"),
    }
    return CompiledFilter(slots, compiler.parameters, syntax.doubles_percent)


class _Compiler:
    def __init__(self, options: FilterOptions, syntax: FilterSyntax, database: str) -> None:
        self._options = options
        self._syntax = syntax
        self._rules = [rule for rule in options.rules if rule.concerns(database)]
        self.parameters: dict[str, Any] = {}

    def databases(self) -> str:
        included, excluded = self._of("include", "database"), self._of("exclude", "database")
        return _all(
            [self._any("database", included)] if included else [],
            [self._any("database", excluded)] if excluded else [],
        )

    def schemas(self) -> str:
        included, excluded = self._of("include", "schema"), self._of("exclude", "schema")
        wanted = [self._any("schema", included)] if included else []
        exact = [rule for rule in included if rule.match == "exact"]
        only_exact = bool(exact) and len(exact) == len(included)
        if not self._options.include_system_schemas and not only_exact:
            own = f"NOT {self._syntax.system_schema}"
            wanted.append(f"({own} OR {self._any('schema', exact)})" if exact else own)
        return _all(wanted, [self._any("schema", excluded)] if excluded else [])

    def tables(self) -> str:
        unwanted = []
        if self._options.exclude_views and self._syntax.view:
            unwanted.append(self._syntax.view)
        if self._options.exclude_empty_tables and self._syntax.empty:
            unwanted.append(self._syntax.empty)
        return _all([self.named("table")], unwanted)

    def named(self, level: Level) -> str:
        """Return the condition of a level whose rules may be restricted to schemas."""
        included, excluded = self._of("include", level), self._of("exclude", level)
        wanted = []
        if included:
            condition = self._any(level, included)
            parents = [rule.in_schema for rule in included]
            if None not in parents:
                concerned = self._any("schema", [one for one in parents if one is not None])
                condition = f"(NOT {concerned} OR {condition})"
            wanted.append(condition)
        return _all(wanted, [self._any(level, excluded)] if excluded else [])

    def _of(self, action: Action, level: Level) -> list[Rule]:
        return [rule for rule in self._rules if rule.action == action and rule.level == level]

    def _any(self, level: Level, patterns: Iterable[Pattern]) -> str:
        """Return the condition that one of the patterns matches, inside its schemas."""
        by_schema: dict[Pattern | None, list[Pattern]] = {}
        for pattern in patterns:
            restricted = pattern.in_schema if isinstance(pattern, Rule) else None
            by_schema.setdefault(restricted, []).append(pattern)
        choices: list[str] = []
        for schema, members in by_schema.items():
            inside = self._matches(self._syntax.names[level], members)
            if schema is not None:
                parent = self._matches(self._syntax.names["schema"], [schema])
                inside = [f"({_or(parent)} AND {_or(inside)})"]
            choices += inside
        return _or(choices)

    def _matches(self, expression: str, patterns: Iterable[Pattern]) -> list[str]:
        exact: dict[str, None] = {}
        expressions: dict[str, None] = {}
        for pattern in patterns:
            if pattern.expression is None:
                exact[pattern.value] = None
            else:
                expressions[pattern.expression] = None
        if ".*" in expressions:
            return ["true"]
        found = []
        if exact:
            found.append(self._syntax.equals(expression, list(exact), self._bind))
        return found + [self._syntax.matches(expression, one, self._bind) for one in expressions]

    def _bind(self, value: object) -> str:
        name = f"filter_{len(self.parameters)}"
        self.parameters[name] = value
        return self._syntax.placeholder(name)


def _level(found: re.Match[str]) -> Level:
    level: Level = found[1]  # type: ignore[assignment]  # the slot's expression lists the levels
    return level


def _or(conditions: list[str]) -> str:
    return f"({' OR '.join(conditions)})"


def _all(wanted: list[str], unwanted: list[str]) -> str:
    conditions = [one for one in wanted if one != "true"]
    conditions += [f"NOT {one}" for one in unwanted]
    return f"({' AND '.join(conditions)})" if conditions else "true"
