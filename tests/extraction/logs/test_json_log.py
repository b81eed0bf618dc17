"""What lines of jsonlog and of other JSON become, damaged ones included."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import InvalidInput
from flowkeep.extraction.logs.sources.json_lines import JsonLines
from flowkeep.extraction.logs.sources.json_log import JsonLog
from flowkeep.extraction.logs.statement import LoggedStatement
from tests.extraction.logs.log_writing import Run, at, json_line, json_record, run


def read_log(folder: Path, *lines: bytes) -> Run:
    """Read a jsonlog of these lines."""
    (folder / "log.json").write_bytes(b"".join(lines))
    return run(JsonLog(location=str(folder)))


def read_lines(folder: Path, *lines: bytes, **options: Any) -> Run:
    """Read JSON lines."""
    (folder / "log.jsonl").write_bytes(b"".join(lines))
    return run(JsonLines(location=str(folder), **options))


def line(**fields: Any) -> bytes:
    """One line of JSON."""
    return json.dumps(fields).encode() + b"\n"


def test_a_record_becomes_a_statement(tmp_path: Path) -> None:
    """Every field comes from its key, failed statements from theirs."""
    first = json_record(1, "duration: 0.083 ms  execute s1: SELECT\n1", query_id=-(2**63))
    second = json_record(2, "no", severity="ERROR", statement="SELECT 1/0", user="bob")
    other = json_record(3, "connection received")
    done = read_log(tmp_path, first, second, other)
    assert done.statements == [
        LoggedStatement("SELECT\n1", at(1), "ann", "shop", 83, None, -(2**63), 1, 0, "log.json:0"),
        LoggedStatement(
            "SELECT 1/0", at(2), "bob", "shop", None, None, 0, 0, 1, f"log.json:{len(first)}"
        ),
    ]
    assert done.other == {"log": 1}


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b'{"timestamp": "2026-\n', "not_json"),
        (b"LOG:  statement: SELECT 1\n", "not_json"),
        (b"\0\0\0\n", "not_json"),
        (b'{"message": "\\ud800"}\n', "not_json"),
        (b"[1]\n", "not_an_object"),
        (b"7\n", "not_an_object"),
        (b"{}\n", "not_a_log_record"),
        (json_record(2, "x", user=5), "not_a_log_record"),
        (line(timestamp=5, error_severity="LOG", message="x"), "not_a_log_record"),
        (json_record(2, "x", time="now"), "bad_timestamp"),
        (json_record(2, "x", time="2026-11-22 10:00:00.123 CET"), "unknown_timezone"),
    ],
)
def test_damaged_lines_are_rows_with_a_reason(tmp_path: Path, damaged: bytes, reason: str) -> None:
    """They take nothing of their neighbours with them."""
    good = json_record(1, "statement: SELECT 1")
    done = read_log(tmp_path, good, damaged, b"\n", good)
    assert (done.texts, done.reasons) == (["SELECT 1", "SELECT 1"], [reason])
    assert done.rejected[0].place == f"log.json:{len(good)}"


def test_odd_bytes_are_replaced_and_noted(tmp_path: Path) -> None:
    """Neither what is not UTF-8 nor NUL characters lose a record."""
    bad = json_record(1, "statement: SELECT 'e'").replace(b"'e'", b"'\xff'")
    nul = json_record(1, "statement: SELECT '\0'")
    strange = json_record(1, "statement: SELECT 1", query_id="x")
    done = read_log(tmp_path, bad, nul, strange)
    assert done.texts == ["SELECT '\ufffd'", "SELECT '\ufffd'", "SELECT 1"]
    assert done.notes == {"not_utf8": 1, "nul_characters": 1, "bad_query_id": 1}


def test_a_line_that_is_too_long_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    """A line of 100 MB takes no more than some blocks of it."""
    import tracemalloc

    good = json_record(1, "statement: SELECT 1")
    with (tmp_path / "log.json").open("wb") as file:
        file.write(good)
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + good)
    source = JsonLog(location=str(tmp_path), max_record_bytes=1 << 20)
    tracemalloc.start()
    done = run(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.texts == ["SELECT 1", "SELECT 1"]
    assert [(one.reason, one.length) for one in done.rejected] == [("too_long", 100_000_001)]
    assert peak < 16 << 20


FIELDS = {
    "text": "query",
    "timestamp": "start",
    "user": "who",
    "database": "db",
    "duration": "took",
    "rows": "n",
    "query_id": "id",
}


def test_fields_are_named_by_the_user(tmp_path: Path) -> None:
    """Each field is taken from the key it is said to have, in the unit it is said to be in."""
    record = line(
        query="SELECT 1", start=at(1) / 1e6, who="ann", db="shop", took=0.25, n=3, id=2**64 - 1
    )
    done = read_lines(tmp_path, record, fields=FIELDS, duration_unit="s", dialect="snowflake")
    assert done.statements == [
        LoggedStatement("SELECT 1", at(1), "ann", "shop", 250_000, 3, -1, 1, 0, "log.jsonl:0")
    ]
    assert JsonLines(location="x", dialect="snowflake").dialect == "snowflake"


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (at(1) / 1e6 + 0.123456, "s"),
        (at(1) // 1000 + 123.456, "ms"),
        (at(1) + 123_456, "us"),
        ("2026-11-22T10:00:01.123456Z", "s"),
        ("2026-11-22 11:30:01.123456+01:30", "s"),
        ("2026-11-22T11:00:01.123456", "s"),
    ],
)
def test_times(tmp_path: Path, value: object, unit: str) -> None:
    """Numbers are in the unit given; texts are ISO 8601, in the zone where they name none."""
    record = line(text="SELECT 1", timestamp=value)
    done = read_lines(tmp_path, record, timestamp_unit=unit, timezone="Europe/Berlin")
    assert [one.at for one in done.statements] == [at(1) + 123_456]


def test_a_time_as_servers_log_it(tmp_path: Path) -> None:
    """Lines that were made of a server's log keep its times."""
    record = line(text="SELECT 1", timestamp="2026-11-22 10:00:01.500 UTC")
    assert [one.at for one in read_lines(tmp_path, record).statements] == [at(1) + 500_000]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"{\n", "not_json"),
        (b"[]\n", "not_an_object"),
        (line(timestamp=at(1) / 1e6), "no_statement_text"),
        (line(timestamp=at(1) / 1e6, text=" \n"), "no_statement_text"),
        (line(timestamp=at(1) / 1e6, text=["SELECT 1"]), "no_statement_text"),
        (line(text="SELECT 1"), "no_timestamp"),
        (line(text="SELECT 1", timestamp=None), "no_timestamp"),
        (line(text="SELECT 1", timestamp=True), "bad_timestamp"),
        (line(text="SELECT 1", timestamp=1e300), "bad_timestamp"),
        (line(text="SELECT 1", timestamp={}), "bad_timestamp"),
        (line(text="SELECT 1", timestamp="soon"), "bad_timestamp"),
        (line(text="SELECT 1", timestamp="2026-11-22T10:00:00"), "unknown_timezone"),
    ],
)
def test_damaged_objects_are_rows_with_a_reason(
    tmp_path: Path, damaged: bytes, reason: str
) -> None:
    """They take nothing of their neighbours with them."""
    good = json_line(1, "SELECT 1")
    done = read_lines(tmp_path, good, damaged, good)
    assert (done.texts, done.reasons) == (["SELECT 1", "SELECT 1"], [reason])


def test_figures_that_are_none_are_noted(tmp_path: Path) -> None:
    """The statement stays, without the figure."""
    odd = json_line(1, "SELECT 1", duration="long", rows=-1, query_id="none", user=3)
    (found,) = (done := read_lines(tmp_path, odd)).statements
    assert found == LoggedStatement("SELECT 1", at(1), place="log.jsonl:0")
    assert done.notes == {"bad_duration": 1, "bad_rows": 1, "bad_query_id": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": {"sql": "text"}}, "fields names sql"),
        ({"duration_unit": "h"}, "duration_unit is 'h'"),
        ({"window_bytes": 0}, "window_bytes"),
        ({"max_record_bytes": "much"}, "max_record_bytes"),
        ({"pattern": 3}, "pattern"),
        ({"location": ""}, "location"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidInput, match=message):
        JsonLines(**{"location": "x", **options})
