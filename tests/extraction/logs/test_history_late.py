"""Rows that arrive late: whatever comes when, each is counted once."""

import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowkeep.extraction.logs.sources.base import Plan
from tests.extraction.logs.history_support import Kept, Runs, SQLiteLog, at, until
from tests.extraction.logs.test_history import log

__all__ = ["log"]

OVERLAP = 60


def options(**more: Any) -> dict[str, Any]:
    """Small windows, and an overlap of a minute."""
    return {"overlap_seconds": OVERLAP, "bucket_seconds": 10, "batch_rows": 4, **more}


def test_late_rows_are_counted_and_counted_ones_are_not(log: SQLiteLog) -> None:
    """A row behind the mark is read in a late window, whose other rows are only repeated."""
    log.add(*((at(number), f"SELECT {number}", str(number)) for number in range(100)))
    runs = Runs()
    runs.run(log.history(**options(batch_rows=100), **until(100)))
    log.add((at(72), "late", "late"))
    plan = runs.run(log.history(**options(batch_rows=100), **until(110)))
    assert [(one.late, one.planned) for one in plan.windows] == [(True, 11)]
    assert runs.total.repeated == 10
    assert runs.texts == sorted(["late", *(f"SELECT {number}" for number in range(100))])


def test_equal_rows_are_told_by_their_number(log: SQLiteLog) -> None:
    """Without an id, three equal rows of which one came late are three."""
    log.add((at(5), "SELECT 1", None), (at(5), "SELECT 1", None))
    runs = Runs()
    runs.run(log.history(**options(), **until(20)))
    log.add((at(5), "SELECT 1", None))
    runs.run(log.history(**options(), **until(30)))
    runs.run(log.history(**options(), **until(40)))
    assert runs.texts == ["SELECT 1"] * 3


def test_rows_that_come_later_than_the_overlap_are_left_out(log: SQLiteLog) -> None:
    """The overlap is what is promised: a row from before it is not read, nor is it an error."""
    runs = Runs()
    runs.run(log.history(**options(), **until(200)))
    log.add((at(200 - OVERLAP), "just in time", "1"), (at(200 - OVERLAP - 0.000001), "no", "2"))
    runs.run(log.history(**options(), **until(300)))
    assert runs.texts == ["just in time"]


def test_what_was_kept_is_gone(log: SQLiteLog) -> None:
    """Then nothing is read twice, the plan says so, and the next run knows again."""
    log.add((at(90), "SELECT 1", "1"))
    runs = Runs()
    runs.run(log.history(**options(), **until(100)))
    runs.memory = Forgetful(runs.memory)
    log.add((at(95), "late", "2"))
    plan = runs.run(log.history(**options(), **until(110)))
    assert plan.windows == []
    assert "what the last run kept is gone" in plan.notes[0]
    runs.memory = Kept()
    log.add((at(105), "later", "3"))
    assert runs.run(log.history(**options(), **until(120))).notes == []
    assert runs.texts == ["SELECT 1", "later"]


def test_other_columns_make_rows_others(log: SQLiteLog) -> None:
    """When the options tell rows apart otherwise, none is read twice, and the plan says so."""
    log.add((at(90), "SELECT 1", "1"))
    runs = Runs()
    runs.run(log.history(**options(), **until(100)))
    log.add((at(91), "late", "2"))
    plan = runs.run(log.history(**options(id_column="id"), **until(110)))
    assert "columns of the options have changed" in plan.notes[0]
    assert runs.texts == ["SELECT 1"]


def test_only_what_the_overlap_needs_is_kept(log: SQLiteLog) -> None:
    """Files go as soon as all of their rows are older than the overlap."""
    runs = Runs()
    for number in range(1, 30):
        log.add((at(number * 10 - 5), f"SELECT {number}", str(number)))
        runs.run(log.history(**options(), **until(number * 10)))
        assert len(runs.memory.kept) <= OVERLAP // 10 + 1
    assert len(runs.statements) == 29


class Forgetful(Kept):
    """Knows the names of its files only."""

    def __init__(self, before: Kept) -> None:
        super().__init__()
        self._names = before.kept

    @property
    def kept(self) -> list[str]:
        return self._names


ROWS = st.lists(
    st.tuples(st.integers(-OVERLAP, 90), st.integers(0, 2), st.integers(0, 2)), max_size=12
)
"""Rows: seconds behind the last run's end, microseconds, text."""
STEPS = st.lists(
    st.tuples(
        st.integers(0, 90),  # how far the run's end moves on, in seconds
        ROWS,  # what arrives before the plan
        ROWS,  # what arrives between plan and read
        st.integers(0, OVERLAP),  # the overlap of this run
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=60)
@given(steps=STEPS, with_id=st.booleans(), batch=st.integers(1, 6))
@example(  # on the edge of two windows, on the mark, and again after it
    steps=[
        (60, [(0, 0, 1), (50, 0, 1), (50, 0, 1), (60, 0, 1)], [(-10, 0, 1), (0, 0, 1)], 60),
        (0, [(0, 0, 1), (-10, 0, 1)], [(-1, 0, 1)], 60),
        (30, [(-30, 0, 1), (-60, 0, 1), (30, 2, 1)], [(0, 0, 1), (-30, 0, 1)], 60),
        (90, [(-60, 0, 1)], [], 60),
    ],
    with_id=False,
    batch=1,
)
def test_every_row_is_counted_once(steps: list[Any], batch: int, *, with_id: bool) -> None:
    """Over many runs, rows that come before, between plan and read, and late are each counted
    once; a last run without new rows finds nothing more."""
    with tempfile.TemporaryDirectory() as folder:
        model = _Model(SQLiteLog(Path(folder) / "log.db"), batch, with_id)
        last = (1, [], [], OVERLAP)
        for step, (*_, overlap) in pairwise([*steps, last, last]):
            model.step(*step, overlap)
        counted = Counter((one.at, one.text) for one in model.runs.statements)
        assert counted == model.due()
        model.log.connection.close()


class _Model:
    """The table, the runs over it, and what they have promised to count."""

    def __init__(self, log: SQLiteLog, batch: int, with_id: bool) -> None:
        self.log, self.runs = log, Runs()
        self.end = 0
        self.remembered = 0
        self._options = {"batch_rows": batch, **({"id_column": "id"} if with_id else {})}

    def step(
        self, further: int, before: list[Any], between: list[Any], overlap: int, next_overlap: int
    ) -> None:
        """Rows arrive, a run is planned, more rows arrive, the run reads."""
        self._arrive(before, overlap)
        self.end += further
        source = self.log.history(
            overlap_seconds=overlap, bucket_seconds=10, **self._options, **until(self.end)
        )
        runs = self.runs
        plan = source.plan(runs.mark, runs.memory)
        self.remembered = max(self.remembered, self.end - overlap)
        self._arrive(between, next_overlap)
        for window in Plan.model_validate_json(plan.model_dump_json()).windows:
            runs.add(source.read(window, runs.memory))
        runs.memory.succeed(plan)
        runs.mark = plan.mark

    def _arrive(self, rows: list[Any], overlap: int) -> None:
        """Insert rows, none of them later than the next plan can see."""
        reach = max(self.end - overlap, self.remembered)
        for ahead, micros, text in rows:
            seconds = max(self.end + ahead, reach) + micros / 1_000_000
            number = self.log.connection.execute("SELECT count(*) FROM history").fetchone()[0]
            self.log.add((at(seconds), f"SELECT {text}", str(number)))

    def due(self) -> Counter[Any]:
        """All rows before the last mark."""
        micros = "unixepoch(substr(at, 1, 19)) * 1000000 + substr(at, 21)"
        rows = self.log.connection.execute(
            f"SELECT {micros}, text FROM history WHERE at < ?", (at(self.end),)
        )
        return Counter(rows)
