"""A generated catalogue: many schemas, many tables, columns of usual types."""

import psycopg
from psycopg import sql

TYPES = ("integer", "text", "numeric(12,2)", "timestamp with time zone", "character varying(80)")
TABLES_PER_SCHEMA = 50
COLUMNS = 20


def create_catalogue(url: str, tables: int) -> None:
    """Fill an empty database.

    Every third table has a comment and one column with a comment, every fifth column a default,
    seven of ten tables a primary key.

    Args:
        url: The database.
        tables: How many tables of 20 columns; rounded up to whole schemas of 50.
    """
    columns = ", ".join(
        f"column_{number:02} {TYPES[number % len(TYPES)]}"
        + (" DEFAULT 0" if number % len(TYPES) == 0 else "")
        for number in range(COLUMNS)
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(-(-tables // TABLES_PER_SCHEMA)):
            connection.execute(_schema(f"schema_{number:04}", columns))
        connection.execute("VACUUM ANALYZE")


def _schema(name: str, columns: str) -> sql.Composed:
    """Return a block that creates one schema; a block is a transaction, so locks stay few."""
    body = f"""
    BEGIN
        CREATE SCHEMA {name};
        FOR i IN 1..{TABLES_PER_SCHEMA} LOOP
            EXECUTE format('CREATE TABLE {name}.table_%s ({columns})', i);
            IF i % 10 < 7 THEN
                EXECUTE format('ALTER TABLE {name}.table_%s ADD PRIMARY KEY (column_00)', i);
            END IF;
            IF i % 3 = 0 THEN
                EXECUTE format('COMMENT ON TABLE {name}.table_%s IS ''for %s''', i, i);
                EXECUTE format('COMMENT ON COLUMN {name}.table_%s.column_01 IS ''a, b, "c"''', i);
            END IF;
        END LOOP;
    END"""
    return sql.SQL("DO {}").format(sql.Literal(body))
