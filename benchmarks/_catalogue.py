"""Generated catalogues: many schemas, many tables, columns of usual types, all kinds of object."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks._support import say

TYPES = ("integer", "text", "numeric(12,2)", "timestamp with time zone", "character varying(80)")
TABLES_PER_SCHEMA = 50
COLUMNS = 20
CONNECTIONS = 2
_VERSION = 2
_SAY_SECONDS = 5.0


@dataclass(frozen=True)
class Catalogue:
    """What a database holds.

    Of every ten tables seven have a primary key and three a comment; two of the 20 columns of each
    have a comment; there are five functions per schema of 50 tables. Unless it is plain, of every
    ten tables three refer to another one by a foreign key, four have an index besides and one has
    an identity column; each schema has a view over two tables, a materialised view, an enum and a
    trigger.

    Attributes:
        tables: How many tables of 20 columns; rounded up to whole schemas of 50.
        plain: Whether to leave views, foreign keys, further indexes and the like out.
    """

    tables: int
    plain: bool = False

    @property
    def name(self) -> str:
        """Name of its database."""
        return f"catalogue_{self.tables}{'_plain' if self.plain else ''}"

    @property
    def mark(self) -> str:
        """Comment on its database once it is complete."""
        return f"benchmark catalogue {self.name}, version {_VERSION}"

    @property
    def schemas(self) -> int:
        return -(-self.tables // TABLES_PER_SCHEMA)


def create_catalogue(url: str, catalogue: Catalogue) -> None:
    """Fill an empty database, with progress on standard error.

    Args:
        url: The database.
        catalogue: What it is to hold.

    Raises:
        psycopg.Error: If the server refuses.
    """
    progress = _Progress(catalogue)

    def fill(first: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for number in range(first, catalogue.schemas, CONNECTIONS):
                for statement in _schema(f"schema_{number:04}", plain=catalogue.plain):
                    connection.execute(statement)
                progress.add()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(fill, range(CONNECTIONS)))
    say("vacuuming the catalogue")
    with psycopg.connect(url, autocommit=True) as connection:
        # Only the system's tables hold rows. 100,000 empty ones would take minutes.
        found = connection.execute(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
        ).fetchall()
        names = ", ".join(name for (name,) in found)
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {names}".encode())
        connection.execute("CHECKPOINT")
    progress.done()


class _Progress:
    """Says how many tables there are, a line every few seconds."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._schemas = catalogue.schemas
        self._made = 0
        self._begin = self._said = time.monotonic()
        self._lock = threading.Lock()
        say(f"creating {catalogue.name}: {self._schemas * TABLES_PER_SCHEMA} tables")

    def add(self) -> None:
        with self._lock:
            self._made += 1
            now = time.monotonic()
            if now - self._said < _SAY_SECONDS:
                return
            self._said = now
            made, taken = self._made * TABLES_PER_SCHEMA, now - self._begin
            left = taken / self._made * (self._schemas - self._made)
            say(f"  {made} tables after {taken:.0f} s, about {left:.0f} s left")

    def done(self) -> None:
        say(f"  complete after {time.monotonic() - self._begin:.1f} s")


def _schema(name: str, *, plain: bool) -> list[sql.Composed]:
    """Return the blocks that create one schema; a block is a transaction, so locks stay few."""
    bodies = [_tables(name, plain=plain), _functions(name)]
    if not plain:
        bodies.append(_others(name))
    return [sql.SQL("DO {}").format(sql.Literal(body)) for body in bodies]


def _tables(name: str, *, plain: bool) -> str:
    columns = ", ".join(
        f"column_{number:02} {TYPES[number % len(TYPES)]}"
        + (" DEFAULT 0" if number and number % len(TYPES) == 0 else "")
        for number in range(COLUMNS)
    )
    rich = f"""
        IF i % 10 IN (4, 5, 6) THEN
            more := more || format(', FOREIGN KEY (column_05) REFERENCES {name}.table_%s', i - 1);
        END IF;
        IF i % 10 = 8 THEN
            more := ', UNIQUE (column_00)';
        END IF;"""
    index = f"""
        IF i % 10 IN (1, 3, 5, 7) THEN
            EXECUTE format('CREATE INDEX ON {name}.table_%s (column_03, column_04)', i);
        END IF;
        IF i % 10 = 9 THEN
            EXECUTE format('ALTER TABLE {name}.table_%s ALTER column_00 SET NOT NULL,
                ALTER column_00 ADD GENERATED ALWAYS AS IDENTITY', i);
        END IF;"""
    return f"""
    DECLARE more text;
    BEGIN
    CREATE SCHEMA {name};
    FOR i IN 1..{TABLES_PER_SCHEMA} LOOP
        more := CASE WHEN i % 10 < 7 THEN ', PRIMARY KEY (column_00)' ELSE '' END;
        {"" if plain else rich}
        EXECUTE format('CREATE TABLE {name}.table_%s ({columns}%s)', i, more);
        {"" if plain else index}
        IF i % 10 < 3 THEN
            EXECUTE format('COMMENT ON TABLE {name}.table_%s IS ''for %s''', i, i);
        END IF;
        EXECUTE format('COMMENT ON COLUMN {name}.table_%s.column_01 IS ''a, b, "c"''', i);
        EXECUTE format('COMMENT ON COLUMN {name}.table_%s.column_11 IS ''of table %s''', i, i);
    END LOOP;
    END"""


def _functions(name: str) -> str:
    return f"""
    BEGIN
    FOR i IN 1..5 LOOP
        EXECUTE format('CREATE FUNCTION {name}.function_%s(a integer, b text DEFAULT ''x'')
            RETURNS text LANGUAGE sql AS ''SELECT a || b''', i);
    END LOOP;
    END"""


def _others(name: str) -> str:
    return f"""
    BEGIN
    CREATE VIEW {name}.view_1 AS SELECT a.column_00, b.column_01, a.column_02 * 2 AS twice
        FROM {name}.table_1 a JOIN {name}.table_2 b ON a.column_00 = b.column_05;
    CREATE MATERIALIZED VIEW {name}.summary_1 AS SELECT column_05, count(*) AS number
        FROM {name}.table_3 GROUP BY column_05;
    CREATE TYPE {name}.mood AS ENUM ('low', 'even', 'high');
    CREATE FUNCTION {name}.changed() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RETURN new; END';
    CREATE TRIGGER changed BEFORE UPDATE ON {name}.table_4
        FOR EACH ROW EXECUTE FUNCTION {name}.changed();
    END"""
