"""Reading a catalogue that changes all the time."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

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
    """Every fetch succeeds with equal counts while views, types and routines are dropped."""
    extraction = extraction_of(database_url, storage)
    while churn[0] < 10 * len(CHANGES):
        for kind in ("schemas", "tables", "columns", "procedures"):
            extraction.fetch(kind)
    for _ in range(30):
        for kind in ("tables", "procedures"):
            extraction.fetch(kind)
