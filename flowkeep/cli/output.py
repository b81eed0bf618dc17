"""Printing: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from flowkeep.contracts import ErrorInfo

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "�")
"""Control characters of stored text would steer the terminal."""

_UNLIMITED = 10_000
"""Columns of a table that goes into a file or a pipe."""

_STATUS_STYLE = {
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "yellow",
    "unknown": "magenta",
    "waiting": "yellow",
    "running": "cyan",
}


def print_json(value: Any) -> None:
    """Print one JSON document.

    Args:
        value: Plain values, records, dataclasses and lists of them.
    """
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; a record or dataclass becomes an object."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain({item.name: getattr(value, item.name) for item in fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def console() -> "Console":
    """Return a console on standard output; without a terminal it neither colours nor wraps."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _UNLIMITED, highlight=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> "Table":
    """Return a table of plain columns.

    Args:
        headings: Names of the columns; `status` is coloured.
        rows: One sequence per row, as long as the headings; null is shown empty.
    """
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading.upper(), overflow="fold", no_wrap=heading == "run id")
    for row in rows:
        cells = []
        for heading, value in zip(headings, row, strict=True):
            text = show(value)
            style = _STATUS_STYLE.get(text, "") if heading == "status" else ""
            cells.append(Text(text, style=style))
        grid.add_row(*cells)
    return grid


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; see `table`."""
    console().print(table(headings, rows))


def print_fields(values: Mapping[str, Any]) -> None:
    """Print one object as lines of name and value; null and empty values are left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in values.items():
        text = show(value)
        if text:
            style = _STATUS_STYLE.get(text, "") if name == "status" else ""
            grid.add_row(Text(name, style="bold"), Text(text, style=style))
    console().print(grid)


def show(value: Any) -> str:
    """Return one value as a person reads it, on one line."""
    if value is None or value == {} or value == []:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        value = json.dumps(plain(value), ensure_ascii=False)
    return str(value).translate(_CONTROL)


def show_error(error: "ErrorInfo | None") -> str:
    """Return an error with what led to it, on one line; empty without an error."""
    if error is None:
        return ""
    parts = [part for part in (error.message, *error.cause) if part]
    return show(f"{error.code}: {': '.join(dict.fromkeys(parts))}")


def show_bytes(count: float) -> str:
    """Return an amount of bytes with a decimal unit, for example `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def show_seconds(seconds: float | None) -> str:
    """Return a duration, for example `0.25 s`, `12.0 s` or `3 min 07 s`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
