"""`core.sql` on PostgreSQL and SQLite."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from flowkeep.definitions.actions import ActionContext, ActionError, ActionRegistry
from flowkeep.errors import ConfigurationError, InvalidInput

HOSTILE = ["'; DROP TABLE person; --", "%s %(x)s :name {}", 'a"b\\', "grüß 🦊", "1 OR 1=1", ""]


async def query(
    connection: Any, statement: str, context: ActionContext | None = None, **values: Any
) -> dict[str, Any]:
    """Call the action as the worker does: by its schema, its result as JSON."""
    sql = ActionRegistry(ActionRegistry.built_in())["core.sql"]
    bound = sql.validate_input({"connection": connection, "statement": statement, **values})
    result = await sql.function(**bound, context=context or ActionContext())
    return dict(sql.dump_result(result))


async def refused(connection: Any, statement: str, **values: Any) -> ActionError:
    """The error of a call that has to fail."""
    with pytest.raises(ActionError) as error:
        await query(connection, statement, **values)
    return error.value


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """URL of a file with a table of three people."""
    file = tmp_path / "people.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE person (id integer PRIMARY KEY, name text)")
        connection.executemany("INSERT INTO person VALUES (?, ?)", enumerate("abc", 1))
    connection.close()
    return f"sqlite:///{file}"


@pytest.fixture
async def postgresql(database_url: str) -> str:
    """URL of a database with a table of three people."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("CREATE TABLE person (id integer PRIMARY KEY, name text)")
        await connection.execute("INSERT INTO person VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    return database_url


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, postgresql: str, sqlite: str) -> str:
    """Each of the two in turn."""
    return {"postgresql": postgresql, "sqlite": sqlite}[request.param]


async def test_rows(database: str) -> None:
    """Rows come by name, no more than wanted, and it is said whether there are more."""
    everyone = "SELECT id, name FROM person ORDER BY id"
    assert await query(database, everyone) == {
        "rows": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}],
        "count": 3,
        "truncated": False,
    }
    assert (await query(database, everyone, max_rows=3))["truncated"] is False
    two = await query(database, everyone, max_rows=2)
    assert (two["count"], two["truncated"]) == (2, True)
    assert await query(database, "SELECT id FROM person WHERE id > 9") == {
        "rows": [], "count": 0, "truncated": False
    }  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
async def test_parameters_are_inert(database: str, value: str) -> None:
    """Whatever a parameter holds comes back as it was and changes no statement."""
    inserted = await query(
        database,
        "INSERT INTO person VALUES (:id, :name)",
        parameters={"id": 10, "name": value},
        mode="execute",
    )
    assert inserted["count"] == 1
    found = await query(
        database, "SELECT id FROM person WHERE name = :name", parameters={"name": value}
    )
    assert found["rows"] == [{"id": 10}]
    assert (await query(database, "SELECT count(*) AS n FROM person"))["rows"] == [{"n": 4}]


async def test_reading_changes_nothing(database: str) -> None:
    """With `mode: rows` the database itself refuses to write."""
    error = await refused(database, "DELETE FROM person")
    assert (error.code, error.retryable) == ("SQL_REFUSED", False)
    assert (await query(database, "SELECT count(*) AS n FROM person"))["rows"] == [{"n": 3}]


async def test_executing_commits_and_returns(database: str) -> None:
    """What was changed is counted and seen by others; RETURNING gives rows."""
    result = await query(
        database, "UPDATE person SET name = 'x' WHERE id < 3 RETURNING id", mode="execute"
    )
    assert sorted(row["id"] for row in result["rows"]) == [1, 2]
    found = await query(database, "SELECT count(*) AS n FROM person WHERE name = 'x'")
    assert found["rows"] == [{"n": 2}]


async def test_what_changes_is_not_repeated(sqlite: str) -> None:
    """A second attempt is refused unless the statement may be executed again."""
    statement = "UPDATE person SET id = id + 10"
    second = ActionContext(attempt=2)
    assert (await refused(sqlite, statement, mode="execute", context=second)).code == "NOT_REPEATED"
    assert (await query(sqlite, "SELECT max(id) AS n FROM person"))["rows"] == [{"n": 3}]
    assert (await query(sqlite, "SELECT 1 AS n", context=second))["rows"] == [{"n": 1}]
    again = await query(sqlite, statement, mode="execute", repeatable=True, context=second)
    assert again["count"] == 3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({}, "name are missing"), ({"name": 1, "more": 2}, "more are not used")],
)
async def test_parameters_have_to_fit(sqlite: str, parameters: Any, words: str) -> None:
    """Parameters that are missing or left over are named."""
    with pytest.raises(InvalidInput, match=words):
        await query(sqlite, "SELECT :name AS n", parameters=parameters)


async def test_values_of_every_kind(postgresql: str) -> None:
    """Types that JSON does not know have their usual text."""
    result = await query(
        postgresql,
        "SELECT 1.50::numeric AS n, '2026-01-02'::date AS d, '\\xff'::bytea AS b, ARRAY[1,2] AS a,"
        " '{\"k\": [1]}'::jsonb AS j, 'NaN'::float8 AS f, '10.0.0.1'::inet AS i,"
        " CAST(:v AS text) AS v, 12345678901234567890::numeric AS big",
        parameters={"v": "x"},
    )
    assert result["rows"] == [
        {
            "n": "1.50", "d": "2026-01-02", "b": "_w==", "a": [1, 2], "j": {"k": [1]}, "f": None,
            "i": "10.0.0.1", "v": "x", "big": "12345678901234567890",
        }
    ]  # fmt: skip
    listed = await query(
        postgresql, "SELECT id FROM person WHERE id = ANY(:ids)", parameters={"ids": [1, 3]}
    )
    assert listed["count"] == 2
    assert (await query(postgresql, "SHOW transaction_read_only"))["rows"] == [
        {"transaction_read_only": "on"}
    ]


async def test_columns_of_one_name(database: str) -> None:
    """Two columns of one name cannot both be told: the name is in the error."""
    with pytest.raises(InvalidInput, match="columns of one name: id"):
        await query(database, "SELECT a.id, b.id FROM person a, person b")


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT 1 FROM nowhere", "SELECT 1; SELECT 2"])
async def test_wrong_statements(database: str, statement: str) -> None:
    """What the database refuses is told in its words and is not worth another attempt."""
    with pytest.raises(ActionError, match=r"core\.sql") as error:
        await query(database, statement, parameters={})
    assert not error.value.retryable


@pytest.mark.parametrize("values", [{"statement": "SELECT 1\x00"}, {"parameters": {"a": ["\x00"]}}])
async def test_nul(sqlite: str, values: Any) -> None:
    """No database takes NUL in text: it is refused before one is asked."""
    with pytest.raises(InvalidInput, match="NUL"):
        await query(sqlite, **{"statement": "SELECT :a", **values})


async def test_more_rows_than_memory(postgresql: str) -> None:
    """Only as many rows as wanted leave the server."""
    begun = time.monotonic()
    result = await query(postgresql, "SELECT generate_series(1, 1000000000) AS n", max_rows=5)
    assert [row["n"] for row in result["rows"]] == [1, 2, 3, 4, 5]
    assert time.monotonic() - begun < 10


ENDLESS = {
    "postgresql": "SELECT pg_sleep(60)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT max(i) AS i FROM n",
}


async def test_timeouts_end_the_statement(database: str) -> None:
    """Behind the timeout nothing runs any more, and another attempt may help."""
    begun = time.monotonic()
    error = await refused(database, ENDLESS[urlsplit(database).scheme], timeout="300ms")
    assert time.monotonic() - begun < 10
    assert error.code in ("SQL_TIMEOUT", "SQL_UNAVAILABLE")  # ours, or the server's own
    assert error.retryable


async def test_cancelling_ends_the_statement(database: str) -> None:
    """A cancelled attempt ends when its statement has ended."""
    running = asyncio.ensure_future(query(database, ENDLESS[urlsplit(database).scheme]))
    await asyncio.wait([running], timeout=0.5)
    running.cancel()
    begun = time.monotonic()
    await asyncio.wait([running])
    assert running.cancelled()
    assert time.monotonic() - begun < 10


async def test_connections_that_fail(postgresql: str) -> None:
    """A server that is away may come back; no error shows a password or a parameter."""
    for url in (
        "postgresql://u:canary-pw@127.0.0.1:1/d",
        postgresql.replace(f":{urlsplit(postgresql).password}@", ":canary-pw@"),
    ):
        error = await refused(url, "SELECT 1", timeout=5)
        assert (error.code, error.retryable) == ("SQL_UNAVAILABLE", True)
        assert "canary" not in str(error)
    error = await refused(
        postgresql, "SELECT CAST(:a AS integer)", parameters={"a": "canary"}, mode="execute"
    )
    assert error.code == "SQL_REFUSED"


async def test_connection_by_parts(postgresql: str) -> None:
    """A secret may be an object with the parts of the URL, and more."""
    parts = urlsplit(postgresql)
    login = {
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path.strip("/"),
        "comment": "kept by somebody",
    }
    assert (await query(login, "SELECT 1 AS one"))["rows"] == [{"one": 1}]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("canary", InvalidInput),
        ("postgresql://u:canary@h:port/d", InvalidInput),
        ("nothing+known://canary", ConfigurationError),
    ],
)
async def test_urls_that_cannot_be_used(url: str, kind: type[Exception]) -> None:
    """What is no URL, or of a database without a driver, is told without showing it."""
    with pytest.raises(kind) as error:
        await query(url, "SELECT 1")
    assert "canary" not in str(error.value)
