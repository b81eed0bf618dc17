"""Words of the command line turned into values: arguments, labels and moments."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

_AGO = re.compile(r"^(\d+)\s*([smhdw])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def merge_arguments(
    pairs: tuple[str, ...], document: str | None, *, option: str = "--arg"
) -> dict[str, Any]:
    """Return a run's arguments from `--args-json` and `--arg`; the latter wins.

    Args:
        pairs: `key=value` words; a value that is JSON is taken as such, else as text.
        document: A JSON object, `@file` or `@-` for standard input.
        option: Where the pairs stood, for errors.

    Raises:
        click.BadParameter: If something cannot be read; names the option.
    """
    merged = read_object(document, "--args-json") if document else {}
    for name, text in split_pairs(pairs, option).items():
        merged[name] = _value(text)
    return merged


def split_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """Return `key=value` words as a dict.

    Raises:
        click.BadParameter: If a word has no `=` or a key stands twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{pair!r} is not of the form key=value", param_hint=option)
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=option)
        found[name] = text
    return found


def read_object(text: str, option: str) -> dict[str, Any]:
    """Return a JSON object given as text, `@file` or `@-`.

    Raises:
        click.BadParameter: If it cannot be read or is no JSON object.
    """
    if text.startswith("@"):
        try:
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(
                f"cannot read {text[1:]}: {error}", param_hint=option
            ) from None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint=option) from None
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object", param_hint=option)
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


class Span(click.ParamType[timedelta]):
    """A length of time: 90s, 30m, 2h, 7d, 1w."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the length.

        Raises:
            click.BadParameter: If it is none.
        """
        span = _AGO.match(str(value).strip())
        if span is None:
            self.fail(f"{value!r} is no length of time (90s, 30m, 2h, 7d)", param, ctx)
        try:
            return timedelta(**{_UNITS[span[2]]: int(span[1])})
        except OverflowError:
            self.fail(f"{value!r} is longer than time can be counted", param, ctx)


class Moment(click.ParamType[datetime]):
    """A moment: ISO 8601 (UTC when it names no offset), or how long ago: 90s, 30m, 2h, 7d, 1w."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment, aware.

        Raises:
            click.BadParameter: If it is neither form.
        """
        ago = _AGO.match(str(value).strip())
        try:
            if ago:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(str(value).strip())
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither ISO 8601 (2026-01-31T12:00:00Z) nor an age (2h, 7d)",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
