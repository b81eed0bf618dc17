"""Generated logs, and their outputs held against what is known of them."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from benchmarks._query_log_catalogue import Column, Table, small_catalogue
from benchmarks._query_log_values import Edge
from benchmarks._query_log_views import views
from benchmarks._query_log_writers import json_lines
from benchmarks._statements import START, Execution, Executions, Truth
from flowkeep.extraction.logs.frames import store_rows
from flowkeep.extraction.logs.shape import shaper
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement
from flowkeep.extraction.logs.tally import Tally
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage
from tests.extraction.logs.support import rows_of

_TABLES = dict.fromkeys(("database_name", "schema_name", "table_name", "view_definition"), "string")
_COLUMNS = {
    **dict.fromkeys(("database_name", "schema_name", "table_name", "column_name"), "string"),
    "ordinal_position": "int64",
}


def store_catalogue(storage: Storage, databases: Sequence[str], tenant: str = "tenant") -> str:
    """Put the catalogue into storage as a metadata extraction leaves it; returns its manifest."""
    views()  # which enters them in the catalogue
    content: Any = small_catalogue().to_json(databases)
    definitions = {tuple(name): definition for *name, definition in content["views"]}
    tables = [(*name, definitions.get(tuple(name))) for *name, _ in content["tables"]]
    columns = [
        (*name, column, place)
        for *name, listed in content["tables"]
        for place, column in enumerate(listed, start=1)
    ]
    parts = {
        "tables": store_rows(storage, f"{tenant}/catalogue/tables.parquet", _TABLES, tables),
        "columns": store_rows(storage, f"{tenant}/catalogue/columns.parquet", _COLUMNS, columns),
    }
    scopes = [{"kind": kind, "parts": [part.model_dump()]} for kind, part in parts.items()]
    key = f"{tenant}/catalogue/manifest.json"
    storage.put(key, orjson.dumps({"schema": 1, "tenant": tenant, "scopes": scopes}))
    return key


def write_log(path: Path, executions: Iterable[Execution], *, append: bool = False) -> None:
    """Write executions as PostgreSQL's jsonlog."""
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.writelines(json_lines(executions))


def keys_of(source: Executions) -> dict[str, int]:
    """Return the keys of queries, of each database, to the shapes they stand for."""
    found: dict[str, int] = {}
    reader, draw = shaper("postgres"), random.Random(1)
    for shape in source.truth.shapes:
        for database in source.databases:
            text = shape.template.fill(draw)
            tally = Tally(reader)
            tally.add(Chunk(statements=[LoggedStatement(text, START, database=database)]))
            for _, counts, _ in tally.take(1):
                assert found.setdefault(counts[0][0], shape.number) == shape.number
    return found


class Outcome:
    """What runs have counted, added up.

    Args:
        storage: Where their files lie.
        manifests: Their manifests.
    """

    def __init__(self, storage: Storage, manifests: Sequence[dict[str, Any]]) -> None:
        self._storage = storage
        self._manifests = manifests

    def rows(self, kind: str) -> Iterable[dict[str, Any]]:
        """Rows of a kind, of all runs."""
        return (row for one in self._manifests for row in rows_of(self._storage, one, kind))

    def check(self, truth: Truth, keys: dict[str, int]) -> None:
        """Compare every count with the truth."""
        assert self._by_shape(keys) == truth.by_shape()
        assert self._by_user_and_day(keys) == truth.by_user_and_day()
        fetched = sum(window["statements"] for one in self._manifests for window in one["windows"])
        assert fetched == truth.calls
        self._check_usage(truth)
        self._check_edges(truth)

    def _by_shape(self, keys: dict[str, int]) -> Counter[int]:
        found: Counter[int] = Counter()
        for row in self.rows("queries"):
            found[keys[row["query_key"]]] += row["calls"]
        return found

    def _by_user_and_day(self, keys: dict[str, int]) -> Counter[tuple[int, str, int]]:
        found: Counter[tuple[int, str, int]] = Counter()
        for manifest in self._manifests:
            for window in manifest["windows"]:
                for part in window["parts"]:
                    if "/raw/usage/" not in part["key"]:
                        continue
                    for table in read_tables(self._storage, part["key"]):
                        for row in table.to_pylist():
                            found[keys[row["key"]], row["user"], row["day"]] += row["calls"]
        return found

    def _check_usage(self, truth: Truth) -> None:
        found: Counter[Any] = Counter()
        for row in self.rows("query_usage"):
            table = Table(row["schema_name"], row["table_name"])
            what = Column(*table, row["column_name"]) if row["column_name"] else table
            day = day_number(row["day"])
            key = (row["database_name"], what, row["user_name"], day, row["access"])
            found[key] += row["calls"]
        wanted = truth.usage()
        either = {column for shape in truth.shapes for column in shape.truth.either}
        wrong = {
            key: (found[key], wanted[key])
            for key in found.keys() | wanted.keys()
            if found[key] != wanted[key] and key[1] not in either
        }
        assert wrong == {}

    def _check_edges(self, truth: Truth) -> None:
        found: Counter[tuple[str, Edge]] = Counter()
        for row in self.rows("lineage_edges"):
            if row["direct"]:
                source = Column(
                    row["source_schema_name"], row["source_table_name"], row["source_column_name"]
                )
                target = Column(row["schema_name"], row["table_name"], row["column_name"])
                edge = Edge(source, target, row["transformation"])
                found[row["database_name"], edge] += row["calls"]
        assert found == truth.edges()


def day_number(text: str) -> int:
    """Days since 1970 of an ISO date."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days
