"""What each filter rule matches, for people who are about to extract."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from flowkeep.contracts import CheckResult
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.compile import compile_rules
from flowkeep.extraction.filters.rule import Rule
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.restrict import restricted
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import SOURCE_REGEX, Session, Source, Statement

SAMPLES = 5
"""Most names that a report shows."""
_LONGEST_NAME = 120

_COUNTED = ("schemas", "tables", "procedures")
_Named = Literal["table", "procedure"]


@dataclass(slots=True)
class _Found:
    count: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, names: Sequence[str]) -> None:
        self.count += len(names)
        self.samples += names[: SAMPLES - len(self.samples)]


@dataclass(frozen=True, slots=True)
class _SchemaRules:
    """Options without whatever decides about the objects of a schema."""

    rules: tuple[Rule, ...]
    include_system_schemas: bool
    exclude_views: bool = False
    exclude_empty_tables: bool = False


class RuleTally:
    """Counts over all databases what each rule matches, and what is in the scope.

    A rule is counted among the objects that it could decide on: a rule for tables among the tables
    of schemas that are in the scope. What is in the scope is counted by the source, with the
    conditions that the extraction uses. Names are read batch by batch, so memory stays flat.

    Args:
        source: The server.
        options: The rules.
    """

    def __init__(self, source: Source, options: ExtractionOptions) -> None:
        self._source = source
        self._options = options
        self._found = {rule: _Found() for rule in options.rules}
        self._scope = dict.fromkeys(_COUNTED, 0)
        self._databases = 0

    def add_databases(self, names: Sequence[str]) -> None:
        """Count the rules for databases.

        Args:
            names: All databases that rules choose from.
        """
        for rule in self._rules("database"):
            self._count(rule, names)

    def add(self, session: Session, database: str, schemas: Sequence[str]) -> None:
        """Count what one database has.

        Args:
            session: A session in it.
            database: Its name.
            schemas: All its schemas.

        Raises:
            ConfigurationError: If the source rejects a statement.
            SourceUnavailable: If it goes away.
        """
        self._databases += 1
        for rule in self._rules("schema", database):
            self._count(rule, schemas)
        self._add_named(session, database, "table")
        self._add_named(session, database, "procedure")
        for kind in _COUNTED:
            text = self._source.statements.get(kind)
            if text is not None:
                plain = Statement(text, self._options.parameters())
                counted = restricted(plain, self._source, self._options, database)
                self._scope[kind] += session.count(counted)

    def checks(self, *, complete: bool) -> Iterator[CheckResult]:
        """Yield one check per rule, and one of what is in the scope.

        Args:
            complete: Whether all databases were counted; if not, a rule that matches nothing may
                match in the others.
        """
        for rule, found in self._found.items():
            if found.count:
                shown = ", ".join(found.samples)
                more = found.count - len(found.samples)
                message = f"matches {_many(found.count, f'{rule.level}s')}: {shown}"
                message += f" and {more} more" if more else ""
            else:
                message = f"matches no {rule.level} of any database{_why(rule)}"
            yield CheckResult(
                name=_name(rule),
                ok=bool(found.count),
                message=message,
                level="error" if rule.action == "include" and complete else "warning",
            )
        counts = ", ".join(
            _many(count, kind)
            for kind, count in self._scope.items()
            if kind in self._source.statements
        )
        yield CheckResult(
            name="scope",
            ok=self._scope["schemas"] > 0,
            message=f"{counts} in {_many(self._databases, 'databases')}",
            level="warning",
        )

    def rejected(self, database: str) -> Iterator[CheckResult]:
        """Yield a failed check for each rule whose regular expression the source cannot read.

        Args:
            database: Where the source rejected one of them.
        """
        syntax = self._source.filter_syntax
        for rule in self._options.rules:
            if syntax is None or rule.expression is None or not rule.concerns(database):
                continue
            bound: dict[str, object] = {}

            def bind(value: object, bound: dict[str, object] = bound) -> str:
                bound["tried"] = value
                return syntax.placeholder("tried")

            condition = syntax.matches("''", rule.expression, bind)
            try:
                with self._source.session(database) as session:
                    session.rows(Statement(f"SELECT CASE WHEN {condition} THEN 1 END", bound))
            except ConfigurationError as error:
                if error.code != SOURCE_REGEX:
                    raise
                yield CheckResult(name=_name(rule), ok=False, message=str(error))

    def _rules(self, level: str, database: str | None = None) -> list[Rule]:
        return [
            rule
            for rule in self._found
            if rule.level == level and (database is None or rule.concerns(database))
        ]

    def _count(self, rule: Rule, names: Sequence[str]) -> None:
        matching = rule.matching(names)
        self._found[rule].add([name for name, ok in zip(names, matching, strict=True) if ok])

    def _add_named(self, session: Session, database: str, level: _Named) -> None:
        """Count the rules for tables, or for procedures."""
        rules = self._rules(level, database)
        text = self._source.statements.get(f"{level}s")
        if not rules or text is None:
            return
        statement = self._names(level, text, database)
        columns = session.describe(statement)
        for batch in session.tables(statement, columns):
            schemas = batch.column("schema_name").to_pylist()
            names = batch.column(f"{level}_name").to_pylist()
            for rule in rules:
                inside = _inside(rule, schemas)
                matching = zip(schemas, names, inside, rule.matching(names), strict=True)
                self._found[rule].add(
                    [f"{schema}.{name}" for schema, name, here, ok in matching if here and ok]
                )

    def _names(self, level: _Named, text: str, database: str) -> Statement:
        """Return the statement for the names of all objects in the schemas of the scope."""
        syntax = self._source.filter_syntax
        if syntax is None:
            only = _SchemaRules(
                tuple(self._rules("schema", database)), self._options.include_system_schemas
            )
            return Statement(text, {}, scope=Scope(only, self._source.is_system_schema))
        compiled = compile_rules(self._options, syntax, database)
        open_filter = replace(compiled, slots={**compiled.slots, level: "true"})
        return Statement(
            f"SELECT s.schema_name, s.{level}_name FROM ({open_filter.apply(text)}\n) AS s",  # noqa: S608 - the values are bound
            compiled.parameters,
        )


def _inside(rule: Rule, schemas: Sequence[str]) -> list[bool]:
    """Return for each schema whether the rule applies in it."""
    if rule.in_schema is None:
        return [True] * len(schemas)
    distinct = list(dict.fromkeys(schemas))
    which = dict(zip(distinct, rule.in_schema.matching(distinct), strict=True))
    return [which[schema] for schema in schemas]


def _name(rule: Rule) -> str:
    text = str(rule)
    return f"rule: {text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + '…'}"


def _why(rule: Rule) -> str:
    if rule.expression is None:
        return ": names are exact, with upper and lower case"
    return ": the whole name must match"


def _many(count: int, plural: str) -> str:
    return f"{count} {plural.removesuffix('s') if count == 1 else plural}"
