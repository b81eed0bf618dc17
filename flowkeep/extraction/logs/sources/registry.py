"""Which class reads which kind of log; its module is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from flowkeep.extraction.logs.sources.base import LogSource

_PACKAGE = "flowkeep.extraction.logs.sources"
_CLASSES = {
    "history": ("history", "HistorySource"),
    "pg_stat_statements": ("stat_statements", "StatStatementsSource"),
    "csvlog": ("csv_log", "CsvLog"),
    "jsonlog": ("json_log", "JsonLog"),
    "jsonl": ("json_lines", "JsonLines"),
}

SOURCE_KINDS = tuple(_CLASSES)
"""Kinds of our own."""


def log_source_class(kind: str) -> type["LogSource"]:
    """Return the class of one of our own kinds.

    Args:
        kind: One of `SOURCE_KINDS`.
    """
    module, name = _CLASSES[kind]
    return cast("type[LogSource]", getattr(import_module(f"{_PACKAGE}.{module}"), name))
