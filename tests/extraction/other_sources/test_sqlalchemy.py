"""Any SQLAlchemy URL: what the inspector tells is what our own sources tell."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.extraction.sources.base import Source
from flowkeep.extraction.sources.registry import source_class
from flowkeep.extraction.sources.sqlalchemy_source import SQLAlchemySource
from flowkeep.storage import Storage
from tests.extraction.other_sources.support import extraction_of, source_of
from tests.extraction.support import entities, extract, with_


def fallback(url: str) -> Source:
    """The fallback for a URL that has a source of its own."""
    return SQLAlchemySource(SourceCredentials.read({"url": url}))


def postgresql(url: str) -> str:
    """The URL with the driver that is installed."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def small(tmp_path: Path) -> str:
    """URL of a small SQLite file."""
    path = tmp_path / "small.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE a (x integer PRIMARY KEY, y text NOT NULL DEFAULT 'q', UNIQUE (y));"
            "CREATE TABLE b (x integer REFERENCES a (x), CHECK (x > 0));"
            "CREATE INDEX i ON b (x); CREATE VIEW v AS SELECT x FROM a;"
        )
    return f"sqlite:///{path}"


def test_other_schemes_lead_to_the_fallback() -> None:
    """The scheme decides, with and without a driver; what is unknown is left to SQLAlchemy."""
    classes = {
        "postgres://h/d": "PostgreSQLSource",
        "postgresql+psycopg2://h/d": "PostgreSQLSource",
        "mariadb+mariadbconnector://h/d": "MySQLSource",
        "mysql+pymysql://h/d": "MySQLSource",
        "sqlite+aiosqlite:///x": "SQLiteSource",
        "mssql+py_odbc://h/d": "SQLAlchemySource",
        "snowflake://account/d": "SQLAlchemySource",
    }
    found = {url: source_class(SourceCredentials.read({"url": url})).__name__ for url in classes}
    assert found == classes
    assert source_class(SourceCredentials.read({"host": "h"})).__name__ == "PostgreSQLSource"


def test_a_small_database_is_told_whole(small: str, storage: Storage) -> None:
    """Tables, columns, constraints and indexes arrive with their content."""
    reference, manifest = extract(extraction_of(fallback(small), storage))
    assert reference.counts == {
        "schemas": 1,
        "tables": 3,
        "columns": 4,
        "constraints": 4,
        "indexes": 1,
    }
    assert "sequences" in manifest["not_applicable"]
    assert verify_manifest(storage, reference.key) == []
    [y] = [
        one["attributes"]
        for one in entities(storage, manifest, "columns")
        if one["attributes"]["name"] == "y"
    ]
    assert (y["dataTypeDisplay"], y["isNullable"], y["defaultValue"]) == ("TEXT", False, "'q'")
    types = sorted(
        one["attributes"]["constraintType"] for one in entities(storage, manifest, "constraints")
    )
    assert types == ["Check", "ForeignKey", "PrimaryKey", "Unique"]


@pytest.mark.filterwarnings("ignore:Did not recognize type")  # of SQLAlchemy, for composite types
def test_it_agrees_with_our_own_source(sample_url: str, storage: Storage) -> None:
    """For PostgreSQL's sample, names of tables and columns are those that our source finds."""
    options = {"filters": [{"action": "include", "level": "schema", "value": "sales"}]}
    own = SourceCredentials.read({"url": sample_url})
    results = []
    for run, source in (
        ("own", source_class(own)(own)),
        ("inspected", fallback(postgresql(sample_url))),
    ):
        extraction = extraction_of(source, storage, run, options=options)
        results.append({kind: extraction.fetch(kind) for kind in ("tables", "columns")})
    names: list[Any] = [
        {kind: identities(storage, found[kind], kind) for kind in found} for found in results
    ]
    assert names[0]["columns"]
    assert names[0] == names[1]


def identities(storage: Storage, fetched: Any, kind: str) -> set[tuple[str, ...]]:
    """Schema, table and column of every row."""
    from tests.extraction.support import rows_of

    keys = ["schema_name", "table_name", *(["column_name"] if kind == "columns" else [])]
    return {tuple(row[key] for key in keys) for row in rows_of(storage, fetched)}


def test_the_preflight_says_that_it_is_slow(small: str) -> None:
    """Whoever reads through the inspector is warned of what it costs and lacks."""
    handler = SQLHandler(source_class=SQLAlchemySource)
    handler.load({"url": small})
    checks = {one.name: one for one in handler.preflight_check({}).checks}
    (check,) = [one for name, one in checks.items() if name.startswith("visibility")]
    assert (check.ok, check.level) == (False, "warning")
    assert "per table" in check.message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("snowflake://u:canary-7f3a@account/d", "pip install snowflake-sqlalchemy"),
        ("nosuch://u:canary-7f3a@h/d", "the SQLAlchemy dialect for nosuch"),
        ("oracle://u:canary-7f3a@h/d", "pip install"),
    ],
)
def test_a_missing_driver_is_named(url: str, words: str) -> None:
    """The error says what to install, and nothing of the password."""
    with pytest.raises(ConfigurationError, match=words) as caught, fallback(url).session():
        pass
    assert caught.value.code == "DRIVER_MISSING"
    assert "canary" not in str(caught.value)


def test_a_database_that_is_away_is_tried_again(sample_url: str) -> None:
    """Outages pass; the password is in no message."""
    away = postgresql(with_(sample_url, port="1", password="canary-7f3a"))
    with pytest.raises(SourceUnavailable, match="reachable") as caught, fallback(away).session():
        pass
    assert "canary" not in str(caught.value)


def test_views_are_left_out_of_all_kinds(small: str, storage: Storage) -> None:
    """`exclude_views` holds here too, for tables and for what belongs to them."""
    extraction = extraction_of(fallback(small), storage, options={"exclude_views": True})
    assert [extraction.fetch(kind).rows for kind in ("tables", "columns")] == [2, 3]


@pytest.mark.parametrize("make", [fallback, source_of])
def test_what_no_catalogue_tells_is_refused(
    make: Callable[[str], Source], small: str, storage: Storage
) -> None:
    """An option that could not be applied is an error in preflight and run, never left out."""
    source = make(small)
    with pytest.raises(ConfigurationError, match="exclude_empty_tables"):
        extraction_of(source, storage, options={"exclude_empty_tables": True}).fetch("tables")
    handler = SQLHandler(source_class=type(source))
    handler.load({"url": small})
    result = handler.preflight_check({"metadata": {"exclude_empty_tables": True}})
    assert [check.name for check in result.failures] == ["options"]


def test_what_cannot_be_inspected_is_told_and_the_rest_is_there(
    small: str, storage: Storage
) -> None:
    """A view of a table that is gone makes its columns a partial scope, not a run that fails."""
    with closing(sqlite3.connect(small.removeprefix("sqlite:///"))) as connection:
        connection.executescript(
            "CREATE TABLE lost (z); CREATE VIEW broken AS SELECT z FROM lost; DROP TABLE lost"
        )
    _, manifest = extract(extraction_of(fallback(small), storage))
    scopes = {scope["kind"]: scope for scope in manifest["scopes"]}
    assert scopes["tables"]["written"] == 4
    assert (scopes["columns"]["status"], scopes["columns"]["written"]) == ("partial", 4)
    assert "main.broken: no such table: main.lost" in scopes["columns"]["reason"]
    assert any("broken" in warning for warning in manifest["warnings"])
