"""Rules mean the same in every dialect."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters import Scope, compile_rules
from flowkeep.extraction.filters.mysql import SYSTEM_SCHEMAS, MySQLFilterSyntax
from flowkeep.extraction.filters.sqlite import SQLiteFilterSyntax
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources import sqlite
from flowkeep.extraction.sources.base import SOURCE_REGEX, Statement
from tests.extraction.other_sources.support import source_of
from tests.extraction.rule_strategies import names, rules
from tests.servers.mariadb import MariaDBServer


@pytest.fixture(scope="module")
def mariadb_cursor(mariadb: MariaDBServer) -> Iterator[Any]:
    """A cursor that only evaluates expressions."""
    with mariadb.connect() as connection, connection.cursor() as cursor:
        yield cursor


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(rules(), max_size=4),
    schema_rules=st.lists(rules(level="schema"), max_size=2),
    schemas=names,
    tables=names,
)
def test_mariadb_agrees(
    mariadb_cursor: Any,
    drawn: list[dict[str, Any]],
    schema_rules: list[dict[str, Any]],
    schemas: list[str],
    tables: list[str],
) -> None:
    """For any names and rules, MariaDB's conditions choose what `Scope` chooses."""
    options = ExtractionOptions.read({"filters": [*drawn, *schema_rules]})
    judge = Scope(options, lambda name: name in SYSTEM_SCHEMAS)
    compiled = compile_rules(options, MySQLFilterSyntax(), "def")
    schemas = [*dict.fromkeys(schemas), "mysql"]
    pairs = [(schema, table) for schema in schemas for table in dict.fromkeys(tables)]
    rows = " UNION ALL ".join(
        f"SELECT {number} AS number, %(schema_{number})s AS table_schema,"
        f" %(table_{number})s AS table_name"
        for number in range(len(pairs))
    )
    text = compiled.apply(
        f"SELECT t.number, {{schema_filter}}, {{table_filter}} FROM ({rows}) AS t"
    )
    values: dict[str, Any] = dict(compiled.parameters)
    for number, (schema, table) in enumerate(pairs):
        values |= {f"schema_{number}": schema, f"table_{number}": table}
    mariadb_cursor.execute(text, values)
    for number, in_schema, in_table in mariadb_cursor.fetchall():
        schema, table = pairs[number]
        assert bool(in_schema) == (schema in judge.schemas("def", [schema]))
        assert bool(in_table) == (table in judge.tables("def", schema, [table])), pairs[number]


@settings(max_examples=200)
@given(drawn=st.lists(rules(), max_size=4), tables=names)
def test_sqlite_agrees(drawn: list[dict[str, Any]], tables: list[str]) -> None:
    """For any names and rules, SQLite's conditions choose what `Scope` chooses."""
    options = ExtractionOptions.read({"filters": drawn})
    chosen = Scope(options, lambda name: False).tables("main", "main", tables)
    compiled = compile_rules(options, SQLiteFilterSyntax(), "main")
    text = compiled.apply(
        "SELECT {table_filter} FROM (SELECT :name AS name, 'main' AS schema) AS t"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("regexp", 2, sqlite._matches)
        for table in tables:
            ((found,),) = connection.execute(text, {**compiled.parameters, "name": table})
            assert bool(found) == (table in chosen), table


def test_mariadb_says_when_it_cannot_read_an_expression(mariadb: MariaDBServer) -> None:
    """The error is no fault of the statement, and nobody tries again."""
    source = source_of(mariadb.url)
    with (
        pytest.raises(ConfigurationError, match="rejected a regular expression") as caught,
        source.session() as session,
    ):
        session.rows(Statement("SELECT 'a' REGEXP %(it)s", {"it": "("}))
    assert caught.value.code == SOURCE_REGEX
