"""The original SDK's filter settings, translated into rules.

A dictionary there is `{database: [schema, ...]}`, both regular expressions; `"*"` or an empty list
means all schemas. The SDK joined them to one expression over `database.schema`, anchored only at
its end. Here each name is matched by itself and as a whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from flowkeep.extraction.filters.regex import portable
from flowkeep.extraction.filters.rule import Action, Pattern, Rule
from flowkeep.extraction.filters.text import problem

_SPECIAL = frozenset(r"\.[]{}()*+?^$|")
_FLAGS = ("exclude_views", "exclude_empty_tables")


@dataclass(frozen=True, slots=True)
class Translation:
    """What the original SDK's settings mean here.

    Attributes:
        fields: The options without these settings; their rules stand behind the listed ones.
        original: The settings as they were given; empty when there were none.
        warnings: Where the meaning differs, one sentence each.
    """

    fields: Mapping[str, Any]
    original: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LegacyFilters:
    """The settings as the placeholders of SQL texts need them.

    Attributes:
        include: Database to schemas; an empty list means all.
        exclude: The same.
        temp_table_regex: Tables to leave out; empty for none.
    """

    include: Mapping[str, list[str]] = field(default_factory=dict)
    exclude: Mapping[str, list[str]] = field(default_factory=dict)
    temp_table_regex: str = ""

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "LegacyFilters":
        """Read what `Translation.original` holds."""
        return cls(
            _dictionary("include-filter", settings.get("include-filter")),
            _dictionary("exclude-filter", settings.get("exclude-filter")),
            settings.get("temp-table-regex") or "",
        )


def translate(options: Mapping[str, Any]) -> Translation:
    """Take the original SDK's settings out of the options and put rules in their place.

    Args:
        options: What stands under `metadata`. Names may be written with `-` or `_`.

    Raises:
        ValueError: If a setting cannot be read; names it.
    """
    fields = dict(options)
    original: dict[str, Any] = {}
    for name in ("include-filter", "exclude-filter", "temp-table-regex"):
        value = _take(fields, name)
        if value not in (None, "", {}):
            original[name] = value
    for name in _FLAGS:
        value = _take(fields, name.replace("_", "-"))
        if value is not None:
            fields[name] = False if value == "" else value
    if not original:
        return Translation(fields)
    rules: list[Rule] = []
    warnings: list[str] = []
    settings = LegacyFilters.read(original)
    both: tuple[tuple[Action, Mapping[str, list[str]]], ...] = (
        ("include", settings.include),
        ("exclude", settings.exclude),
    )
    for action, dictionary in both:
        rules += _rules(f"{action}-filter", action, dictionary)
        warnings += _warnings(f"{action}-filter", dictionary)
    if settings.temp_table_regex:
        rules.append(_temp_tables(settings.temp_table_regex))
    listed = fields.get("filters") or ()
    if not isinstance(listed, list | tuple):
        return Translation(fields)  # the options say themselves what is wrong with it
    fields["filters"] = [*listed, *rules]
    return Translation(fields, original, tuple(warnings))


def _take(fields: dict[str, Any], name: str) -> Any:
    spellings = [one for one in (name, name.replace("-", "_")) if one in fields]
    if len(spellings) > 1:
        raise ValueError(f"{' and '.join(spellings)} are one setting: leave one of them out")
    return fields.pop(spellings[0]) if spellings else None


def _dictionary(name: str, value: object) -> dict[str, list[str]]:
    """Return database to schemas, without the anchors around them."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{name} is no JSON: {error}") from None
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be an object like {{'^shop$': ['^sales$']}}")
    found: dict[str, list[str]] = {}
    for key, schemas in value.items():
        database = _without_anchors(key) if isinstance(key, str) else ""
        if not database:
            raise ValueError(f"{name}: {key!r} names no database")
        known = found.get(database)
        listed = _schemas(f"{name}.{key}", schemas)
        found[database] = listed if known is None else (known + listed if known and listed else [])
    return found


def _schemas(name: str, value: object) -> list[str]:
    if value in ("*", "", []):
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} must be a list of schemas, or '*'")
    stripped = [_without_anchors(one) for one in value]
    if not all(stripped):
        raise ValueError(f"{name} holds a schema without a name")
    return [] if "*" in stripped else stripped


def _without_anchors(text: str) -> str:
    text = text.removeprefix("^")
    return text.removesuffix("$") if not text.endswith("\\$") else text


def _is_pattern(text: str) -> bool:
    return not _SPECIAL.isdisjoint(text)


def _pattern(name: str, text: str) -> dict[str, str]:
    found = {"match": "regex" if _is_pattern(text) else "exact", "value": text}
    try:
        Pattern.model_validate(found)
    except ValidationError as error:
        problems = "; ".join(map(problem, error.errors(include_url=False)))
        raise ValueError(f"{name}: {problems}") from None
    return found


def _rules(name: str, action: Action, dictionary: Mapping[str, list[str]]) -> list[Rule]:
    rules: list[Rule] = []
    overlap = any(dictionary.values()) and any(map(_is_pattern, dictionary))
    for key, schemas in dictionary.items():
        database = _pattern(name, key)
        if action == "include" or not schemas:
            rules.append(Rule.model_validate({"action": action, "level": "database", **database}))
        if action == "include" and not schemas and overlap:
            # Another entry may name schemas of the same database; this one takes them all.
            schemas = ["*"]
        for schema in schemas:
            pattern = (
                {"match": "glob", "value": "*"}
                if schema == "*"
                else _pattern(f"{name}.{key}", schema)
            )
            rule = {"action": action, "level": "schema", "database": database, **pattern}
            rules.append(Rule.model_validate(rule))
    return rules


def _warnings(name: str, dictionary: Mapping[str, list[str]]) -> list[str]:
    if not dictionary:
        return []
    found = [
        f"{name}: names must match as a whole; the original SDK did not anchor the beginning, so "
        f"that {_some(dictionary)} also took databases whose names only end like it"
    ]
    whole = [key for key, schemas in dictionary.items() if not schemas]
    if whole:
        found.append(
            f"{name}: all schemas of {_some(whole)} are meant; the original SDK also took "
            "databases whose names only begin like it"
        )
    texts = [*dictionary, *(one for schemas in dictionary.values() for one in schemas)]
    branching = [text for text in texts if "|" in text]
    if branching:
        found.append(
            f"{name}: the alternatives in {_some(branching)} are alternatives of one name; the "
            "original SDK let them split the whole expression of databases and schemas"
        )
    patterns = [key for key in dictionary if _is_pattern(key)]
    if patterns and name == "include-filter":
        found.append(
            f"{name}: every database that matches {_some(patterns)} is read; the original SDK read "
            "only the connected one unless it ran with several databases"
        )
    return found


def _temp_tables(regex: str) -> Rule:
    """Return the rule for tables in whose names something is found, as it was there."""
    if not isinstance(regex, str):
        raise ValueError("temp-table-regex must be a text")
    try:
        portable(regex)
    except ValueError as error:
        raise ValueError(f"temp-table-regex: {error}") from None
    return Rule(action="exclude", level="table", match="regex", value=f".*(?:{regex}).*")


def _some(texts: Any) -> str:
    listed = list(texts)
    shown = ", ".join(repr(one) for one in listed[:3])
    return shown if len(listed) <= 3 else f"{shown} and {len(listed) - 3} more"
