"""Restricting statements to the scope that the options describe."""

from dataclasses import replace

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.compile import compile_rules
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.legacy.statements import is_legacy, translate_statement
from flowkeep.extraction.log import get_logger
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import Session, Source, Statement

_log = get_logger(__name__)
_SHOWN = 80


def restricted(
    statement: Statement, source: Source, options: ExtractionOptions, database: str
) -> Statement:
    """Return a statement that returns only what is in the scope.

    Args:
        statement: With slots, or with placeholders of the original SDK, or without: then what it
            returns is nobody's business but its author's.
        source: Where it will run.
        options: The rules.
        database: The database it will run in.

    Raises:
        ConfigurationError: If placeholders of the original SDK cannot be filled; names them.
    """
    syntax = source.filter_syntax
    legacy_text = is_legacy(statement.text)
    check_applicable(source, options)
    if legacy_text:
        if syntax is None:
            raise ConfigurationError(
                f"{source.dialect} has no conditions in SQL that placeholders could stand for",
                hint="write the SQL of this kind without placeholders",
                code="SOURCE_STATEMENT",
            )
        legacy = translate_statement(statement.text, options, syntax, database)
        parameters = {**statement.parameters, **legacy.parameters}
        statement = replace(statement, text=legacy.text, parameters=parameters)
    if syntax is None:
        return replace(statement, scope=Scope(options, source.is_system_schema))
    compiled = compile_rules(options, syntax, database)
    text = compiled.apply(statement.text)
    if text == statement.text:
        if not legacy_text and any(rule.level != "database" for rule in options.rules):
            _log.warning("no rule applies to SQL without slots", sql=text.strip()[:_SHOWN])
        return statement
    return replace(statement, text=text, parameters={**statement.parameters, **compiled.parameters})


def check_applicable(source: Source, options: ExtractionOptions) -> None:
    """Check that a source can tell what the options want to leave out.

    Sources whose sessions judge names by themselves know views, and no numbers of rows.

    Args:
        source: Where statements will run.
        options: What is asked for.

    Raises:
        ConfigurationError: If it cannot; names the option.
    """
    syntax = source.filter_syntax
    for name, what, known in (
        ("exclude_views", "views", syntax is None or syntax.view is not None),
        ("exclude_empty_tables", "empty tables", syntax is not None and syntax.empty is not None),
    ):
        if getattr(options, name) and not known:
            raise ConfigurationError(
                f"metadata.{name}: the catalogue of {source.credentials.dialect} does not tell "
                f"which are {what}",
                hint="leave it out, or exclude tables by name in metadata.filters",
                code="OPTION_NOT_APPLICABLE",
            )


def resolve_databases(
    source: Source, options: ExtractionOptions, session: Session | None = None
) -> tuple[str, ...]:
    """Return the databases that are extracted, in the order of the rules that name them.

    Exact names are taken as they are, whether or not there is such a database, so that a missing
    one is reported instead of skipped. Patterns choose among the server's databases, those the
    role may not enter included. Without a rule that includes databases it is the default one.

    Args:
        source: The server.
        options: The rules.
        session: An open session; one is opened when patterns have to be resolved without it.

    Raises:
        ConfigurationError: If no database is left.
        SourceUnavailable: If the server cannot be reached now.
    """
    rules = [rule for rule in options.rules if rule.level == "database"]
    included = [rule for rule in rules if rule.action == "include"]
    if not any(rule.expression is not None for rule in included):
        candidates = [rule.value for rule in included] or [source.default_database]
    elif session is None:
        with source.session() as opened:
            return resolve_databases(source, options, opened)
    else:
        listed = source.all_databases(session)
        candidates = [
            name
            for rule in included
            for name in ([rule.value] if rule.expression is None else listed)
            if rule.matches(name)
        ]
    unique = list(dict.fromkeys(candidates))
    chosen = tuple(Scope(options, source.is_system_schema).databases(unique))
    if not chosen:
        raise ConfigurationError(
            f"no database is in the scope: {', '.join(str(rule) for rule in rules)}",
            hint="let metadata.databases or a rule that includes databases name one that exists",
            code="NO_DATABASE",
        )
    return chosen


def is_named(database: str, options: ExtractionOptions) -> bool:
    """Return whether somebody asked for this very database, be it by asking for none.

    Args:
        database: One of those that `resolve_databases` returned.
        options: The rules.
    """
    included = [
        rule for rule in options.rules if rule.level == "database" and rule.action == "include"
    ]
    named = [rule for rule in included if rule.expression is None]
    return len(named) == len(included) or any(rule.matches(database) for rule in named)
