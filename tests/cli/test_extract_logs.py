"""`flowkeep extract logs`: runs on real servers, and what they leave."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowkeep.cli.app import RUN_FAILED, USAGE
from flowkeep.local_engine import LocalEngine
from tests.cli.calling import Call
from tests.cli.extracting import Extract
from tests.extraction.support import run

pytestmark = pytest.mark.slow

FIELDS = '--option=fields={"text":"query","timestamp":"at","user":"who","database":"db"}'


@pytest.fixture
def extract_logs(extract: Extract) -> Extract:
    """The command, in an empty folder."""
    return Extract(extract.folder, extract.environment, "logs")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four statements, one of them broken."""
    texts = (
        "SELECT total FROM orders WHERE customer = 'ann'",
        "SELECT total FROM orders WHERE customer = 'bob'",
        "INSERT INTO report (sum) SELECT total * 2 FROM orders",
        "SELECT FROM WHERE",
    )
    rows: list[dict[str, Any]] = [
        {"query": text, "at": 1_760_000_000 + second, "who": "ann", "db": "shop"}
        for second, text in enumerate(texts)
    ]
    path = tmp_path / "statements.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def test_one_command_reads_a_log(extract_logs: Extract, log: Path, call: Call) -> None:
    """It prints what was read, warns of what was not, and names a command that works."""
    code, out, err = await extract_logs("jsonl", "--location", str(log), FIELDS)
    assert code == 0, err
    (counted,) = [line.split()[1] for line in out.splitlines() if line.startswith("statements")]
    assert counted == "4"
    assert "Warning: 1 statements could not be parsed: syntax" in err
    step = out.splitlines()[-1].partition("flowkeep extract ")[2].split()
    assert step[0] == "verify"
    done = await call("extract", *step)
    assert done.exit_code == 0, done.stderr


@pytest.mark.long
async def test_the_next_command_goes_on(extract_logs: Extract, log: Path) -> None:
    """A second call counts nothing twice; `--strict` turns warnings into an exit code."""
    words = ("jsonl", "--location", str(log), FIELDS)
    code, _, err = await extract_logs(*words, "--strict")
    assert (code, "--strict: 1 warnings" in err) == (RUN_FAILED, True)
    again = await extract_logs.json(*words)
    assert (again["logs"]["statements"], again["windows"]) == (0, [])
    assert again["run"]["workflow_type"] == "SQLQueryExtractionWorkflow"


async def test_a_history_table_is_read(extract_logs: Extract, engine: LocalEngine) -> None:
    """A table by its columns, from the server that `--source` names."""
    run(
        engine.database_url,
        "CREATE SCHEMA IF NOT EXISTS ops",
        "CREATE TABLE IF NOT EXISTS ops.history (at timestamptz, query text, role text)",
        "INSERT INTO ops.history SELECT now() - interval '1 hour' * g, 'SELECT a FROM t', 'ann'"
        " FROM generate_series(1, 50) AS g",
    )
    report = await extract_logs.json(
        *("history", "--source", engine.database_url, "--table", "ops.history"),
        *("--option", "timestamp_column=at", "--option", "text_column=query"),
        *("--option", "user_column=role", "--openlineage"),
    )
    assert report["logs"]["statements"] == 50
    assert report["result"]["counts"]["queries"] == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("slowlog",), "slowlog"),
        (("jsonl", "--option", "colour"), "--option"),
    ],
)
async def test_bad_words_are_refused(
    extract_logs: Extract, words: tuple[str, ...], complaint: str
) -> None:
    """What the command line cannot mean is refused before anything starts."""
    code, _, err = await extract_logs(*words)
    assert (code, complaint in err) == (USAGE, True)


async def test_what_is_missing_is_named(extract_logs: Extract) -> None:
    """A place that does not exist fails the run with its name."""
    code, out, err = await extract_logs("csvlog", "--location", "/nowhere/at/all")
    assert (code, "/nowhere/at/all" in out + err) == (RUN_FAILED, True)
