"""Files that are rotated, replaced, truncated, copied, taken away or brought back."""

import shutil
from pathlib import Path

import pytest

from flowkeep.errors import ConfigurationError, Incomplete, InvalidInput
from flowkeep.extraction.logs.sources.csv_log import CsvLog
from flowkeep.extraction.logs.sources.json_lines import JsonLines
from flowkeep.extraction.logs.sources.json_log import JsonLog
from tests.extraction.logs.log_writing import MEMORY, csv_record, json_line, json_record, run


def statement(number: int) -> bytes:
    """A record of csvlog."""
    return csv_record(number, f"statement: SELECT {number}")


def statements(*numbers: int) -> bytes:
    """Some of them."""
    return b"".join(map(statement, numbers))


def texts(*numbers: int) -> list[str]:
    """What they say."""
    return [f"SELECT {number}" for number in numbers]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The current file, with three records."""
    path = tmp_path / "logs" / "server.csv"
    path.parent.mkdir()
    path.write_bytes(statements(1, 2, 3))
    return path


@pytest.fixture
def source(log: Path) -> CsvLog:
    """The log."""
    return CsvLog(location=str(log.parent))


def test_a_rotated_file_is_read_on_under_its_new_name(log: Path, source: CsvLog) -> None:
    """What was written before the rename and after the last run is not lost."""
    first = run(source)
    with log.open("ab") as file:
        file.write(statements(4))
    log.rename(log.with_name("server.csv.1"))
    log.write_bytes(statements(5, 6))
    second = run(source, first)
    assert (first.texts, second.texts) == (texts(1, 2, 3), texts(4, 5, 6))
    assert second.plan.notes == ["rotated: server.csv is now server.csv.1"]
    assert run(source, second).plan.windows == []


def test_a_rotated_file_that_no_run_saw_is_named(log: Path, source: CsvLog) -> None:
    """A pattern that misses rotated files does not do so in silence."""
    log.with_name("server.csv.1").write_bytes(statements(0))
    log.with_name("readme.txt").write_text("not a log")
    done = run(source)
    assert done.texts == texts(1, 2, 3)
    assert done.plan.notes == ["not matched by the pattern, and not read: server.csv.1"]


def test_a_truncated_file_is_read_from_its_beginning(log: Path, source: CsvLog) -> None:
    """A file that is shorter than what was read of it is a new one, and the plan says so."""
    first = run(source)
    log.write_bytes(statements(4))
    second = run(source, first)
    assert second.texts == texts(4)
    (note,) = second.plan.notes
    assert note.startswith("truncated: server.csv ")
    third = run(source, second)
    assert (third.texts, third.plan.notes) == ([], [])


def test_an_emptied_file_is_noted(log: Path, source: CsvLog) -> None:
    """Nothing is left to read, and what was cut off may be lost."""
    first = run(source)
    log.write_bytes(b"")
    second = run(source, first)
    assert second.plan.windows == []
    assert second.plan.notes[0].startswith("truncated: server.csv has 0 bytes")


def test_a_replaced_file_is_read_from_its_beginning(log: Path, source: CsvLog) -> None:
    """Another content under the same name is another file, even if it is longer."""
    first = run(source)
    log.write_bytes(statements(4, 5, 6, 7))
    second = run(source, first)
    assert second.texts == texts(4, 5, 6, 7)
    assert second.plan.notes[0].startswith("replaced: server.csv ")


def test_a_file_that_only_begins_alike_is_another_one(log: Path, source: CsvLog) -> None:
    """After the first kibibyte, the bytes before the offset tell files apart."""
    preamble = b"".join(csv_record(0, f"preamble {number}") for number in range(40))
    log.write_bytes(preamble + statements(1))
    first = run(source)
    log.write_bytes(preamble + statements(2, 3))
    log.with_name("b.csv").write_bytes(preamble + statements(4))
    second = run(source, first)
    assert sorted(second.texts) == texts(2, 3, 4)


def test_copies_are_read_once(log: Path, source: CsvLog) -> None:
    """A copy of a file, or of an earlier state of it, adds nothing, even when it outlives it."""
    shutil.copy(log, log.with_name("earlier.csv"))
    with log.open("ab") as file:
        file.write(statements(4))
    shutil.copy(log, log.with_name("copy.csv"))
    first = run(source)
    assert sorted(first.texts) == texts(1, 2, 3, 4)
    assert sum("is a copy of" in note for note in first.plan.notes) == 2
    log.unlink()
    log.with_name("copy.csv").unlink()
    second = run(source, first)
    assert second.texts == []


def test_a_copy_of_a_few_bytes_is_known(tmp_path: Path) -> None:
    """However short what was copied is, it is not counted twice."""
    record = json_line(1, "SELECT 1")
    (tmp_path / "a.jsonl").write_bytes(record)
    (tmp_path / "b.jsonl").write_bytes(record + json_line(2, "SELECT 2"))
    done = run(JsonLines(location=str(tmp_path)))
    assert len(record) < 64
    assert done.texts == texts(1, 2)
    assert done.plan.notes == ["a.jsonl is a copy of b.jsonl: it is not read"]


def test_copytruncate_loses_nothing_that_was_copied(log: Path, source: CsvLog) -> None:
    """The copy goes on where the original was read, and the original begins anew."""
    first = run(source)
    with log.open("ab") as file:
        file.write(statements(4))
    shutil.copy(log, log.with_name("server-1.csv"))
    log.write_bytes(statements(5))
    assert run(source, first).texts == texts(4, 5)


def test_a_file_that_comes_back_is_not_counted_again(log: Path, source: CsvLog) -> None:
    """What is gone is remembered for 30 days, and told once."""
    first = run(source)
    away = log.parent.parent / "away"
    log.rename(away)
    second = run(source, first)
    assert second.plan.notes[0].startswith("gone: server.csv was read up to byte ")
    third = run(source, second)
    assert third.plan.notes == []
    shutil.copy(away, log.with_name("restored.csv"))
    with log.with_name("restored.csv").open("ab") as file:
        file.write(statements(4))
    assert run(source, third).texts == texts(4)
    old = third.plan.model_copy(deep=True)
    old.mark["files"][0]["seen"] -= 31 * 24 * 3600
    third.plan = old
    log.with_name("restored.csv").unlink()
    assert run(source, third).plan.mark == {"files": []}


def test_an_unfinished_record_waits_in_the_newest_file(log: Path, source: CsvLog) -> None:
    """A record that is being written is read whole by the next run, and noted until then."""
    record = csv_record(4, "statement: SELECT 'a\nb'")
    with log.open("ab") as file:
        file.write(record[:-10])
    first = run(source)
    assert first.texts == texts(1, 2, 3)
    size = len(record) - 10
    assert first.plan.notes == [
        f"unfinished: the last record of server.csv, {size} bytes so far, waits for the next run"
    ]
    with log.open("ab") as file:
        file.write(record[-10:])
    second = run(source, first)
    assert (second.texts, second.plan.notes) == (["SELECT 'a\nb'"], [])


@pytest.mark.parametrize("cut", [10, -8])
def test_an_unfinished_record_of_an_older_file_is_rejected(
    log: Path, source: CsvLog, cut: int
) -> None:
    """Nobody will end it: it is a row with its reason, whether a newer file is there or comes."""
    record = csv_record(4, "statement: SELECT 'a\nb'")[:cut]
    log.write_bytes(statements(1, 2, 3) + record)
    first = run(source)
    assert first.reasons == []
    log.with_name("later.csv").write_bytes(statements(5))
    second = run(source, first)
    assert second.texts == texts(5)
    assert second.reasons == ["truncated_record"]
    assert second.rejected[0].place == f"server.csv:{len(statements(1, 2, 3))}"
    assert run(source, second).plan.windows == []


def test_an_older_file_without_a_last_newline_is_read(tmp_path: Path) -> None:
    """A whole object needs no newline; one that comes later is no record."""
    path = tmp_path / "a.json"
    path.write_bytes(json_record(1, "statement: SELECT 1")[:-1])
    source = JsonLog(location=str(tmp_path))
    first = run(source)
    assert first.texts == ["SELECT 1"]
    with path.open("ab") as file:
        file.write(b"\n" + json_record(2, "statement: SELECT 2"))
    second = run(source, first)
    assert (second.texts, second.reasons) == (["SELECT 2"], [])


def test_files_are_planned_by_the_time_of_their_first_record(tmp_path: Path) -> None:
    """Names of rotated files need not sort by age."""
    for name, number in (("a.csv", 2), ("b.csv", 1), ("c.csv", 3)):
        (tmp_path / name).write_bytes(statement(number))
    done = run(CsvLog(location=str(tmp_path)))
    assert done.texts == texts(1, 2, 3)
    assert done.plan.since == "b.csv:0"
    assert done.plan.until == f"c.csv:{len(statement(3))}"


def test_a_file_renamed_after_the_plan_is_found(log: Path, source: CsvLog) -> None:
    """Rotation between plan and read changes nothing, whatever lies under the old name now."""
    plan = source.plan(None, MEMORY)
    log.rename(log.with_name("server.csv.1"))
    log.write_bytes(statements(7, 8, 9, 10))
    (chunk,) = source.read(plan.windows[0], MEMORY)
    assert [one.text for one in chunk.statements] == texts(1, 2, 3)
    assert chunk.statements[0].place == "server.csv:0"


@pytest.mark.parametrize(
    ("lose", "fate"),
    [
        (Path.unlink, "is gone"),
        (lambda path: path.write_bytes(statements(1)), "has only "),
        (lambda path: path.write_bytes(statements(7, 8, 9, 10)), "was replaced"),
    ],
)
def test_a_file_lost_after_the_plan_is_named(
    log: Path, source: CsvLog, lose: object, fate: str
) -> None:
    """The window fails with what is lost of which file."""
    plan = source.plan(None, MEMORY)
    assert callable(lose)
    lose(log)
    size = len(statements(1, 2, 3))
    with pytest.raises(Incomplete, match=f"server.csv {fate}.*: bytes 0 to {size} are lost"):
        list(source.read(plan.windows[0], MEMORY))


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    """The reader says up to where it came, and does not wait for more."""
    path = tmp_path / "big.csv"
    path.write_bytes(statements(*range(20_000)))
    source = CsvLog(location=str(tmp_path))
    (window,) = source.plan(None, MEMORY).windows
    chunks = source.read(window, MEMORY)
    next(chunks)
    with path.open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(Incomplete, match=r"big.csv .* bytes 1000000 to \d+ are lost"):
        list(chunks)


def test_a_file_that_grows_while_it_is_read(log: Path, source: CsvLog) -> None:
    """Only the window's bytes are read; the rest is the next run's."""
    plan = source.plan(None, MEMORY)
    with log.open("ab") as file:
        file.write(statements(4))
    (chunk,) = source.read(plan.windows[0], MEMORY)
    assert chunk.bytes == plan.windows[0].planned == len(statements(1, 2, 3))
    assert [one.text for one in chunk.statements] == texts(1, 2, 3)


def test_compressed_files_are_named_or_refused(log: Path, source: CsvLog) -> None:
    """They are not read, never in silence, and never as if they were plain."""
    log.with_name("server.csv.2.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert run(source).plan.notes == ["compressed files are not read: server.csv.2.gz"]
    with pytest.raises(ConfigurationError, match=r"server.csv.2.gz.*decompress them first"):
        CsvLog(location=str(log.parent), pattern="*.csv*").plan(None, MEMORY)
    log.with_name("disguised.csv").write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(ConfigurationError, match=r"disguised.csv is compressed"):
        source.plan(None, MEMORY)


@pytest.mark.parametrize("mark", [{}, {"until": 1}, {"files": [{"position": 1}]}, {"files": 1}])
def test_a_mark_of_another_source_is_refused(source: CsvLog, mark: dict[str, object]) -> None:
    """A mark that is none of files does not start the log from its beginning."""
    with pytest.raises(InvalidInput, match="mark"):
        source.plan(mark, MEMORY)
