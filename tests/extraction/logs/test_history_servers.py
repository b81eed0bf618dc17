"""Histories on PostgreSQL and MariaDB: the same rows whatever the server's types and zones."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.logs.sources.history import HistorySource
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.sources.mysql import MySQLSource
from tests.extraction.logs.history_support import COLUMNS, MICROS, START, Kept, Runs, at, until
from tests.extraction.support import run, source_of, with_
from tests.servers.binaries import UnavailableError
from tests.servers.mariadb import MariaDBServer, mariadb_server

LOG = 'CREATE TABLE "Log" (at {} NOT NULL, text text, id bigint)'
TABLE = 'public."Log"'


def history(url: str, **options: Any) -> HistorySource:
    """The table `Log` of a database as a source."""
    defaults = {"table": TABLE, "since": START, **COLUMNS}
    if "query" in options:
        del defaults["table"]
    return HistorySource(source=source_of(url), options=HistoryOptions(**{**defaults, **options}))


@pytest.mark.parametrize("declared", ["timestamptz", "timestamp", "timestamptz(3)"])
def test_types_and_zones_of_postgresql(database_url: str, declared: str) -> None:
    """Times with a zone are moments, those without count as UTC, whatever zone is preset."""
    name = database_url.rpartition("/")[2]
    run(
        database_url,
        f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Kathmandu'",
        LOG.format(declared),
        f"""INSERT INTO "Log" VALUES ('{at(9.999)}+00', 'last', 1), ('{at(10)}+00', 'next', 2),
            ('{at(0)}+00', 'first', 3), ('infinity', 'never', 4), ('-infinity', 'never', 5),
            ('0044-03-15 00:00:00+00 BC', 'long ago', 6)""",
    )
    source, runs = history(database_url, id_column="id", **until(10)), Runs()
    assert [one.ok for one in source.check()] == [True]
    runs.run(source)
    assert {one.text: one.at - MICROS for one in runs.statements} == {"first": 0, "last": 9_999_000}
    assert {one.place for one in runs.statements} == {f"{TABLE}#1", f"{TABLE}#3"}


def test_all_columns_of_postgresql(database_url: str) -> None:
    """Numbers of any type, booleans and names arrive; names are quoted, percent signs kept."""
    run(
        database_url,
        """CREATE TABLE "Log" (at timestamptz, "%s text" text, who name, took double precision,
            n numeric, shape bigint, "bad?" boolean)""",
        f"""INSERT INTO "Log" VALUES
            ('{at(1)}+00', 'SELECT ''%s''', 'ann', 0.0125, 3, -9223372036854775808, false),
            ('{at(2)}+00', E'a\\n"b",\\\\', NULL, NULL, NULL, NULL, true),
            (NULL, '', '', 1, 1, 1, true)""",
    )
    source = history(
        database_url,
        text_column="%s text",
        user_column="who",
        duration_column="took",
        duration_unit="s",
        rows_column="n",
        query_id_column="shape",
        error_column="bad?",
        **until(10),
    )
    runs = Runs()
    plan = runs.run(source)
    first, second = sorted(runs.statements, key=lambda one: one.at)
    assert first[:9] == (
        "SELECT '%s'", MICROS + 1_000_000, "ann", "", 12_500, 3, -(2**63), 1, 0,
    )  # fmt: skip
    assert second[:9] == ('a\n"b",\\', MICROS + 2_000_000, "", "", None, None, 0, 0, 1)
    assert plan.notes == ["1 rows without a timestamp are left out"]


def test_a_hot_microsecond_is_split_by_hash(database_url: str) -> None:
    """Rows of one moment go into several windows when they have an id; those without one too."""
    run(
        database_url,
        LOG.format("timestamptz"),
        f"""INSERT INTO "Log" SELECT '{at(1)}+00', 'SELECT ' || g, nullif(g, g / 50 * 50)
            FROM generate_series(1, 1000) AS g""",
    )
    runs = Runs()
    plan = runs.run(history(database_url, id_column="id", batch_rows=100, **until(10)))
    assert len(plan.windows) == 10
    assert all(one.planned < 200 for one in plan.windows)
    assert runs.texts == sorted(f"SELECT {number}" for number in range(1, 1_001))
    run(database_url, f"INSERT INTO \"Log\" VALUES ('{at(1)}+00', 'late', NULL)")
    late = runs.run(history(database_url, id_column="id", batch_rows=100, **until(20)))
    assert len(late.windows) > 5
    assert runs.total.repeated == 1_000
    assert Counter(runs.texts) == Counter(["late", *(f"SELECT {n}" for n in range(1, 1_001))])
    whole = Runs().run(history(database_url, batch_rows=100, **until(10)))
    assert [one.planned for one in whole.windows] == [1_001]


@pytest.mark.parametrize("with_id", [True, False])
def test_ten_runs_with_late_rows(database_url: str, with_id: bool) -> None:
    """Ten runs over a table that grows before, behind and at the mark count each row once."""
    run(database_url, LOG.format("timestamptz"))
    chance, number, runs, options = random.Random(8), 0, Runs(), {}
    if with_id:
        options["id_column"] = "id"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for turn in range(1, 11):
            end = turn * 100
            for _ in range(400):
                number += 1
                seconds = chance.choice([0, chance.randint(0, 150), chance.uniform(0, 150)])
                moment = at(max(end - 100 - 50 * (turn > 1) + seconds, 0))
                text = f"SELECT {chance.randint(1, 3)}"
                connection.execute(
                    'INSERT INTO "Log" VALUES (%s, %s, %s)', (f"{moment}+00", text, number)
                )
            runs.run(
                history(
                    database_url,
                    batch_rows=50,
                    bucket_seconds=7,
                    overlap_seconds=60,
                    **options,
                    **until(end),
                )
            )
        rows = connection.execute(
            """SELECT (extract(epoch FROM at) * 1000000)::bigint, text FROM "Log"
                WHERE at < %s""",
            (f"{at(1_000)}+00",),
        ).fetchall()
    assert Counter((one.at, one.text) for one in runs.statements) == Counter(rows)
    assert len(rows) > 3_500


def test_a_role_without_rights(database_url: str) -> None:
    """A missing SELECT is told by check, with the table; so is a column of another type."""
    run(
        database_url,
        LOG.format("timestamptz"),
        "DROP ROLE IF EXISTS log_reader",
        "CREATE ROLE log_reader LOGIN PASSWORD 'x'",
    )
    try:
        url = with_(database_url, user="log_reader", password="x")
        (check,) = history(url).check()
        assert (check.name, check.ok) == ("history.table", False)
        assert "permission denied for table Log" in check.message
        run(database_url, 'GRANT SELECT (at, text) ON "Log" TO log_reader')
        assert [one.ok for one in history(url).check()] == [True]
    finally:
        run(database_url, "DROP OWNED BY log_reader; DROP ROLE log_reader")


@pytest.mark.parametrize(
    ("options", "name", "message"),
    [
        ({"timestamp_column": "day"}, "history.timestamp_column", "is date, which is no timestamp"),
        ({"rows_column": "text"}, "history.rows_column", "is text, which is no number"),
        ({"user_column": "no"}, "history.user_column", "there is no column 'no'"),
        ({"table": "public.nowhere"}, "history.table", '"public.nowhere" does not exist'),
        ({"query": "SELECT 'canary' FROM"}, "history.query", "syntax error"),
        ({"query": "SELECT 'canary' AS at, 1 AS at"}, "history.query", "two columns named 'at'"),
    ],
)
def test_check_names_the_field(
    database_url: str, options: dict[str, Any], name: str, message: str
) -> None:
    """PostgreSQL's own types and errors are told by field; no SQL and no value is quoted."""
    run(
        database_url,
        """CREATE TABLE "Log" AS
            SELECT now() AS at, 'SELECT ''canary''' AS text, now()::date AS day""",
    )
    source = history(database_url, **options)
    (check,) = source.check()
    assert (check.name, check.ok, check.level) == (name, False, "error")
    assert message in check.message
    with pytest.raises(ConfigurationError) as caught:
        source.plan(None, Kept())
    assert "canary" not in f"{check.message} {caught.value}"


def test_rows_that_do_not_arrive_are_incomplete(database_url: str) -> None:
    """When fewer rows arrive than the same snapshot counts, the window fails and keeps nothing."""
    run(
        database_url,
        f"""CREATE VIEW "Log" AS SELECT '{at(1)}+00'::timestamptz AS at, 'SELECT 1' AS text
            FROM generate_series(1, 10) AS g
            WHERE g <= CASE WHEN current_query() LIKE 'COPY%' THEN 9 ELSE 10 END""",
    )
    source, memory = history(database_url, **until(10)), Kept()
    (window,) = source.plan(None, memory).windows
    with pytest.raises(Incomplete, match=r"of 10 rows .* 9 arrived"):
        list(source.read(window, memory))
    assert memory.new == {}


def test_memory_stays_flat(database_url: str) -> None:
    """However many rows a window has, a few tables of them are in memory."""
    run(
        database_url,
        f"""CREATE VIEW "Log" AS SELECT '{at(1)}+00'::timestamptz AS at,
            repeat('x', 200) AS text FROM generate_series(1, 300000)""",
    )
    source, rows, highest = history(database_url, **until(100_000)), 0, 0
    (window,) = source.plan(None, Kept()).windows
    before = pa.total_allocated_bytes()
    for chunk in source.read(window, Kept()):
        rows += len(chunk.statements)
        assert len(chunk.statements) < 20_000
        highest = max(highest, pa.total_allocated_bytes() - before)
    assert rows == 300_000
    assert 0 < highest < 32 * 1024 * 1024


@pytest.fixture(scope="module")
async def mariadb(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MariaDBServer]:
    """A server with an empty schema."""
    folder: Path = tmp_path_factory.mktemp("mariadb") / "server"
    try:
        async with mariadb_server(folder) as server:
            server.run("CREATE DATABASE logs CHARACTER SET utf8mb4")
            yield server
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("declared", ["DATETIME(6)", "TIMESTAMP(6) NULL"])
def test_runs_over_mariadb(mariadb: MariaDBServer, declared: str) -> None:
    """Windows, fractions, all columns, late rows and bad columns work as elsewhere."""
    mariadb.run(
        "DROP TABLE IF EXISTS logs.history",
        "SET GLOBAL time_zone = '+05:45'",
        f"""CREATE TABLE logs.history (at {declared}, text LONGTEXT, took DECIMAL(9, 3),
            `odd``%s` BIGINT, code VARCHAR(5), day DATE DEFAULT CURRENT_DATE)""",
    )

    def add(seconds: float, text: str, code: str = "00000") -> None:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(
                "INSERT INTO logs.history VALUES (%s, %s, 1.5, %s, %s, DEFAULT)",
                (at(seconds), text, 2**62, code),
            )

    def source(end: float, **options: Any) -> HistorySource:
        given = {
            "table": "logs.history",
            "since": START,
            "duration_column": "took",
            "query_id_column": "odd`%s",
            "error_column": "code",
            "batch_rows": 3,
            **COLUMNS,
            **until(end),
            **options,
        }
        login = SourceCredentials.read({"url": mariadb.url})
        return HistorySource(source=MySQLSource(login), options=HistoryOptions(**given))

    for number in range(10):
        add(5 + number / 1_000_000, f"SELECT '%s' {number}")
    add(9.999999, "é🎉", "42000")
    add(10, "next")
    runs = Runs()
    assert [one.ok for one in source(10).check()] == [True]
    assert len(runs.run(source(10)).windows) >= 4
    assert [one.text for one in runs.statements if one.errors] == ["é🎉"]
    assert {one.duration for one in runs.statements} == {1_500}
    assert {one.query_id for one in runs.statements} == {2**62}
    add(5.000001, "SELECT '%s' 1")
    runs.run(source(20))
    expected = [f"SELECT '%s' {number}" for number in [*range(10), 1]]
    assert runs.texts == sorted([*expected, "é🎉", "next"])
    assert {one.at for one in runs.statements if one.text == "next"} == {MICROS + 10_000_000}
    for name, options in (
        ("history.timestamp_column", {"timestamp_column": "day"}),
        ("history.timestamp_column", {"timestamp_column": "text"}),
        ("history.query_id_column", {"query_id_column": "no"}),
        ("history.rows_column", {"rows_column": "text"}),
        ("history.table", {"table": "logs.nowhere"}),
        ("history.query", {"table": None, "query": "SELECT 'canary' FROM"}),
    ):
        (check,) = source(10, **options).check()
        assert (check.name, check.ok) == (name, False)
        assert "canary" not in check.message
