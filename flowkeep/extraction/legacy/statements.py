"""SQL texts of the original SDK: their placeholders, and what stands for them here.

There a text went through `str.format`, and values were pasted into it. Here it is read as SQL,
once: a literal with placeholders becomes one bound parameter, so that no value can end it, and a
value may hold braces, as `[a-z]{3}` does. What the placeholders say comes from the rules, so that
texts and shipped statements agree on which schemas are in the scope.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.regex import literal
from flowkeep.extraction.filters.rule import Rule
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.options import ExtractionOptions

_NAMES = (
    *("include_databases", "exclude_databases"),
    *("normalized_include_regex", "normalized_exclude_regex"),
    *("temp_table_regex_sql", "exclude_table_regex"),
    *("exclude_empty_tables", "exclude_views", "database_name"),
)
_SLOTS = ("database_filter", "schema_filter", "table_filter", "procedure_filter")
_KNOWN = re.compile(rf"(?<!\{{)\{{(?:{'|'.join(_NAMES)})\}}|\{{\?temp_tables\}}")
_LIKE = re.compile(
    r"(?<!\{)\{(?!(?:database|schema|table|procedure)_filter\})"
    r"(?:(?:include|exclude|normali[sz]ed|temp)_\w+|\w+_(?:regex|filter))\}"
)
_SECTION = re.compile(r"\{\?temp_tables\}(.*?)\{/temp_tables\}", re.DOTALL)
_PIECES = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<escaped> (?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<literal> '(?:[^']|'')*' )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<braces> \{\{ | \}\} )
    | (?P<bare> \{(?P<name>\w+)\} )
    """,
    re.DOTALL | re.VERBOSE,
)
_FIELD = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(slots=True)
class LegacyStatement:
    """A text of the original SDK in this package's words.

    Attributes:
        text: SQL; it may still hold slots.
        parameters: Values by name.
    """

    text: str
    parameters: dict[str, Any] = field(default_factory=dict)


def is_legacy(text: str) -> bool:
    """Return whether a text has placeholders of the original SDK, or what looks like them."""
    return _KNOWN.search(text) is not None or _LIKE.search(text) is not None


def with_temp_tables(text: str, snippet: str | None) -> str:
    """Put the condition on temporary tables in the place of `{temp_table_regex_sql}`.

    It counts only when `temp-table-regex` is set.

    Args:
        text: For example `fetch_table_sql`.
        snippet: For example `AND table_name !~ '{exclude_table_regex}'`; None leaves the text.
    """
    if snippet is None:
        return text
    section = f"{{?temp_tables}}{snippet}{{/temp_tables}}"
    return text.replace("{temp_table_regex_sql}", section)


def translate_statement(
    text: str, options: ExtractionOptions, syntax: FilterSyntax, database: str
) -> LegacyStatement:
    """Translate a text with placeholders; doubled braces become single ones.

    Args:
        text: The text, `is_legacy`.
        options: The rules.
        syntax: How the source writes placeholders of parameters.
        database: The database it will run in; it is the only one the text is to speak of.

    Raises:
        ConfigurationError: If a placeholder is unknown, or stands where no value can stand.
    """
    return _Translator(_values(options, syntax, database), syntax).translate(
        _SECTION.sub(r"\1" if options.legacy.temp_table_regex else "", text)
    )


def _values(
    options: ExtractionOptions, syntax: FilterSyntax, database: str
) -> Mapping[str, str | bool]:
    rules = [rule for rule in options.rules if rule.level == "schema" and rule.concerns(database)]
    included = [rule for rule in rules if rule.action == "include"]
    excluded = [_expression(rule) for rule in rules if rule.action == "exclude"]
    exact = any(rule.match == "exact" for rule in included)
    if syntax.system_schemas and not options.include_system_schemas and not exact:
        excluded.append(syntax.system_schemas)
    return {
        "include_databases": f"^({literal(database)})$",
        "exclude_databases": "^$",
        "normalized_include_regex": _joined(database, map(_expression, included)) or ".*",
        "normalized_exclude_regex": _joined(database, excluded) or "^$",
        "exclude_table_regex": options.legacy.temp_table_regex or "^$",
        "temp_table_regex_sql": options.legacy.temp_table_regex,
        "exclude_empty_tables": options.exclude_empty_tables,
        "exclude_views": options.exclude_views,
        "database_name": database,
    }


def _expression(rule: Rule) -> str:
    return literal(rule.value) if rule.expression is None else rule.expression


def _joined(database: str, schemas: Any) -> str:
    listed = [f"(?:{one})" for one in schemas]
    return f"^{literal(database)}\\.(?:{'|'.join(listed)})$" if listed else ""


class _Translator:
    def __init__(self, values: Mapping[str, str | bool], syntax: FilterSyntax) -> None:
        self._values = values
        self._syntax = syntax
        self._parameters: dict[str, Any] = {}

    def translate(self, text: str) -> LegacyStatement:
        pieces: list[tuple[str, bool]] = []  # text, and whether it is a placeholder of ours
        end = 0
        for found in _PIECES.finditer(text):
            pieces += [(text[end : found.start()], False), self._piece(found)]
            end = found.end()
        pieces.append((text[end:], False))
        doubled = self._syntax.doubles_percent and bool(self._parameters)
        return LegacyStatement(
            "".join(
                piece.replace("%", "%%") if doubled and not ours else piece
                for piece, ours in pieces
            ),
            self._parameters,
        )

    def _piece(self, found: re.Match[str]) -> tuple[str, bool]:
        whole = found[0]
        match found.lastgroup:
            case "comment":
                return whole, False
            case "literal":
                return self._literal(whole)
            case "identifier":
                return self._identifier(whole), False
            case "braces":
                return whole[0], False
            case "escaped":
                return self._escaped(whole), False
        return self._bare(found["name"])

    def _identifier(self, whole: str) -> str:
        """Fill in a database's name; some servers read a text in double quotes as a literal."""
        if any(one[1] not in (None, "database_name") for one in _FIELD.finditer(whole)):
            raise _unsafe(whole)
        return self._filled(whole, lambda name: self._text(name).replace('"', '""'))

    def _escaped(self, whole: str) -> str:
        if any(one[1] for one in _FIELD.finditer(whole)):
            raise _unsafe(whole)
        return self._filled(whole, self._text)

    def _literal(self, whole: str) -> tuple[str, bool]:
        if not any(one[1] for one in _FIELD.finditer(whole)):
            return self._filled(whole, self._text), False
        content = whole[1:-1].replace("''", "'")
        return self._bind(self._filled(content, self._text)), True

    def _bare(self, name: str) -> tuple[str, bool]:
        if name in _SLOTS:
            return f"{{{name}}}", False
        value = self._value(name)
        if isinstance(value, bool):
            return str(value).lower(), False
        if name == "database_name":
            quoted = value.replace('"', '""')
            return (value if _PLAIN_NAME.fullmatch(value) else f'"{quoted}"'), False
        if name == "temp_table_regex_sql":
            if value:
                raise ConfigurationError(
                    "{temp_table_regex_sql} has nothing to stand for",
                    hint="set extract_temp_table_regex_table_sql and "
                    "extract_temp_table_regex_column_sql",
                    code="SOURCE_STATEMENT",
                )
            return "", False
        return self._bind(value), True

    def _bind(self, value: str) -> str:
        name = f"legacy_{len(self._parameters)}"
        self._parameters[name] = value
        return self._syntax.placeholder(name)

    def _filled(self, text: str, value: Callable[[str], str]) -> str:
        """Fill the placeholders of a literal in one pass; what values hold is not looked at."""
        return _FIELD.sub(lambda one: value(one[1]) if one[1] else one[0][0], text)

    def _text(self, name: str) -> str:
        value = self._value(name)
        return str(value).lower() if isinstance(value, bool) else value

    def _value(self, name: str) -> str | bool:
        if name not in self._values:
            raise ConfigurationError(
                f"the SQL has an unknown placeholder {{{name}}}",
                hint=f"use {', '.join(self._values)}, or double braces that mean themselves",
                code="SOURCE_STATEMENT",
            )
        return self._values[name]


def _unsafe(quoted: str) -> ConfigurationError:
    return ConfigurationError(
        f"a placeholder stands in {quoted[:40]!r}, where no value can stand safely",
        hint="write it inside plain single quotes",
        code="SOURCE_STATEMENT",
    )
