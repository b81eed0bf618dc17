"""Filter rules as a command line and a file give them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

_OPTION = "--filter-file"
_SHOWN = 80


def read_filters(lines: Iterable[str], file: str | None) -> dict[str, Any]:
    """Return what a command line says about filters, as `metadata` takes it.

    Args:
        lines: One rule each, as `flowkeep.extraction.filters.text.parse_rule` takes it.
        file: A file of such lines, where a line that begins with `#` is a comment, or a JSON
            document: a list of rules, or an object with further fields of `metadata`, for example
            the original SDK's `include-filter`.

    Raises:
        click.BadParameter: If the file cannot be read.
    """
    fields: dict[str, Any] = {}
    rules: Any = []
    if file is not None:
        found = _read_file(file)
        if isinstance(found, dict):
            fields = found
            rules = found.get("filters") or []
        else:
            rules = found
        if not isinstance(rules, list):
            raise click.BadParameter(
                f"{file}: the rules are no list but {json.dumps(rules)[:_SHOWN]}",
                param_hint=_OPTION,
            )
    rules = [*rules, *lines]
    return {**fields, "filters": rules} if rules else fields


def _read_file(name: str) -> Any:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {name}: {error}", param_hint=_OPTION) from None
    if not text.lstrip().startswith(("[", "{")):
        lines = [line.strip() for line in text.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{name} is no JSON: {error}", param_hint=_OPTION) from None
