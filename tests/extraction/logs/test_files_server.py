"""What a real server logs, in both formats at once, comes back as it was run."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from flowkeep.extraction.logs.sources.csv_log import CsvLog
from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.sources.json_log import JsonLog
from tests.extraction.logs.log_writing import Run, run
from tests.servers.binaries import UnavailableError
from tests.servers.postgres import PostgresServer, postgres_server
from tests.support import eventually

SETTINGS = {
    "logging_collector": "on",
    "log_destination": "csvlog,jsonlog",
    "log_filename": "server-%H%M%S",
    "log_min_duration_statement": "0",
    "log_file_mode": "0644",
    "log_parameter_max_length": "-1",
    "compute_query_id": "on",
    "lc_messages": "C",
}
LOOKS_LOGGED = '2026-11-22 10:00:00.000 UTC,"bob","shop",1,,,,,,,,LOG,00000,"statement: SELECT 9"'
SIMPLE = (
    "SELECT 1",
    "SELECT 'it''s', \"oid\" FROM pg_class LIMIT 1",
    'SELECT 1 /* "one" quote: " */',
    f"SELECT '\n{LOOKS_LOGGED}\n'",
    'SELECT \'\n{"message": "statement: SELECT 9"}\n\'',
    "-- first\nSELECT\t'ü🐘', E'\\n\\\\' ;\n\n",
    "SELECT ' ms  statement: ', 'duration: 1.000 ms  execute x: SELECT 9'",
    "SELECT 1; SELECT 2",
    "CREATE TABLE things (id integer, name text)",
)
FAILING = ("SELEC 1", "SELECT 1/0", 'SELECT *\nFROM "no\nsuch\ntable"')
PREPARED = "INSERT INTO things VALUES (%s, %s)"
CURSOR = (
    "BEGIN",
    'DECLARE "curse" CURSOR FOR SELECT generate_series(1, 3)',
    'FETCH FORWARD ALL FROM "curse"',
    'CLOSE "curse"',
    "COMMIT",
)
"""What the driver runs for a cursor of the server."""
PLACE = "SELECT current_setting('data_directory'), extract(epoch FROM now())"
LAST = "SELECT 'last of the first'"
ROTATE = "SELECT pg_sleep(1.1), pg_rotate_logfile()"
"""Names of files end in seconds: the next one has another name."""
RAISES = "DO $$ BEGIN RAISE LOG 'statement: SELECT 9'; END $$"


@pytest.fixture(scope="module", params=[14, 18])
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PostgresServer]:
    """A server that logs every statement."""
    settings = dict(SETTINGS)
    if request.param < 15:
        settings["log_destination"] = "csvlog"
    folder = tmp_path_factory.mktemp(f"logging-{request.param}")
    try:
        async with postgres_server(request.param, folder, settings) as server:
            yield server
    except UnavailableError as error:
        pytest.skip(str(error))


def work(url: str) -> Counter[tuple[str, int, int]]:
    """Run all statements, and return them with calls and errors as a log must count them."""
    truth: Counter[tuple[str, int, int]] = Counter()
    with psycopg.connect(url, autocommit=True) as connection:
        for text in SIMPLE:
            connection.execute(text.encode())
            truth[text, 1, 0] += 1
        for text in FAILING:
            with suppress(psycopg.Error):
                connection.execute(text.encode())
            truth[text, 0, 1] += 1
        for number in range(8):  # the driver prepares it on the way
            connection.execute(PREPARED, (number, "canary"))
        truth[PREPARED.replace("%s, %s", "$1, $2"), 1, 0] += 8
        connection.execute(RAISES)
        truth[RAISES, 1, 0] += 1
        with connection.transaction(), connection.cursor("curse") as cursor:
            cursor.execute("SELECT generate_series(1, 3)")
            cursor.fetchall()
        truth += Counter({(text, 1, 0): 1 for text in CURSOR})
    return truth


async def read_until(source: LogFileSource, last: str, before: Run | None = None) -> Run:
    """Read when the server has written the last statement."""

    def attempt() -> Run:
        done = run(source, before)
        assert last in done.texts
        return done

    return await eventually(lambda: asyncio.to_thread(attempt))


async def test_statements_come_back_as_they_were_run(server: PostgresServer) -> None:
    """Texts, users, calls and errors are exact, in windows of any size, also after rotation."""
    truth = await asyncio.to_thread(work, server.url())
    with psycopg.connect(server.url(), autocommit=True) as connection:
        data, now = connection.execute(PLACE).fetchall()[0]
        connection.execute(LAST)
        truth += Counter({(text, 1, 0): 1 for text in (PLACE, LAST)})
        kinds = [CsvLog] if server.major < 15 else [CsvLog, JsonLog]
        logs = [kind(location=str(Path(data) / "log"), window_bytes=3_000) for kind in kinds]
        firsts = [await read_until(log, LAST) for log in logs]
        connection.execute(ROTATE)
        connection.execute("SELECT 'after rotation'")
        seconds = [
            await read_until(log, "SELECT 'after rotation'", first)
            for log, first in zip(logs, firsts, strict=True)
        ]
    for first, second, log in zip(firsts, seconds, logs, strict=True):
        found = Counter((one.text, one.calls, one.errors) for one in first.statements)
        assert found == truth
        assert not [text for text in first.texts if text.endswith("SELECT 9")]
        assert (first.rejected, second.rejected) == ([], [])
        assert {(one.user, one.database) for one in first.statements} <= {
            ("postgres", "postgres"),
            ("postgres", "template1"),
        }
        assert all(abs(one.at / 1e6 - float(now)) < 600 for one in first.statements)
        assert all((one.duration is None) == bool(one.errors) for one in first.statements)
        assert second.texts == [ROTATE, "SELECT 'after rotation'"]
        ids = {one.query_id for one in first.statements if one.text.startswith("INSERT INTO th")}
        assert len(ids) == 1
        assert ids != {0}
        assert "canary" not in repr(first.chunks)
        assert [one.name for one in log.check() if not one.ok] == []
    if len(firsts) == 2:
        one, other = ([row._replace(place="") for row in first.statements] for first in firsts)
        assert one == other
