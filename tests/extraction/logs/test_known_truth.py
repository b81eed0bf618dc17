"""Logs of which everything is known, read to the end."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks._query_log_writers import HISTORY_COLUMNS, history_rows
from benchmarks._statements import CANARIES, SEARCH_PATH, Executions, executions, shapes
from flowkeep.extraction.logs.sources.history import HistorySource
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.sources.json_log import JsonLog
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.logs.support import Runs, everything_stored
from tests.extraction.logs.truth import Outcome, keys_of, store_catalogue, write_log
from tests.extraction.support import source_of

SHAPES = shapes()
LONG = 2_000_000
"""Statements of the long forms."""


@pytest.fixture
def catalogue(storage: Storage) -> str:
    """The catalogue of the statements."""
    return store_catalogue(storage, ("shop", "Shop-EU"))


def log(folder: Path, **options: Any) -> JsonLog:
    """The log in a folder."""
    return JsonLog(location=str(folder), server="postgres://db:5432", **options)


@pytest.fixture
def long_form(request: pytest.FixtureRequest) -> bool:
    """Whether two million statements are wanted: with `--fault-points` above 2."""
    return bool(request.config.getoption("--fault-points") > 2)


def test_every_count_is_exact(
    tmp_path: Path, storage: Storage, catalogue: str, long_form: bool
) -> None:
    """Counts per shape, user, day, window, table, column and edge are those of the generator."""
    folder = tmp_path / "log"
    folder.mkdir()
    count, window_bytes = (LONG, 80_000_000) if long_form else (4_000, 300_000)
    source = executions(count, seed=3, shapes=SHAPES, databases=2, days=3)
    write_log(folder / "postgresql.json", source)
    runs = Runs(storage, log(folder, window_bytes=window_bytes), search_path=list(SEARCH_PATH))
    manifest = runs.run(catalogue)
    assert len(manifest["windows"]) > 3
    Outcome(storage, [manifest]).check(source.truth, keys_of(source))
    assert verify_manifest(storage, str(runs.mark.manifest)) == []


def test_no_canary_is_stored(tmp_path: Path, storage: Storage, catalogue: str) -> None:
    """None of the generator's canary literals is in any file."""
    folder = tmp_path / "log"
    folder.mkdir()
    made = list(executions(2_000, seed=5, shapes=SHAPES))
    write_log(folder / "postgresql.json", made)
    Runs(storage, log(folder), search_path=list(SEARCH_PATH)).run(catalogue)
    stored = everything_stored(storage)
    assert [one for one in CANARIES if one.encode() in stored] == []


def test_runs_add_up_over_rotations(tmp_path: Path, storage: Storage, catalogue: str) -> None:
    """Ten runs over a log that grows and is rotated between them count every statement once."""
    folder = tmp_path / "log"
    folder.mkdir()
    source = executions(2_500, seed=9, shapes=SHAPES, days=2)
    made = list(source)
    draw = random.Random(9)
    edges = sorted(draw.sample(range(1, len(made)), 9))
    runs = Runs(storage, log(folder, pattern="*.json*"), search_path=list(SEARCH_PATH))
    manifests = []
    for number, (begin, end) in enumerate(zip([0, *edges], [*edges, len(made)], strict=True)):
        if number % 3 == 2:
            (folder / "postgresql.json").rename(folder / f"postgresql.json.{number}")
        write_log(folder / "postgresql.json", made[begin:end], append=True)
        manifests.append(runs.run(catalogue))
    Outcome(storage, manifests).check(source.truth, keys_of(source))
    assert [one["logs"]["base_run_id"] for one in manifests][1:] == [
        f"run-{number}" for number in range(1, 10)
    ]


def test_late_rows_are_counted_once(
    storage: Storage, catalogue: str, database_url: str, long_form: bool
) -> None:
    """Ten runs over a history table whose rows arrive late count every statement once."""
    source = executions(LONG if long_form else 1_500, seed=13, shapes=SHAPES, days=1)
    manifests, runs = [], None
    with psycopg.connect(database_url, autocommit=True) as connection:
        begin = write_history(connection, source)
        for number in range(1, 11):
            now = begin + timedelta(hours=2.6 * number)
            connection.execute(ARRIVE, (now,))
            history = history_of(database_url, begin, now, 50_000 if long_form else 200)
            runs = runs or Runs(storage, history, search_path=list(SEARCH_PATH))
            runs.source = history
            manifests.append(runs.run(catalogue))
        assert connection.execute("SELECT count(*) FROM coming").fetchone() == (0,)
    assert sum(window["late"] for one in manifests for window in one["windows"]) > 0
    Outcome(storage, manifests).check(source.truth, keys_of(source))


ARRIVE = f"""
WITH come AS (DELETE FROM coming WHERE arrives_at < %s RETURNING {", ".join(HISTORY_COLUMNS)})
INSERT INTO history SELECT * FROM come
"""


def write_history(connection: psycopg.Connection, source: Executions) -> datetime:
    """Put executions where they wait for their arrival; returns when the first was started."""
    columns = ", ".join(f"{name} {kind}" for name, kind in HISTORY_COLUMNS.items())
    connection.execute(f"CREATE TABLE history ({columns})")
    connection.execute(f"CREATE TABLE coming ({columns}, arrives_at timestamptz)")
    draw = random.Random(13)
    with connection.cursor() as cursor, cursor.copy("COPY coming FROM STDIN") as copy:
        for row in history_rows(source):
            copy.write_row((*row, row[1] + timedelta(minutes=draw.choice((0, 0, 0, 5, 50)))))
    found = connection.execute("SELECT min(started_at) FROM coming").fetchone()
    assert found is not None
    first: datetime = found[0]
    return first


def history_of(url: str, since: datetime, until: datetime, batch_rows: int) -> HistorySource:
    """The history as far as it is known at a moment."""
    options = HistoryOptions(
        table="public.history",
        timestamp_column="started_at",
        text_column="query_text",
        user_column="user_name",
        database_column="database_name",
        duration_column="duration_us",
        duration_unit="us",
        rows_column="row_count",
        since=since,
        until=until,
        latency_seconds=0,
        batch_rows=batch_rows,
    )
    return HistorySource(source=source_of(url), options=options)
