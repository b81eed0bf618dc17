"""Objects that are legal and that break tools."""

import json
from typing import Any

import psycopg
import pytest
from psycopg import sql

from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.storage import Storage
from tests.extraction.independent import OWN, counts
from tests.extraction.support import entities, extract, extraction_of, rows_of, run, with_

NAMES = (
    "single'quote",
    'double"quote',
    "back\\slash",
    "\\0",
    "\\x00",
    "\\u0000",
    "%00",
    "%s %(include)s",
    "{schema_filter}",
    "dots.in.names",
    "new\nline",
    "\r\n",
    "tab\t",
    ",",
    "#index.t",
    "(a, b)",
    " ",
    "NULL",
    "\\N",
    "\\.",
    "\uffff",
    "\u202eright to left",
    "\U0001f418\u200d\U0001f389",
    "e\u0301",
    "\u00e9",
    "x" * 63,
    "\U0001f418" * 15 + "xyz",
)
"""Names of at most 63 bytes, all different."""


@pytest.fixture
def odd_url(database_url: str) -> str:
    """URL of a database in which objects of every kind have every one of the names."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        for number, name in enumerate(NAMES):
            assert len(name.encode()) <= 63
            parts = {"name": sql.Identifier(name), "text": sql.Literal(name)}
            connection.execute(
                sql.SQL(
                    """
                    CREATE SCHEMA {name};
                    CREATE TABLE {name}.{name} ({name} text DEFAULT {text} COLLATE "C",
                        CONSTRAINT {name} CHECK ({name} <> {text}));
                    CREATE INDEX ON {name}.{name} ({name}, lower({name})) WHERE {name} = {text};
                    CREATE TRIGGER {name} AFTER INSERT ON {name}.{name}
                        EXECUTE FUNCTION noted({text});
                    CREATE VIEW {name}.{view} AS SELECT {name}, {text} AS v FROM {name}.{name};
                    CREATE SEQUENCE {name}.{sequence};
                    CREATE TYPE {name}.{type} AS ENUM ({text}, 'other');
                    CREATE FUNCTION {name}.{name}({name}.{name}) RETURNS {name}.{type}
                        LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                    COMMENT ON TABLE {name}.{name} IS {text}
                    """
                ).format(
                    **parts,
                    **{
                        what: sql.Identifier(f"{what} {number}")
                        for what in ("view", "sequence", "type")
                    },
                )
            )
    return database_url


def test_any_name_comes_through(odd_url: str, storage: Storage) -> None:
    """Names, texts and comments are the same, byte by byte, and no two objects share a name."""
    reference, manifest = extract(extraction_of(odd_url, storage))
    assert reference.counts == counts(odd_url, OWN)
    found = {kind: entities(storage, manifest, kind) for kind in KINDS}
    for kind in ("schemas", "tables", "columns", "constraints", "triggers", "procedures"):
        assert set(NAMES) <= {one["attributes"]["name"] for one in found[kind]}
    tables = {
        one["attributes"]["name"]: one["attributes"]["description"] for one in found["tables"]
    }
    assert {name: tables[name] for name in NAMES} == {name: name for name in NAMES}
    labels = {one["attributes"]["labels"][0] for one in found["types"]}
    assert labels == set(NAMES)
    read = {one["attributes"]["columns"][0] for one in found["view_dependencies"]}
    assert read == set(NAMES)
    named = [one["qualifiedName"] for kind in KINDS for one in found[kind]]
    assert len(set(named)) == len(named)


def test_a_filter_finds_any_name(odd_url: str, storage: Storage) -> None:
    """An exact include of a schema gives that schema's objects alone."""
    for name in NAMES:
        extraction = extraction_of(odd_url, storage, options={"include_schemas": [name]})
        rows = rows_of(storage, extraction.fetch("indexes"))
        assert {row["schema_name"] for row in rows} == {name}


def test_a_table_of_1600_columns(database_url: str, storage: Storage) -> None:
    """The widest table there can be has all its columns, and an index and constraints on them."""
    columns = ", ".join(f"c{number} smallint" for number in range(1, 1601))
    keys = ", ".join(f"c{number}" for number in range(1569, 1601))
    checks = " + ".join(f"c{number}" for number in range(1, 1601))
    run(
        database_url,
        f"CREATE TABLE wide ({columns})",
        f"CREATE UNIQUE INDEX ON wide ({keys})",
        f"ALTER TABLE wide ADD CONSTRAINT total CHECK ({checks} > 0)",
        "CREATE VIEW seen AS SELECT * FROM wide",
    )
    extraction = extraction_of(database_url, storage)
    reference, manifest = extract(extraction)
    assert reference.counts == counts(database_url, OWN)
    assert reference.counts["columns"] == 3200
    (check,) = entities(storage, manifest, "constraints")
    assert len(check["attributes"]["columns"]) == 1600
    (index,) = entities(storage, manifest, "indexes")
    assert index["attributes"]["columns"] == keys.split(", ")
    (edge,) = entities(storage, manifest, "view_dependencies")
    assert edge["attributes"]["columns"] == [f"c{number}" for number in range(1, 1601)]


def test_a_comment_of_ten_megabytes(database_url: str, storage: Storage) -> None:
    """It comes through whole, with its quotes and newlines, for a table and for an index."""
    text = 'A "line", and more\n\U0001f418' * 400_000
    assert len(text.encode()) > 9_000_000
    comment = sql.SQL("COMMENT ON {} IS {}")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE t (a integer); CREATE INDEX i ON t (a)")
        for what in ("TABLE t", "INDEX i"):
            connection.execute(comment.format(sql.SQL(what), sql.Literal(text)))
    _, manifest = extract(extraction_of(database_url, storage))
    for kind in ("tables", "indexes"):
        (one,) = entities(storage, manifest, kind)
        assert one["attributes"]["description"] == text


def test_schemas_that_the_role_may_not_use_are_catalogued_in_full(
    database_url: str, storage: Storage
) -> None:
    """Without USAGE on a schema a role reads the same rows of every kind as the superuser."""
    role = "blind_" + database_url.rsplit("_", 1)[1]
    run(
        database_url,
        "CREATE SCHEMA closed",
        "CREATE TYPE closed.mood AS ENUM ('a')",
        "CREATE TABLE closed.t (a serial PRIMARY KEY, m closed.mood DEFAULT 'a', b integer"
        " REFERENCES closed.t CHECK (b > 0))",
        "CREATE INDEX ON closed.t (abs(b)) WHERE b > 1",
        "CREATE VIEW closed.v AS SELECT a FROM closed.t",
        "CREATE FUNCTION closed.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER g AFTER INSERT ON closed.t EXECUTE FUNCTION closed.f()",
        "REVOKE ALL ON SCHEMA closed FROM PUBLIC",
        f"CREATE ROLE {role} LOGIN PASSWORD 'blind'",
    )
    blind = with_(database_url, user=role, password="blind")

    def read(url: str) -> dict[str, list[dict[str, Any]]]:
        extraction = extraction_of(url, storage)
        return {kind: rows_of(storage, extraction.fetch(kind)) for kind in KINDS}

    try:
        found = read(blind)
        assert all(found.values())
        assert json.dumps(found) == json.dumps(read(database_url))
    finally:
        run(database_url, f"DROP ROLE {role}")
