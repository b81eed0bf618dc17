"""The sample database."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from flowkeep.extraction.sample.database import create_sample_database
from tests.extraction.support import query, run


@pytest.fixture
def name(engine: Any) -> Any:
    """Name of a database that does not exist, and will not afterwards."""
    yield 'Sample "x"/ü'
    run(engine.database_url, 'DROP DATABASE IF EXISTS "Sample ""x""/ü" WITH (FORCE)')


def test_making_it_again_changes_nothing(engine: Any, name: str) -> None:
    """Several makers at once, and one later, get the same database."""
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(create_sample_database, engine.database_url, name) for _ in range(4)]
        urls = {call.result(60) for call in calls}
    (url,) = urls
    before = query(url, "SELECT oid, relname FROM pg_class ORDER BY oid")
    assert create_sample_database(engine.database_url, name) == url
    assert query(url, "SELECT oid, relname FROM pg_class ORDER BY oid") == before


def test_a_maker_that_was_killed_is_no_obstacle(engine: Any, name: str) -> None:
    """An empty database of this name is filled."""
    with psycopg.connect(engine.database_url, autocommit=True) as admin:
        admin.execute('CREATE DATABASE "Sample ""x""/ü"')
    url = create_sample_database(engine.database_url, name)
    assert query(url, "SELECT count(*) FROM sales.orders")[0][0] == 0


def test_a_database_of_somebody_else_is_left_alone(engine: Any, name: str) -> None:
    """A database that we did not make is an error that names it."""
    run(engine.database_url, 'CREATE DATABASE "Sample ""x""/ü"')
    url = engine.database_url.rsplit("/", 1)[0] + "/Sample%20%22x%22%2F%C3%BC"
    run(url, "CREATE TABLE mine (a integer)")
    with pytest.raises(FileExistsError, match="is not the sample database"):
        create_sample_database(engine.database_url, name)
    assert query(url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'sales'") == [(0,)]


def test_it_holds_what_breaks_tools(sample_url: str) -> None:
    """About sixty tables, every kind of relation and routine, and awkward names."""
    kinds = dict(
        query(
            sample_url,
            """SELECT relkind::text, count(*) FROM pg_class c JOIN pg_namespace n
            ON n.oid = relnamespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
            GROUP BY relkind""",
        )
    )
    assert kinds["r"] + kinds["p"] >= 55
    assert {"r", "p", "v", "m", "f", "S"} <= set(kinds)
    routines = {row[0] for row in query(sample_url, "SELECT DISTINCT prokind::text FROM pg_proc")}
    assert {"f", "p", "a"} <= routines
    counts = query(
        sample_url,
        """SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid > 16384),
        (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
        (SELECT count(*) FROM pg_type WHERE typtype IN ('e', 'd') AND oid > 16384)""",
    )
    assert all(count > 1 for count in counts[0])
