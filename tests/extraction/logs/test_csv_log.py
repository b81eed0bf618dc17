"""What csvlog's records become, damaged ones included."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.sources.csv_log import CsvLog
from flowkeep.extraction.logs.statement import LoggedStatement
from tests.extraction.logs.log_writing import MEMORY, Run, at, csv_record, logged_time, run


def read(folder: Path, data: bytes, **options: object) -> Run:
    """Read a file of these bytes."""
    (folder / "log.csv").write_bytes(data)
    return run(CsvLog(location=str(folder), **options))  # type: ignore[arg-type]


def test_a_record_becomes_a_statement(tmp_path: Path) -> None:
    """Every field comes from its column, durations in whole microseconds."""
    first = csv_record(1, "duration: 1234.567 ms  statement: SELECT 1", query_id="-5")
    second = csv_record(2, "execute <unnamed>: SELECT $1", user="bob", database="")
    assert read(tmp_path, first + second).statements == [
        LoggedStatement("SELECT 1", at(1), "ann", "shop", 1_234_567, None, -5, 1, 0, "log.csv:0"),
        LoggedStatement(
            "SELECT $1", at(2), "bob", "", None, None, 0, 1, 0, f"log.csv:{len(first)}"
        ),
    ]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("duration: 0.001 ms", "duration"),
        ("duration: 0.001 ms  parse s1: SELECT 1", "parse"),
        ("duration: 0.001 ms  bind s1/p: SELECT 1", "bind"),
        ("duration: 0.001 ms  execute fetch from s1: SELECT 1", "fetch"),
        ("execute fetch from s1: SELECT 1", "fetch"),
        ("duration: 0.001 ms  plan:\nQuery Text: SELECT 1", "plan"),
        ("duration: 0.001 ms  statement: \n ", "empty"),
        ("duration: 0,001 ms  statement: SELECT 1", "log"),
        ("duration: 1 ms  statement: SELECT 1", "log"),
        ("connection received: host=[local]", "log"),
        ("logged statement: SELECT 1", "log"),
        ("", "log"),
    ],
)
def test_other_messages_are_counted_by_what_they_are(
    tmp_path: Path, message: str, what: str
) -> None:
    """Parts of executions and other messages are no statements."""
    done = read(tmp_path, csv_record(1, message))
    assert (done.texts, done.other) == ([], {what: 1})


@pytest.mark.parametrize(
    ("message", "text", "duration"),
    [
        ("statement: SELECT ': '", "SELECT ': '", None),
        ("execute s1: SELECT ': '", "SELECT ': '", None),
        ("execute s1/p1: SELECT 1", "SELECT 1", None),
        ("duration: 0.083 ms  execute s1: SELECT\n1", "SELECT\n1", 83),
        ("duration: 86400000.001 ms  statement:  SELECT 1", " SELECT 1", 86_400_000_001),
        ("duration: 0.000 ms  statement: duration: 1.000 ms", "duration: 1.000 ms", 0),
        ("statement: SELECT ' ms  statement: '", "SELECT ' ms  statement: '", None),
        ("duration: 2.500 ms  execute a: x ms  statement: y", "x ms  statement: y", 2500),
    ],
)
def test_statement_messages(tmp_path: Path, message: str, text: str, duration: int | None) -> None:
    """Text and duration are taken apart exactly, whatever the text says."""
    (found,) = read(tmp_path, csv_record(1, message)).statements
    assert (found.text, found.duration, found.calls, found.errors) == (text, duration, 1, 0)


def test_failed_statements_are_errors(tmp_path: Path) -> None:
    """An error that names its statement is one failed execution; one that does not is other."""
    done = read(
        tmp_path,
        csv_record(1, "division by zero", severity="ERROR", statement="SELECT 1/0")
        + csv_record(2, "terminated", severity="FATAL", statement="SELECT 2")
        + csv_record(3, "no such role", severity="FATAL")
        + csv_record(4, "careful", severity="WARNING", statement="SELECT 3")
        + csv_record(5, "statement: SELECT 4", severity="NOTICE")
        + csv_record(6, "statement: SELECT 5", statement="SELECT raise_log()")
        + csv_record(7, "x", severity="FEHLER", statement="SELECT 6"),
    )
    found = [(one.text, one.calls, one.errors, one.duration) for one in done.statements]
    assert found == [("SELECT 1/0", 0, 1, None), ("SELECT 2", 0, 1, None)]
    assert done.other == {"fatal": 1, "warning": 1, "notice": 1, "log": 1, "unknown": 1}


@pytest.mark.parametrize("columns", [23, 24, 26])
def test_columns_of_all_versions(tmp_path: Path, columns: int) -> None:
    """Versions with fewer columns have no query identifier."""
    done = read(tmp_path, csv_record(1, "statement: SELECT 1", columns=columns, query_id="7"))
    assert [one.query_id for one in done.statements] == [7 if columns == 26 else 0]


def test_an_upgrade_within_a_file(tmp_path: Path) -> None:
    """Records of different versions may follow each other."""
    records = [csv_record(one, "statement: SELECT 1", columns=one) for one in (24, 26, 23)]
    assert len(read(tmp_path, b"".join(records)).texts) == 3


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b'a,b,"c"\n', "columns"),
        (b"," * 40 + b"\n", "columns"),
        (b'"a"b,c\n', "not_csv"),
        (csv_record(2, "x", time="yesterday"), "bad_timestamp"),
        (csv_record(2, "x", time="2026-11-22 10:00:00 UTC"), "bad_timestamp"),
        (csv_record(2, "x", time="2026-11-22 10:00:00.12x UTC"), "bad_timestamp"),
        (csv_record(2, "x", time="2026-02-30 10:00:00.123 UTC"), "bad_timestamp"),
        (csv_record(2, "x", time=logged_time(2, "CET")), "unknown_timezone"),
    ],
)
def test_damaged_records_are_rows_with_a_reason(
    tmp_path: Path, damaged: bytes, reason: str
) -> None:
    """They take nothing of their neighbours with them, and none of their text gets out."""
    good = csv_record(1, "statement: SELECT 1")
    done = read(tmp_path, good + damaged + good)
    assert done.texts == ["SELECT 1", "SELECT 1"]
    assert done.reasons == [reason]
    assert done.rejected[0].place == f"log.csv:{len(good)}"
    assert done.rejected[0].length > 0


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    """The record stays, and the report says how many there were."""
    good = csv_record(1, "statement: SELECT 'é'")
    bad = csv_record(2, "statement: SELECT 'e'").replace(b"'e'", b"'\xff'")
    done = read(tmp_path, good + bad + good)
    assert done.texts == ["SELECT 'é'", "SELECT '\ufffd'", "SELECT 'é'"]
    assert done.notes == {"not_utf8": 1}


def test_nul_bytes_are_replaced(tmp_path: Path) -> None:
    """Nothing behind can do with them, and the report says so; blank lines are nothing."""
    bad = csv_record(2, "statement: SELECT 'e'").replace(b"'e'", b"'\0'")
    done = read(tmp_path, bad + b"\n \n" + bad)
    assert done.texts == ["SELECT '\ufffd'"] * 2
    assert done.notes == {"nul_characters": 2}


def test_a_clock_that_goes_back_is_noted(tmp_path: Path) -> None:
    """Nothing is lost; neighbours in the wrong order are no step of the clock."""
    seconds = (5, 6, 1, 2, 0)
    swapped = csv_record(0, "statement: SELECT 1", time="2026-11-22 09:59:59.500 UTC")
    records = [csv_record(one, "statement: SELECT 1") for one in seconds]
    done = read(tmp_path, b"".join(records) + swapped)
    assert [one.at for one in done.statements] == [*map(at, seconds), at(0) - 500_000]
    assert done.notes == {"clock_went_back": 2}


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("GMT", "2026-11-22 10:00:00.123 GMT"),
        (None, "2026-11-22 11:30:00.123 +0130"),
        (None, "2026-11-22 07:00:00.123 -03"),
        ("Europe/Berlin", "2026-11-22 11:00:00.123 CET"),
        ("Europe/Berlin", "2026-11-22 10:00:00.123 UTC"),
    ],
)
def test_zones(tmp_path: Path, zone: str | None, moment: str) -> None:
    """Offsets are exact, and abbreviations are those of the zone that is named."""
    record = csv_record(1, "statement: SELECT 1", time=moment)
    (found,) = read(tmp_path, record, timezone=zone).statements
    assert found.at == at(0) + 123_000


def test_the_hour_that_comes_twice(tmp_path: Path) -> None:
    """The abbreviation tells summer time from winter time; another zone's is refused."""
    times = [f"2026-10-25 02:30:00.000 {zone}" for zone in ("CEST", "CET", "EST")]
    records = [csv_record(1, "statement: SELECT 1", time=one) for one in times]
    done = read(tmp_path, b"".join(records), timezone="Europe/Berlin")
    assert done.statements[1].at - done.statements[0].at == 3_600_000_000
    assert done.reasons == ["unknown_timezone"]
    with pytest.raises(ConfigurationError, match="'Mars/Olympus'"):
        CsvLog(location="x", timezone="Mars/Olympus")


def test_a_record_that_is_too_long_is_skipped(tmp_path: Path) -> None:
    """It is a row with its length, and what stands around it is read, in any windows."""
    good = csv_record(1, "statement: SELECT 1")
    long = csv_record(2, 'statement: SELECT "' + '\nx" ""' * 200_000 + "'")
    for window in (1, 1_000, 1 << 20):
        options = {"max_record_bytes": 100_000, "window_bytes": window}
        done = read(tmp_path, good + long + good + long + good, **options)
        assert done.texts == ["SELECT 1"] * 3
        assert done.reasons == ["too_long"] * 2
        assert all(len(long) - 1 <= one.length <= len(long) for one in done.rejected)


@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    """Whatever stands in the columns, the statement is the one that was logged."""
    text, user, detail = (value.replace("\0", "") for value in values)
    folder = tmp_path_factory.mktemp("log")
    message = f"statement: SELECT {text}"
    record = csv_record(1, message, user=user, detail=detail)
    done = read(folder, record * 2)
    assert [(one.text, one.user) for one in done.statements] == [(f"SELECT {text}", user)] * 2


def test_parameters_are_never_read(tmp_path: Path) -> None:
    """Literals of prepared statements stand in the detail and stay there."""
    record = csv_record(1, "execute s1: SELECT $1", detail="parameters: $1 = 'canary'")
    source = CsvLog(location=str(tmp_path))
    (tmp_path / "log.csv").write_bytes(record + record[:-3])
    plan = source.plan(None, MEMORY)
    assert "canary" not in repr([list(source.read(one, MEMORY)) for one in plan.windows])
    assert "canary" not in plan.model_dump_json()
