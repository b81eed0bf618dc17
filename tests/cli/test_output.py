"""What people see: tables, amounts, progress."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from flowkeep.cli.arguments import Moment, merge_arguments
from flowkeep.cli.live import Lines, describe, draw, snapshot
from flowkeep.cli.output import print_table, show, show_bytes, show_seconds
from flowkeep.contracts.progress import RunProgress
from flowkeep.contracts.status import RunStatus
from tests.test_progress import a_run

PROGRESS = RunProgress(
    run=a_run(),
    tasks_total=4,
    tasks_done=1,
    tasks_running=2,
    tasks_failed=1,
    attempts=6,
    rows=1234,
    bytes=5_600_000,
    current=["fetch", "fetch", "a\x1b[31mb"],
    elapsed_seconds=2.0,
)


def test_a_snapshot_as_one_line() -> None:
    """The line names status, tasks, attempts, amounts, rates, time and what is under way."""
    assert describe(PROGRESS) == (
        "running | tasks 1 done, 2 running, 1 failed | attempts 6 | 1,234 rows (617/s) | "
        "5.6 MB (2.8 MB/s) | 2.00 s | a�[31mb, fetch ×2"
    )


def test_a_snapshot_drawn_on_a_terminal() -> None:
    """What is drawn in place says the same, and stored text cannot steer the terminal."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    console.print(draw(PROGRESS))
    text = stream.getvalue()
    for part in ("Hello", "running", "2 of 4 tasks", "6 attempts", "1,234 rows", "fetch ×2"):
        assert part in text
    assert "\x1b[31mb" not in text


def test_many_names_are_cut() -> None:
    """A wide fan-out does not fill the screen."""
    names = [f"task-{number:03}" for number in range(200)]
    text = describe(replace(PROGRESS, current=names))
    assert text.endswith("task-007 and 192 more")


def test_lines_repeat_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is printed when something but the clock has changed."""
    lines = Lines()
    for progress in (
        PROGRESS,
        replace(PROGRESS, elapsed_seconds=3.0),
        replace(PROGRESS, elapsed_seconds=4.0, rows=1300),
    ):
        lines.update(progress)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_only_the_last_snapshot_carries_the_run() -> None:
    """The run's inputs and outputs are not repeated in every document of a watch."""
    assert "run" not in snapshot(PROGRESS)
    ended = replace(PROGRESS, run=a_run(status=RunStatus.SUCCEEDED))
    assert snapshot(ended)["run"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (3e12, "3.0 TB")],
)
def test_amounts_of_bytes(count: float, text: str) -> None:
    """Bytes are shown with a decimal unit."""
    assert show_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.254, "0.25 s"), (12, "12.0 s"), (187, "3 min 07 s"), (7260, "2 h 01 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    """Durations are shown in the unit that suits them."""
    assert show_seconds(seconds) == text


def test_a_piped_table_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal no cell is wrapped or shortened, however long it is."""
    print_table(("a", "b"), [("x" * 300, "y" * 300)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "x" * 300 in lines[1]
    assert "y" * 300 in lines[1]


def test_values_are_one_line() -> None:
    """A value of several lines, or with control characters, becomes one harmless line."""
    assert "\n" not in show("a\nb\x07")
    assert show({"a": [1, None]}) == '{"a": [1, null]}'
    assert show(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05"


def test_arguments_keep_their_json_types() -> None:
    """A value that is JSON keeps its type, any other is text; pairs beat the document."""
    merged = merge_arguments(
        ("a=1", "b=x=y", "c=", 'd={"e": [true]}', "f=null"), '{"a": 0, "z": 9}'
    )
    assert merged == {"a": 1, "z": 9, "b": "x=y", "c": "", "d": {"e": [True]}, "f": None}


@pytest.mark.parametrize(
    ("word", "age"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800), ("1w", 604800)]
)
def test_a_moment_as_an_age(word: str, age: int) -> None:
    """An age is counted back from now."""
    moment = Moment().convert(word, None, None)
    assert abs((datetime.now(UTC) - moment) - timedelta(seconds=age)) < timedelta(seconds=5)


def test_a_moment_without_an_offset_is_utc() -> None:
    """ISO 8601 without an offset means UTC."""
    assert Moment().convert("2026-01-31T12:00", None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)
