"""`flowkeep extract`: runs on real servers, and what they leave."""

import asyncio
import json
import os
import re
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flowkeep.cli.app import CALL_FAILED, RUN_FAILED, USAGE
from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.local_engine import LocalEngine
from tests.cli.calling import Ask, Call
from tests.cli.extracting import Extract

pytestmark = pytest.mark.slow

CANARY = "canary-4711"
NOWHERE_FOLDER = Path("/nowhere")
NOWHERE = f"postgresql://someone:{CANARY}@127.0.0.1:1/none"


@pytest.fixture(scope="module")
def source(engine: LocalEngine) -> str:
    """URL of the sample database; nobody changes it."""
    return create_sample_database(engine.database_url, "cli_sample")


def exists(path: Path) -> bool:
    """Whether there is such a file or folder."""
    return path.exists()


def manifest_of(report: dict[str, Any]) -> dict[str, Any]:
    """The manifest that a report names."""
    found: dict[str, Any] = json.loads(Path(report["manifest"]).read_text())
    return found


async def test_one_command_extracts_and_says_what_to_do_next(
    extract: Extract, source: str, call: Call
) -> None:
    """The command does the work itself; each command it names at its end really works."""
    code, out, err = await extract("--source", source)
    assert (code, err) == (0, "")
    assert "succeeded" in out
    for kind in ("databases", "schemas", "tables", "columns", "procedures", "constraints"):
        assert f"\n{kind} " in out
    steps = [line.partition("flowkeep extract ")[2] for line in out.splitlines()[-2:]]
    assert [step.split()[0] for step in steps] == ["diff", "verify"]
    for step in steps:
        done = await call("extract", *step.split())
        assert done.exit_code == 0, done.stderr


async def test_a_report_for_programs(extract: Extract, source: str) -> None:
    """With JSON output there is one document: run, manifest, counts per kind, warnings."""
    report = await extract.json("--source", source, "--label", "k=v", "--app", "shop")
    assert report["run"]["status"] == "succeeded"
    assert (report["run"]["labels"], report["run"]["app_id"]) == ({"k": "v"}, "shop")
    assert report["run"]["triggered_from"] == "cli"
    rows = {one["kind"]: one["rows"] for one in report["kinds"]}
    assert rows == report["result"]["counts"]
    assert rows["columns"] > rows["tables"] > 0
    assert report["warnings"] == []


async def test_another_dialect(extract: Extract, tmp_path: Path) -> None:
    """The URL decides what is read; kinds that the source does not know are named."""
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE item (id integer PRIMARY KEY, label text)")
    code, out, err = await extract("--source", f"sqlite:///{file}")
    assert (code, err) == (0, "")
    assert re.search(r"^columns +1 +2 ", out, re.MULTILINE)
    [absent] = [line for line in out.splitlines() if line.startswith("not known to this source")]
    assert "procedures" in absent


async def test_a_source_that_is_not_there(extract: Extract, tmp_path: Path) -> None:
    """A run that fails ends the command with 1, the reason, and where more is to be found."""
    code, _, err = await extract("--source", f"sqlite:///{tmp_path}/missing.db", "--no-watch")
    assert code == RUN_FAILED
    assert "missing.db" in err
    assert "extract.log" in err


@pytest.mark.long
async def test_filters_reach_the_source(extract: Extract, source: str, tmp_path: Path) -> None:
    """Rules of the command line and of a file decide what is extracted."""
    file = tmp_path / "rules.txt"
    file.write_text("include schema glob sal*\n")
    report = await extract.json(
        *("--source", source, "--filter-file", str(file), "--exclude-views"),
        *("--filter", "exclude table regex order.*"),
    )
    rows = {one["kind"]: one["rows"] for one in report["kinds"]}
    assert rows["schemas"] == 1
    assert rows["tables"] > 0
    manifest = manifest_of(report)
    assert len(manifest["filters"]["rules"]) == 2
    assert manifest["filters"]["exclude_views"]


async def test_the_password_stays_out_of_sight(
    extract: Extract, source: str, environment: dict[str, str]
) -> None:
    """A password of the environment is used, wins over the URL's, and is not recorded or shown."""
    parts = urlsplit(source)
    wrong = source.replace(f":{parts.password}@", f":{CANARY}@")
    assert parts.password is not None
    report = await extract.json("--source", wrong, FLOWKEEP_SOURCE_PASSWORD=parts.password)
    assert report["run"]["status"] == "succeeded"
    code, out, err = await extract(FLOWKEEP_SOURCE_URL=wrong)
    assert code == RUN_FAILED
    assert "password" in err
    assert CANARY not in out + err + json.dumps(report)
    assert parts.password not in out + err + json.dumps(report)
    log = extract.folder / ".flowkeep" / "logs" / "extract.log"
    assert CANARY not in log.read_text()


@pytest.mark.long
async def test_a_run_that_is_open_is_gone_on_with(extract: Extract, source: str, ask: Ask) -> None:
    """With the workflow id of a run that nobody works on any more, the command ends that run."""
    words = ("--source", source, "--workflow-id", "nightly")
    queue = ("--task-queue", "flowkeep-extract-nightly")
    started = await extract.json(*words, *queue, "--no-watch")
    assert (await ask("run", "get", started["run_id"]))["status"] == "running"
    report = await extract.json(*words)
    assert report["run"]["id"] == started["run_id"]
    assert report["run"]["status"] == "succeeded"


@pytest.mark.long
async def test_workers_elsewhere(
    extract: Extract, source: str, environment: dict[str, str], task_queue: str
) -> None:
    """With a task queue the workers of that queue do the work, and the command shows it."""
    workflow = "flowkeep.workflows.metadata_extraction.sql:BaseSQLMetadataExtractionWorkflow"
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", "worker", "start", workflow),
        *("--task-queue", task_queue),
        cwd=extract.folder,
        env={**os.environ, **environment, "FLOWKEEP_LOG_LEVEL": "ERROR"},
    )
    try:
        report = await extract.json("--source", source, "--task-queue", task_queue)
    finally:
        worker.terminate()
        await worker.wait()
    assert report["run"]["task_queue"] == task_queue
    assert report["run"]["status"] == "succeeded"


@pytest.mark.long
async def test_verify_finds_the_files_by_every_name(
    extract: Extract, source: str, ask: Ask, call: Call
) -> None:
    """Run id, key, URL and folder lead to one manifest; a byte that changed is found."""
    report = await extract.json("--source", source)
    path = Path(report["manifest"])
    names = [
        report["run"]["id"],
        report["run"]["workflow_id"],
        report["result"]["key"],
        report["result"]["url"],
        path.as_uri(),
        str(path.parent),
    ]
    found = [await ask("extract", "verify", name) for name in names]
    assert all(one["agree"] and one["run_id"] == report["run"]["id"] for one in found)
    assert {one["files"] for one in found} == {report["result"]["parts"]}
    part = next(path.parent.glob("raw/columns/*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    done = await call("extract", "verify", str(path))
    assert done.exit_code == RUN_FAILED
    assert part.name in done.stdout


@pytest.mark.parametrize(
    "name", ["nothing/here/manifest.json", "file:///nowhere/a/b/c/d/manifest.json", "no-such-run"]
)
@pytest.mark.parametrize("verb", ["verify", "diff"])
async def test_a_manifest_that_is_not_there(verb: str, name: str, call: Call) -> None:
    """A name that leads to no manifest is an error that repeats it and says what to name."""
    done = await call("extract", verb, name)
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    assert name.removeprefix("file://") in done.stderr
    assert not exists(NOWHERE_FOLDER)  # looking for something leaves nothing behind


async def test_a_file_that_is_no_manifest(call: Call, tmp_path: Path) -> None:
    """Another JSON file is told apart from a manifest."""
    file = tmp_path / "a" / "b" / "c" / "d" / "e.json"
    file.parent.mkdir(parents=True)
    file.write_text("[]")
    done = await call("extract", "verify", str(file))
    assert done.exit_code == CALL_FAILED
    assert "is not a manifest" in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--filter", "exclude tabel exact x"], "tabel"),
        (["--filter", "exclude table regex ("], "regular expression"),
        (["--filter-file", "missing.txt"], "missing.txt"),
        (["--removal-threshold", "2"], "2.0"),
        (["--statement-timeout", "0"], "0"),
        (["--label", "nothing"], "nothing"),
        (["--ask-password"], "FLOWKEEP_SOURCE_PASSWORD"),
    ],
    ids=" ".join,
)
async def test_options_that_cannot_be_used(words: list[str], named: str, call: Call) -> None:
    """A wrong option is refused before anything is started, and named."""
    done = await call("extract", "metadata", "--source", NOWHERE, *words)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert named in done.stderr
    assert CANARY not in done.stderr


async def test_no_source(call: Call) -> None:
    """Without a source the error names the option and the variable."""
    done = await call("extract", "metadata")
    assert done.exit_code == CALL_FAILED
    assert "--source" in done.stderr
    assert "FLOWKEEP_SOURCE_URL" in done.stderr


async def test_no_engine(extract: Extract, source: str) -> None:
    """Without servers the error names what provides them: `flowkeep dev`, or `--local`."""
    code, out, err = await extract("--source", source, FLOWKEEP_DATABASE_URL="")
    assert (code, out) == (CALL_FAILED, "")
    assert "flowkeep dev" in err
    assert "--local" in err


async def test_preflight_shows_what_rules_match(ask: Ask, source: str) -> None:
    """The preflight needs no servers of ours and counts what each rule matches."""
    result = await ask(
        "extract", "preflight", "--source", source, "--filter", "exclude table glob o*"
    )
    assert all(check["ok"] for check in result["checks"])
    [rule] = [check for check in result["checks"] if "exclude table glob o*" in str(check)]
    assert any(character.isdigit() for character in rule["message"])


async def test_preflight_of_a_filter_that_matches_nothing(call: Call, source: str) -> None:
    """A filter that includes nothing fails the preflight, and the rule is named."""
    rule = "include schema exact Sales"
    done = await call("extract", "preflight", "--source", source, "--filter", rule)
    assert done.exit_code == RUN_FAILED
    assert "Sales" in done.stdout


async def test_preflight_of_a_source_that_is_away(call: Call) -> None:
    """A source that cannot be reached is a failed call, without its password."""
    done = await call("extract", "preflight", "--source", NOWHERE)
    assert done.exit_code == CALL_FAILED
    assert "127.0.0.1" in done.stderr
    assert CANARY not in done.stderr + done.stdout


@pytest.mark.long
async def test_events_are_exported_as_lines(
    extract: Extract, source: str, call: Call, tmp_path: Path
) -> None:
    """A run made with --openlineage gives one event per table and view; others say so."""
    report = await extract.json("--source", source, "--openlineage")
    file = tmp_path / "events.jsonl"
    done = await call("extract", "export", report["run"]["id"], "--to", str(file))
    assert done.exit_code == 0, done.stderr
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(events) == report["result"]["counts"]["tables"]
    assert len({event["dataset"]["name"] for event in events}) == len(events)
    shown = await call("extract", "export", report["run"]["id"])
    assert shown.stdout == file.read_text()
    refused = await call("extract", "export", report["run"]["id"], "--to", "missing/folder/x")
    assert (refused.exit_code, "--to" in refused.stderr) == (USAGE, True)
    plain = await extract.json("--source", source)
    done = await call("extract", "export", plain["run"]["id"])
    assert done.exit_code == CALL_FAILED
    assert "--openlineage" in done.stderr


async def test_schema_is_the_published_one(ask: Ask) -> None:
    """The command prints the schema that the documentation publishes."""
    published = Path(__file__).parents[2] / "docs" / "reference" / "entity.schema.json"
    assert await ask("extract", "schema") == json.loads(published.read_text())


@pytest.mark.timeout(300)
@pytest.mark.long
async def test_local_servers_for_one_command(source: str, call: Call, tmp_path: Path) -> None:
    """With --local nothing has to run: the command starts the servers and stops them again."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", "extract", "metadata", "--local", "--source", source),
        cwd=tmp_path,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(os.environ),
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    [line] = [one for one in out.decode().splitlines() if "extract verify" in one]
    done = await call("extract", "verify", line.split()[-1])
    assert done.exit_code == 0, done.stderr
    assert not (tmp_path / ".flowkeep" / "engine.json").exists()
