"""SQLite: nothing is missing, odd objects are told, and what can go wrong is told apart."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.extraction.sources.base import Statement
from flowkeep.storage import Storage
from tests.extraction.other_sources.support import extraction_of, named, source_of
from tests.extraction.support import entities, extract

SAMPLE = """
CREATE TABLE parent (
    b text, a integer, c text UNIQUE, PRIMARY KEY (b, a), UNIQUE (c, b)
) WITHOUT ROWID;
CREATE TABLE item (
    id integer PRIMARY KEY AUTOINCREMENT,
    first text NOT NULL DEFAULT 'x', second integer,
    twice integer AS (second * 2) STORED, half integer AS (second / 2),
    other integer REFERENCES Item, CHECK (second > 0),
    FOREIGN KEY (first, second) REFERENCES parent (b, a) ON DELETE CASCADE
);
CREATE TABLE exact (a integer) STRICT;
CREATE TABLE "odd ""q' .
 name%" ("c.d" int, "ünï" text, "" int);
CREATE TABLE lost (a);
CREATE VIEW seen AS SELECT id, first FROM item;
CREATE VIEW broken AS SELECT a FROM lost;
DROP TABLE lost;
CREATE VIRTUAL TABLE words USING fts5(body);
CREATE INDEX part ON item (second DESC, first || 'x') WHERE second > 3;
CREATE TRIGGER after_insert AFTER INSERT ON item BEGIN SELECT 1; END;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file with the sample."""
    made = tmp_path / "a shop #1.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.executescript(SAMPLE)
    return made


def url_of(path: Path) -> str:
    """URL of a file, as SQLAlchemy spells it."""
    return f"sqlite:///{str(path).replace('#', '%23')}"


def independent_counts(path: Path) -> dict[str, int]:
    """Count every kind table by table, by pragmas as statements."""
    with closing(sqlite3.connect(path)) as connection:

        def rows(text: str) -> list[Any]:
            return connection.execute(text).fetchall()

        tables = [
            row[0]
            for row in rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            if not row[0].startswith("sqlite_")
        ]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in tables if name != "broken"}
        columns = [row for one in quoted.values() for row in rows(f"PRAGMA table_xinfo({one})")]
        keys = sum(
            any(row[5] for row in rows(f"PRAGMA table_info({one})")) for one in quoted.values()
        )
        foreign = sum(
            len({row[0] for row in rows(f"PRAGMA foreign_key_list({one})")})
            for one in quoted.values()
        )
        indexes = [row for one in quoted.values() for row in rows(f"PRAGMA index_list({one})")]
        triggers = rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    return {
        "schemas": 1,
        "tables": len(tables),
        "columns": len(columns),
        "constraints": keys + foreign + sum(row[3] == "u" for row in indexes),
        "indexes": len(indexes),
        "triggers": len(triggers),
    }


def test_every_count_is_the_file_s(path: Path, storage: Storage) -> None:
    """Per kind, the manifest has what pragmas tell table by table."""
    reference, manifest = extract(extraction_of(source_of(url_of(path)), storage))
    assert reference.counts == independent_counts(path)
    assert {scope["status"] for scope in manifest["scopes"]} == {"complete"}
    assert set(manifest["not_applicable"]) == set(KINDS) - set(reference.counts)
    assert verify_manifest(storage, reference.key) == []


def test_what_the_file_says_is_told(path: Path, storage: Storage) -> None:
    """Keys in their order, generated columns, sorts of table and broken views."""
    _, manifest = extract(extraction_of(source_of(url_of(path)), storage))
    columns, constraints, tables, indexes = (
        entities(storage, manifest, kind)
        for kind in ("columns", "constraints", "tables", "indexes")
    )
    assert named(columns, "main.item.twice")["generation"] == "STORED"
    assert named(columns, "main.item.half")["generation"] == "VIRTUAL"
    assert named(columns, "main.item.id")["isNullable"] is False
    assert named(columns, "main.item.first")["defaultValue"] == "'x'"
    assert named(constraints, "parent#constraint.primary key")["columns"] == ["b", "a"]
    pair = [one["attributes"] for one in constraints if one["attributes"]["onDelete"] == "CASCADE"]
    assert [one["columns"] for one in pair] == [["first", "second"]]
    assert [one["referencedTable"] for one in pair] == ["parent"]
    itself = [one for one in constraints if one["attributes"]["columns"] == ["other"]]
    assert [one["attributes"]["referencedTable"] for one in itself] == ["item"]
    assert named(indexes, "#index.part")["columns"] == ["second", "(expression)"]
    assert named(indexes, "#index.part")["isPartial"] is True
    assert named(tables, "main.parent")["isWithoutRowid"] is True
    assert named(tables, "main.exact")["isStrict"] is True
    assert named(tables, "main.broken")["isValid"] is False
    assert named(tables, "main.words")["isVirtual"] is True
    names = {one["attributes"]["name"] for one in tables + columns}
    assert {"odd \"q' .\n name%", "c.d", "ünï", ""} <= names
    assert all(one["qualifiedName"].startswith(source_of(url_of(path)).namespace) for one in tables)


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "include", "level": "table", "value": "item"},
        {"action": "include", "level": "table", "value": "ITEM", "case": "insensitive"},
        {"action": "include", "level": "table", "match": "regex", "value": "it.m"},
    ],
)
def test_rules_choose_tables(path: Path, storage: Storage, rule: dict[str, Any]) -> None:
    """All kinds follow a rule for tables."""
    extraction = extraction_of(source_of(url_of(path)), storage, options={"filters": [rule]})
    _, manifest = extract(extraction)
    for kind in ("columns", "constraints", "indexes", "triggers"):
        found = {one["attributes"]["tableName"] for one in entities(storage, manifest, kind)}
        assert found == {"item"}


@pytest.mark.parametrize("kind", ["tables", "columns", "constraints", "indexes", "triggers"])
def test_rows_can_be_read_on_from_any_row(path: Path, kind: str) -> None:
    """The rows up to a row and those behind it are all rows, in order, whichever row it is."""
    source = source_of(url_of(path))
    statement = extraction_of(source, Storage("file:///nowhere")).statement(kind)
    order = statement.order
    assert order is not None
    with source.session() as session:
        columns = session.describe(statement)

        def keys(one: Any) -> list[tuple[Any, ...]]:
            rows = [row for table in session.tables(one, columns) for row in table.to_pylist()]
            return [tuple(row[name] for name in order.columns) for row in rows]

        everything = keys(statement)
        for place, key in enumerate(everything, 1):
            assert keys(statement.behind(key)) == everything[place:]
            assert sorted(keys(statement.upto(key))) == sorted(everything[:place])


def test_a_session_does_not_see_what_is_written_meanwhile(path: Path) -> None:
    """All statements of a session speak of one state of the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        source = source_of(url_of(path))
        statement = extraction_of(source, Storage("file:///nowhere")).statement("tables")
        with source.session() as session:
            before = session.count(statement)
            connection.execute("CREATE TABLE later (a)")
            assert session.count(statement) == before
        with source.session() as session:
            assert session.count(statement) == before + 1


def test_a_file_is_never_made_nor_changed(tmp_path: Path, path: Path) -> None:
    """A missing file stays missing, and writing is refused."""
    with pytest.raises(ConfigurationError, match="there is no file"), opened(tmp_path / "none.db"):
        pass
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(ConfigurationError, match="readonly"), opened(path) as session:
        session.rows(Statement("CREATE TABLE mine (a)", {}))


def opened(path: Path, **options: Any) -> Any:
    """A session of a file."""
    stop = options.pop("stop", None)
    return source_of(url_of(path), **options).session(stop=stop)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Something else than SQLite's format is a configuration error."""
    other = tmp_path / "letter.txt"
    other.write_text("Dear reader, this is not a database. " * 50)
    with pytest.raises(ConfigurationError, match="not a database"), opened(other):
        pass


@pytest.fixture
def locked(path: Path) -> Iterator[Path]:
    """A file that somebody writes to, exclusively."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield path


def test_a_locked_file_is_tried_again(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock passes by itself."""
    monkeypatch.setattr("flowkeep.extraction.sources.sqlite._BUSY_SECONDS", 0.05)
    with pytest.raises(SourceUnavailable, match="lock"), opened(locked):
        pass


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_statement_that_takes_too_long_ends(path: Path) -> None:
    """The time limit holds for SQLite too, though there is no server to keep it."""
    with (
        pytest.raises(SourceUnavailable, match="statement_timeout_seconds"),
        opened(path, statement_timeout_seconds=0.2) as session,
    ):
        session.rows(Statement(ENDLESS, {}))


def test_a_stop_ends_a_statement(path: Path) -> None:
    """Somebody who says stop is heard in the middle of a statement."""
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(CancelledError), opened(path, stop=stop) as session:
        session.rows(Statement(ENDLESS, {}))


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({"url": "sqlite://shop.db"}, "names no host"),
        ({"url": "sqlite://"}, "credentials.database is missing"),
        ({"dialect": "sqlite"}, "credentials.database is missing"),
        ({"dialect": "mysql", "url": "sqlite:///x"}, "credentials.dialect is 'mysql'"),
        ({"dialect": "mysql"}, "credentials.host is missing"),
        ({"dialect": "oracle"}, "credentials.url is missing"),
    ],
)
def test_credentials_name_what_is_missing(credentials: dict[str, str], words: str) -> None:
    """Each dialect asks for what it needs, by the field's name."""
    from flowkeep.extraction.credentials import SourceCredentials

    with pytest.raises(ConfigurationError, match=words):
        SourceCredentials.read(credentials)


def test_sql_of_ones_own_may_end_in_a_comment(path: Path, storage: Storage) -> None:
    """A semicolon or a comment at its end does not hide what is put around the text."""
    texts = (
        "SELECT 'main' AS database_name, 'main' AS schema_name;",
        "SELECT 'main' AS database_name, 'main' AS schema_name -- all",
    )
    for number, text in enumerate(texts):
        own = {"schemas": text}
        extraction = extraction_of(source_of(url_of(path)), storage, str(number), statements=own)
        assert extraction.fetch("schemas").rows == 1
