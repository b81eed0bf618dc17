"""Filter rules as people write them: `exclude table regex tmp_.*`, or as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

ACTIONS = ("include", "exclude")
LEVELS = ("database", "schema", "table", "procedure")
MATCHES = ("exact", "glob", "regex")
CASES = ("sensitive", "insensitive")
PARENTS = ("database", "schema")

_OPTION = "--filter"
_FILE_OPTION = "--filter-file"
_FORM = "write ACTION LEVEL MATCH VALUE, like 'exclude table regex tmp_.*'"


def read_filters(texts: Iterable[str], file: str | None) -> dict[str, Any]:
    """Return what a command line says about filters, as `metadata` takes it.

    Args:
        texts: One rule each: `ACTION LEVEL [database=NAME] [schema=NAME] [insensitive] MATCH
            VALUE`, or a JSON object with the fields of `Rule`.
        file: A file of such lines, where `#` begins a comment, or a JSON document: a list of
            rules, or an object with the original SDK's `include-filter` and `exclude-filter`.

    Raises:
        click.BadParameter: If a rule cannot be read; quotes it and says what is expected.
    """
    fields: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    if file is not None:
        fields, rules = _read_file(file)
    rules += [read_rule(text, _OPTION) for text in texts]
    if rules:
        fields["filters"] = rules
    return fields


def read_rule(text: str, option: str) -> dict[str, Any]:
    """Return one rule.

    Args:
        text: See `read_filters`.
        option: Where it stood, for errors.

    Raises:
        click.BadParameter: If it cannot be read.
    """
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is no JSON: {error}", param_hint=option) from None
        assert isinstance(found, dict), "text that begins with a brace and is JSON"
        return found
    action, level, *rest = [*text.split(None, 2), "", ""][:3]
    rule: dict[str, Any] = {"action": _known(action, ACTIONS, text, option)}
    rule["level"] = _known(level, LEVELS, text, option)
    match, value = "", rest[0]
    while not match:
        word, _, value = value.lstrip().partition(" ")
        parent, assigned, name = word.partition("=")
        if assigned and parent in PARENTS:
            rule[parent] = name
        elif word in CASES:
            rule["case"] = word
        else:
            match = rule["match"] = _known(word, MATCHES, text, option)
    if not value:
        raise click.BadParameter(f"{text!r} has no value: {_FORM}", param_hint=option)
    return {**rule, "value": value}


def _known(word: str, words: tuple[str, ...], text: str, option: str) -> str:
    if word not in words:
        raise click.BadParameter(
            f"{text!r}: {word!r} is none of {', '.join(words)}; {_FORM}", param_hint=option
        )
    return word


def _read_file(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {name}: {error}", param_hint=_FILE_OPTION) from None
    if not text.lstrip().startswith(("[", "{")):
        lines = [line.strip() for line in text.splitlines()]
        return {}, [read_rule(one, _FILE_OPTION) for one in lines if one and one[0] != "#"]
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{name} is no JSON: {error}", param_hint=_FILE_OPTION) from None
    if isinstance(found, dict):
        return found, []
    rules = [read_rule(one, _FILE_OPTION) if isinstance(one, str) else one for one in found]
    return {}, rules
