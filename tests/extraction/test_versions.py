"""Every supported version of PostgreSQL: nothing is missing, and one text serves all."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.sources.base import SOURCE_VERSION
from flowkeep.extraction.sources.postgresql import OLDEST
from flowkeep.storage import Storage
from tests.extraction.independent import ALL, OWN, counts
from tests.extraction.support import extract, extraction_of, query, rows_of, run, source_of
from tests.servers.binaries import UnavailableError
from tests.servers.postgres import PostgresServer, postgres_server


@pytest.mark.parametrize(("system", "schema"), [(False, OWN), (True, ALL)])
def test_every_count_is_the_server_s(
    rich_url: str, storage: Storage, system: bool, schema: str
) -> None:
    """Of every kind as many are extracted as independent SQL counts, without an orphan."""
    options = {"include_system_schemas": system}
    reference, manifest = extract(extraction_of(rich_url, storage, options=options))
    assert reference.counts == counts(rich_url, schema)
    assert min(reference.counts.values()) > 0
    assert {scope["status"] for scope in manifest["scopes"]} == {"complete"}


def test_temporary_objects_of_other_sessions_are_nobody_s(
    versioned: PostgresServer, storage: Storage
) -> None:
    """What a session has for itself belongs to no schema that others could name."""
    run(versioned.url(), "CREATE DATABASE temporary")
    with psycopg.connect(versioned.url("temporary"), autocommit=True) as other:
        other.execute(
            "CREATE TEMP TABLE mine (a serial PRIMARY KEY); CREATE TEMP VIEW seen AS SELECT * FROM"
            " mine; CREATE TYPE pg_temp.mood AS ENUM ('x')"
        )
        options = {"include_system_schemas": True}
        extraction = extraction_of(versioned.url("temporary"), storage, options=options)
        reference, _ = extract(extraction)
        assert reference.counts == counts(versioned.url("temporary"), ALL)
    run(versioned.url(), "DROP DATABASE temporary")


@pytest.mark.parametrize("versioned", [18], indirect=True)
def test_statements_are_as_many_for_ten_tables_as_for_a_thousand(
    versioned: PostgresServer, tmp_path: Path
) -> None:
    """The server's own log of statements is as long for both."""
    sent = []
    for tables in (10, 1000):
        name = f"of_{tables}"
        run(
            versioned.url(),
            f"CREATE DATABASE {name}",
            f"ALTER DATABASE {name} SET log_statement = 'all'",
        )
        run(
            versioned.url(name),
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            f"""DO $$ BEGIN FOR i IN 1..{tables} LOOP
                EXECUTE format('CREATE TABLE t%s (a serial PRIMARY KEY, b integer)', i);
                IF i % 10 = 0 THEN
                    EXECUTE format('CREATE VIEW v%s AS SELECT * FROM t%s', i, i);
                END IF;
                EXECUTE format('CREATE TRIGGER t AFTER INSERT ON t%s EXECUTE FUNCTION noted()', i);
            END LOOP; END $$""",
        )
        reference, _ = extract(
            extraction_of(versioned.url(name), Storage((tmp_path / name).as_uri()))
        )
        assert reference.counts["tables"] == 1.1 * tables
        log = versioned.log()
        sent.append(log.count(f"{name} flowkeep> LOG:  statement: "))
        run(versioned.url(), f"DROP DATABASE {name}")
    assert sent[0] == sent[1] > len(KINDS)


async def test_views_do_not_use_up_the_server_s_locks(tmp_path: Path) -> None:
    """More views than the server has room for locks are read, in order, one definition each."""
    few = {"max_locks_per_transaction": "10", "max_connections": "10"}
    views = 1500
    try:
        async with postgres_server(OLDEST, tmp_path / "server", few) as server:
            await asyncio.to_thread(
                run,
                server.url(),
                f"""DO $$ BEGIN FOR i IN 1..{views} LOOP
                    EXECUTE format('CREATE TABLE t%s (a integer)', i);
                    EXECUTE format('CREATE VIEW v%s AS SELECT a + %s AS a FROM t%s', i, i, i);
                    COMMIT;
                END LOOP; END $$""",
            )
            with pytest.raises(psycopg.errors.OutOfMemory, match="max_locks_per_transaction"):
                query(server.url(), "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v'")
            storage = Storage((tmp_path / "storage").as_uri())
            fetched = await asyncio.to_thread(extraction_of(server.url(), storage).fetch, "tables")
    except UnavailableError as error:
        pytest.skip(str(error))
    rows = rows_of(storage, fetched)
    assert [row["table_oid"] for row in rows] == sorted(row["table_oid"] for row in rows)
    definitions = {row["table_name"]: row["view_definition"] for row in rows}
    assert len(definitions) == len(rows) == 2 * views
    for number in range(1, views + 1):
        assert f"+ {number})" in definitions[f"v{number}"]


async def test_a_version_before_the_oldest_is_refused(tmp_path: Path) -> None:
    """The error names the server, its version and the oldest that would do."""
    try:
        async with postgres_server(OLDEST - 1, tmp_path) as server:
            source = source_of(server.url())
            with (
                pytest.raises(
                    ConfigurationError, match=r"PostgreSQL 13\.\d+.* is too old"
                ) as raised,
                source.session(),
            ):
                pass
            assert raised.value.code == SOURCE_VERSION
            assert f"{OLDEST} or later" in str(raised.value)
            arguments = {"credentials": {"url": server.url()}}
            result = await asyncio.to_thread(SQLHandler(None).preflight_check, arguments)
            assert any("is too old" in one.message for one in result.failures)
    except UnavailableError as error:
        pytest.skip(str(error))
