"""Reading a catalogue that changes all the time."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of

CHANGES = (
    "CREATE SCHEMA churn",
    "CREATE TYPE churn.pair AS (a integer)",
    "CREATE TABLE churn.t (a integer DEFAULT 1, b text GENERATED ALWAYS AS ('x') STORED,"
    " c churn.pair) PARTITION BY LIST (a)",
    "CREATE TABLE churn.t1 PARTITION OF churn.t FOR VALUES IN (1)",
    "CREATE VIEW churn.v AS SELECT t.a, (t.c).a AS x FROM churn.t",
    "CREATE MATERIALIZED VIEW churn.m AS SELECT * FROM churn.v",
    "CREATE FUNCTION churn.f(x churn.pair DEFAULT NULL) RETURNS churn.pair LANGUAGE sql"
    " BEGIN ATOMIC SELECT x; END",
    "CREATE DOMAIN churn.d AS integer CHECK (VALUE > 0) CHECK (VALUE < 10)",
    "CREATE TABLE churn.k (id integer PRIMARY KEY, up integer REFERENCES churn.k, d churn.d,"
    " e serial, CHECK (id + up > 3), EXCLUDE USING gist (box(point(id, up), point(0, 0)) WITH &&))",
    "CREATE INDEX ON churn.k (lower(id::text)) WHERE up > 2",
    "CREATE FUNCTION churn.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER g AFTER UPDATE ON churn.k FOR EACH ROW WHEN (OLD.up > 1)"
    " EXECUTE FUNCTION churn.g()",
    "ALTER TABLE churn.k RENAME TO renamed",
    "ALTER TABLE churn.renamed RENAME up TO down",
    "ALTER TABLE churn.renamed DROP COLUMN down CASCADE",
    "DROP SCHEMA churn CASCADE",
)


@pytest.fixture
def churn(database_url: str) -> Iterator[list[int]]:
    """Objects of every kind come and go; the list holds how many changes were made."""
    stop, made = threading.Event(), [0]

    def change() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not stop.is_set():
                for statement in CHANGES:
                    connection.execute(statement.encode())
                    made[0] += 1

    thread = threading.Thread(target=change)
    thread.start()
    yield made
    stop.set()
    thread.join()


def test_objects_that_come_and_go_break_nothing(
    database_url: str, storage: Storage, churn: list[int]
) -> None:
    """Every kind is read, with equal counts, while objects are renamed and dropped."""
    extraction = extraction_of(database_url, storage)
    fetches = 0
    while churn[0] < 10 * len(CHANGES) or fetches < 15:
        for kind in KINDS:
            fetched = extraction.fetch(kind)
            assert fetched.scopes[0].planned == fetched.scopes[0].read
        fetches += 1
