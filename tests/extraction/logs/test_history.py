"""Histories read by SQL: which rows are in which window, and what the statements say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flowkeep.errors import ConfigurationError, InvalidInput
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.statement import LoggedStatement, Rejected
from tests.extraction.logs.history_support import (
    COLUMNS,
    MICROS,
    SECOND,
    Kept,
    Runs,
    SQLiteLog,
    at,
    until,
)


@pytest.fixture
def log(tmp_path: Path) -> SQLiteLog:
    """An empty table."""
    return SQLiteLog(tmp_path / "log.db")


def test_windows_hold_every_row_once_and_about_as_many(log: SQLiteLog) -> None:
    """Each of 1,000 rows is in one window, no window has more than the target, none is tiny."""
    log.add(*((at(number * 3.7), f"SELECT {number}", str(number)) for number in range(1_000)))
    runs = Runs()
    plan = runs.run(log.history(batch_rows=100, **until(4_000)))
    assert runs.texts == sorted(f"SELECT {number}" for number in range(1_000))
    assert max(one.planned for one in plan.windows) <= 100
    assert 10 <= len(plan.windows) <= 20
    edges = [edge for one in plan.windows for edge in (one.where["from"], one.where["until"])]
    assert edges == sorted(edges)


def test_a_hot_bucket_is_split_to_the_microsecond(log: SQLiteLog) -> None:
    """Rows of one second are split into windows; those of one microsecond stay in one."""
    log.add(*((at(5 + number / SECOND), "SELECT 1", str(number)) for number in range(500)))
    log.add(*((at(6), "SELECT 2", str(number)) for number in range(300)))
    runs = Runs()
    plan = runs.run(log.history(batch_rows=100, **until(100)))
    assert [one.planned for one in plan.windows if one.planned > 100] == [300]
    assert sum(one.planned for one in plan.windows) == len(runs.statements) == 800


def test_empty_stretches_make_no_window(log: SQLiteLog) -> None:
    """An empty table has no windows, and the mark moves; so do two rows a day apart."""
    runs = Runs()
    assert runs.run(log.history(**until(100))).windows == []
    log.add((at(100), "SELECT 1", "1"), (at(90_000), "SELECT 2", "2"))
    plan = runs.run(log.history(batch_rows=1, **until(100_000)))
    assert [one.planned for one in plan.windows] == [1, 1]
    assert all(one.where["until"] < plan.until for one in plan.windows)
    assert runs.texts == ["SELECT 1", "SELECT 2"]


def test_a_row_at_the_mark_belongs_to_the_next_run(log: SQLiteLog) -> None:
    """The end of a run is outside it, to the microsecond."""
    log.add((at(9.999999), "before", "1"), (at(10), "at", "2"), (at(10.000001), "behind", "3"))
    runs = Runs()
    runs.run(log.history(**until(10)))
    assert runs.texts == ["before"]
    runs.run(log.history(**until(10.000001)))
    assert runs.texts == ["at", "before"]
    runs.run(log.history(**until(20)))
    assert runs.texts == ["at", "before", "behind"]


def test_a_clock_that_goes_back_leaves_the_mark(log: SQLiteLog) -> None:
    """An end before the mark reads nothing and says so; what is remembered stays."""
    log.add((at(90), "SELECT 1", "1"))
    runs = Runs()
    first = runs.run(log.history(**until(100)))
    back = runs.run(log.history(**until(50)))
    assert back.windows == []
    assert back.mark == first.mark
    assert "before the mark" in back.notes[0]
    log.add((at(95), "SELECT 2", "2"))
    runs.run(log.history(**until(100)))
    assert runs.texts == ["SELECT 1", "SELECT 2"]


def test_all_columns_arrive(tmp_path: Path) -> None:
    """Every option's column is found in the statement: units, failures, identifiers, nulls."""
    log = SQLiteLog(
        tmp_path / "log.db", 'at, "the text", usr, db, took, n, shape, id, error, "odd""%s:x" INT'
    )
    log.add(
        (at(1), "SELECT 'é%s'", "ann", "shop", 1.5, 7, 2**63 - 1, "a", None, 1),
        (at(2), "SELECT 2", None, None, None, None, -5, None, "division by zero", 1),
        (at(3), None, "bob", "shop", 1, 1, 1, "c", "0", 1),
    )
    source = log.history(
        text_column="the text",
        user_column="usr",
        database_column="db",
        duration_column="took",
        duration_unit="s",
        rows_column="n",
        query_id_column="shape",
        id_column="id",
        error_column="error",
        **until(10),
    )
    assert [one.ok for one in source.check()] == [True]
    runs = Runs()
    runs.run(source)
    assert runs.statements == [
        LoggedStatement(
            "SELECT 'é%s'",
            MICROS + SECOND,
            "ann",
            "shop",
            1_500_000,
            7,
            2**63 - 1,
            place="history#a",
        ),
        LoggedStatement(
            "SELECT 2",
            MICROS + 2 * SECOND,
            query_id=-5,
            calls=0,
            errors=1,
            place=f"history@{MICROS + 2 * SECOND}",
        ),
    ]
    assert runs.rejected == [Rejected("no_text", MICROS + 3 * SECOND, "history#c", "bob", "shop")]
    odd = log.history(text_column="the text", rows_column='odd"%s:x', **until(10))
    assert [one.ok for one in odd.check()] == [True]


def test_a_query_of_ones_own(log: SQLiteLog) -> None:
    """A SELECT stands for a table; percent signs, colons and a comment at its end are its own."""
    log.add((at(1), "SELECT ':x' LIKE 'a%'", "1"), (at(2), "DELETE", "2"))
    source = log.history(
        query="SELECT at AS t, text AS q FROM history WHERE text LIKE '%:x%' -- only these",
        timestamp_column="t",
        text_column="q",
        **until(10),
    )
    runs = Runs()
    runs.run(source)
    assert runs.texts == ["SELECT ':x' LIKE 'a%'"]
    assert "LIKE" not in source.identity
    assert source.identity != log.history().identity


def test_forms_of_time_in_sqlite(log: SQLiteLog) -> None:
    """Moments compare as moments whatever their form; other forms are noted, never guessed."""
    forms = [
        "2025-03-01 00:00:10",
        "2025-03-01T00:00:10Z",
        "2025-03-01 00:00:10.000",
        "2025-03-01T00:00:10.9+00:00",
        "2025-03-01 00:00:10.999999Z",
    ]
    others = ["2025-03-01 00:00:10+02:00", "2025-02-30 00:00:00", "1740787210", None, "soon"]
    log.add(*((form, f"good {form}", "") for form in forms))
    log.add(*((form, "bad", "") for form in others), ("2025-03-01T00:00:11", "next", ""))
    source = log.history(**until(11))
    runs = Runs()
    plan = runs.run(source)
    assert runs.texts == sorted(f"good {form}" for form in forms)
    assert {one.at for one in runs.statements} == {
        MICROS + 10 * SECOND + fraction for fraction in (0, 900_000, 999_999)
    }
    assert plan.notes == ["5 rows without a timestamp are left out"]
    (check,) = source.check()
    assert (check.name, check.ok, check.level) == ("history.timestamp_column", False, "warning")
    assert check.message.startswith("column 'at': 4 of 10 values are not of the form")


def test_bytes_that_are_no_utf_8(log: SQLiteLog) -> None:
    """A text with bad bytes is read, with replacements, and noted; its neighbours are unharmed."""
    log.connection.execute(
        "INSERT INTO history VALUES (?, CAST(x'53454c454354ff' AS TEXT), '1')", (at(1),)
    )
    log.add((at(1), "SELECT 2", "2"))
    runs = Runs()
    runs.run(log.history(**until(10)))
    assert runs.texts == ["SELECT 2", "SELECT\N{REPLACEMENT CHARACTER}"]
    assert runs.total.notes == {"not_utf8": 1}


def test_more_windows_than_a_run_may_have(log: SQLiteLog) -> None:
    """A run ends at the limit and says so; the next ones read the rest, each row once."""
    log.add(*((at(number), f"SELECT {number}", str(number)) for number in range(100)))
    runs = Runs()
    plan = runs.run(log.history(batch_rows=10, max_windows=4, **until(1_000)))
    assert len(plan.windows) == 4
    assert "more than 4 windows" in plan.notes[0]
    for _ in range(4):
        runs.run(log.history(batch_rows=10, max_windows=4, **until(1_000)))
    assert runs.texts == sorted(f"SELECT {number}" for number in range(100))


def test_rows_that_went_meanwhile_are_noted(log: SQLiteLog) -> None:
    """Rows that are deleted between plan and read are told; more rows than planned are fine."""
    log.add(*((at(number), "SELECT 1", str(number)) for number in range(10)))
    source, runs = log.history(**until(100)), Runs()
    (window,) = source.plan(None, runs.memory).windows
    log.connection.execute("DELETE FROM history WHERE id IN ('3', '4')")
    runs.add(source.read(window, runs.memory))
    assert (len(runs.statements), runs.total.notes) == (8, {"shrunk": 2})
    log.add(*((at(number + 0.5), "SELECT 1", "new") for number in range(5)))
    runs = Runs()
    runs.add(source.read(window, runs.memory))
    assert (len(runs.statements), runs.total.notes) == (13, {})


def test_the_end_of_a_run(log: SQLiteLog) -> None:
    """A run ends at the clock less the latency, even when `until` lies ahead; a first run
    begins 14 days back."""
    now = datetime.now(UTC)
    ahead = now + timedelta(days=1)
    plan = log.history(since=None, until=ahead, latency_seconds=120).plan(None, Kept())
    end = datetime.fromisoformat(plan.until)
    assert timedelta(seconds=-1) < end - (now - timedelta(seconds=120)) < timedelta(seconds=60)
    begin = datetime.fromisoformat(plan.since)
    assert begin == end + timedelta(seconds=120) - timedelta(days=14)


@pytest.mark.parametrize(
    ("options", "name", "message"),
    [
        ({"table": "nowhere"}, "history.table", "nowhere"),
        ({"query": "SELEC 1"}, "history.query", "syntax error"),
        ({"timestamp_column": "ad"}, "history.timestamp_column", "no column 'ad'; there are at,"),
        ({"timestamp_column": "text"}, "history.timestamp_column", "not of the form"),
        ({"id_column": "x"}, "history.id_column", "no column 'x'"),
        ({"rows_column": "text"}, "history.rows_column", "no numbers"),
    ],
)
def test_check_names_the_field(
    log: SQLiteLog, options: dict[str, Any], name: str, message: str
) -> None:
    """What is wrong with table or columns is told by field, and quotes no value."""
    log.add((at(1), "SELECT 'canary'", "1"))
    (check,) = log.history(**options).check()
    assert (check.name, check.ok, check.level) == (name, False, "error")
    assert message in check.message
    assert "canary" not in check.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "SELECT 1", "table": "t", **COLUMNS}, "either table or query"),
        (COLUMNS, "either table or query"),
        ({"table": "t", "text_column": "q"}, "timestamp_column"),
        ({"table": "t", **COLUMNS, "tabel": "t"}, "tabel"),
        ({"table": "t", **COLUMNS, "duration_unit": "h"}, "duration_unit"),
        ({"table": "t", **COLUMNS, "batch_rows": 0}, "batch_rows"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    """Options are checked by name."""
    with pytest.raises(ValidationError, match=message):
        HistoryOptions(**options)


def test_what_cannot_be_a_history(log: SQLiteLog) -> None:
    """A function is no table, and a mark of something else is none."""
    with pytest.raises(ConfigurationError, match=r"history\.table"):
        log.history(table="generate_series(1, 2)")
    with pytest.raises(InvalidInput, match="no mark"):
        log.history().plan({"offset": 5}, Kept())


def test_the_dialect_of_the_statements(log: SQLiteLog) -> None:
    """It is the server's, unless the options say that the texts come from elsewhere."""
    assert log.history().dialect == "sqlite"
    assert log.history(sql_dialect="postgres").dialect == "postgres"
    assert log.history().namespace == log.source.namespace
