"""What several tests of the extraction need."""

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pyarrow as pa

from flowkeep.contracts.extraction import ManifestRef
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.postgresql import PostgreSQLSource
from flowkeep.storage import Storage

COLUMNS = (
    "SELECT current_database() AS database_name, 's' AS schema_name, 't' AS table_name,"
    " 'c' || g AS column_name, {value} AS value FROM generate_series(1, {rows}) AS g"
)
"""Columns that do not exist, with a value of the test's choice."""


def source_of(url: str, **options: Any) -> PostgreSQLSource:
    """A source for a PostgreSQL URL."""
    return PostgreSQLSource(SourceCredentials.read({"url": url}), **options)


def extraction_of(
    url: str, storage: Storage, run_id: str = "run-1", **arguments: Any
) -> MetadataExtraction:
    """An extraction of the database in a URL; `options` are what stands under `metadata`."""
    options = ExtractionOptions.read(arguments.pop("options", None))
    location = RunLocation("tenant", "app", "Flow", run_id)
    source = source_of(url, statement_timeout_seconds=options.statement_timeout_seconds)
    return MetadataExtraction(source, storage, location, options, **arguments)


def extract(extraction: MetadataExtraction) -> tuple[ManifestRef, dict[str, Any]]:
    """Run a whole extraction and return the manifest's reference and content."""
    fetched = [extraction.fetch(kind) for kind in KINDS]
    transformed = [extraction.transform(one) for one in fetched]
    assert extraction.orphans(fetched).findings == []
    reference = extraction.finish(fetched, transformed)
    return reference, read_manifest(extraction.storage, reference.key)


def scope_of(manifest: dict[str, Any], kind: str) -> dict[str, Any]:
    """The only scope of a kind."""
    (scope,) = [one for one in manifest["scopes"] if one["kind"] == kind]
    return scope


def entities(storage: Storage, manifest: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """All entities of a kind, read from the JSON lines."""
    found = []
    for part in scope_of(manifest, kind)["assets"]["parts"]:
        if part["key"].endswith(".jsonl.zst"):
            found += [json.loads(line) for line in lines(storage, part["key"])]
    return found


def lines(storage: Storage, key: str) -> Iterator[bytes]:
    """The lines of a compressed file."""
    packed = pa.BufferReader(storage.get(key))
    with io.BufferedReader(pa.CompressedInputStream(packed, "zstd")) as text:
        yield from text


def with_(url: str, **parts: str) -> str:
    """The URL with another user, password, host, port or database."""
    old = urlsplit(url)
    user = parts.get("user", old.username)
    password = parts.get("password", old.password)
    host = parts.get("host", old.hostname)
    port = parts.get("port", old.port)
    path = f"/{parts['database']}" if "database" in parts else old.path
    return urlunsplit((old.scheme, f"{user}:{password}@{host}:{port}", path, old.query, ""))


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Rows of a statement, read over an own connection; names in expressions are qualified."""
    with psycopg.connect(url, options="-c search_path=pg_catalog") as connection:
        return connection.execute(statement.encode()).fetchall()


def run(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows_of(storage: Storage, result: Any) -> list[dict[str, Any]]:
    """All rows of a fetch."""
    parts = [part for scope in result.scopes for part in scope.parts]
    return [
        row
        for part in parts
        for table in read_tables(storage, part.key)
        for row in table.to_pylist()
    ]


def fetch(url: str, storage: Storage, statement: str, **arguments: Any) -> Any:
    """Fetch columns by a statement of the test."""
    extraction = extraction_of(url, storage, statements={"columns": statement}, **arguments)
    return extraction.fetch("columns")
