"""What is said of a log before it is read, and of places where none is."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from flowkeep.contracts import CheckResult
from flowkeep.errors import ConfigurationError, Incomplete, SourceUnavailable
from flowkeep.extraction.logs.sources.csv_log import CsvLog
from flowkeep.extraction.logs.sources.json_lines import JsonLines
from flowkeep.extraction.logs.sources.json_log import JsonLog
from tests.extraction.logs.log_writing import MEMORY, csv_record, json_line, json_record, run
from tests.extraction.object_store import BUCKET, Handler

STATEMENT = csv_record(1, "statement: SELECT 1")


def failed(results: list[CheckResult]) -> list[tuple[str, str]]:
    """Name and level of the checks that did not pass."""
    return [(one.name, one.level) for one in results if not one.ok]


def test_a_good_log_passes(tmp_path: Path) -> None:
    """All kinds, with how many files and bytes match."""
    (tmp_path / "a.csv").write_bytes(STATEMENT)
    (tmp_path / "a.json").write_bytes(json_record(1, "statement: SELECT 1"))
    (tmp_path / "a.jsonl").write_bytes(json_line(1, "SELECT 1"))
    for kind in (CsvLog, JsonLog, JsonLines):
        results = kind(location=str(tmp_path)).check()
        assert failed(results) == []
        assert [one.name for one in results] == ["location", "format", "timezone", "statements"]
    (location, *_) = CsvLog(location=str(tmp_path)).check()
    assert location.message == (f"{tmp_path.as_uri()}: 1 files match *.csv, {len(STATEMENT)} bytes")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n", [("format", "error")]),
        (b"2026-11-22 10:00:00 UTC [1] LOG:  x\n", [("format", "error")]),
        (csv_record(1, "x", time="2026-11-22 10:00:00.000 CET"), [("timezone", "error")]),
        (csv_record(1, "connection received"), [("statements", "warning")]),
        (STATEMENT[:-1], [("format", "warning")]),
        (b"\x1f\x8b\x08", [("readable", "error")]),
        (b"", []),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, content: bytes, expected: list[tuple[str, str]]
) -> None:
    """Format, zone and settings of the server are told from the first mebibyte."""
    (tmp_path / "a.csv").write_bytes(content)
    found = failed(CsvLog(location=str(tmp_path)).check())
    if expected and expected[0][0] == "timezone":
        expected = [*expected, ("statements", "warning")]
    assert found == expected


def test_json_of_something_else_is_told(tmp_path: Path) -> None:
    """Lines of another program are no server's log."""
    (tmp_path / "a.json").write_bytes(json_line(1, "SELECT 1"))
    assert failed(JsonLog(location=str(tmp_path)).check()) == [("format", "error")]
    (tmp_path / "a.jsonl").write_bytes(json_record(1, "x"))
    assert failed(JsonLines(location=str(tmp_path)).check()) == [("format", "error")]


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    """It is named, and not made."""
    source = CsvLog(location=str(tmp_path / "missing"))
    assert failed(source.check()) == [("location", "error")]
    with pytest.raises(ConfigurationError, match=r"there is no file://.*/missing"):
        source.plan(None, MEMORY)
    assert not (tmp_path / "missing").exists()


def test_an_empty_folder(tmp_path: Path) -> None:
    """Nothing is planned, and the check says that nothing matches."""
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.txt").write_text("x")
    done = run(CsvLog(location=str(tmp_path)))
    assert (done.plan.windows, done.plan.notes) == ([], [])
    (tmp_path / "empty.csv").unlink()
    assert failed(CsvLog(location=str(tmp_path)).check()) == [("location", "warning")]


def test_one_file_is_a_location_too(tmp_path: Path) -> None:
    """Its neighbours are left alone, whatever its name."""
    (tmp_path / "a b#%41.log").write_bytes(STATEMENT)
    (tmp_path / "a.csv").write_bytes(STATEMENT)
    source = CsvLog(location=str(tmp_path / "a b#%41.log"))
    assert failed(source.check()) == []
    assert [one.place for one in run(source).statements] == ["a b#%41.log:0"]


def test_folders_below_and_patterns_with_folders(tmp_path: Path) -> None:
    """Files lie at any depth; a pattern with a slash names folders."""
    for name in ("a.csv", "x/b.csv", "y/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(STATEMENT + name.encode() + b"\n")
    assert len(run(CsvLog(location=str(tmp_path))).texts) == 3
    some = run(CsvLog(location=str(tmp_path), pattern="x/*.csv"))
    assert [one.place for one in some.statements] == ["x/b.csv:0"]


def test_identity_and_namespace_hold_no_secrets() -> None:
    """Neither user information nor options of the store."""
    url = "s3://key:secret@bucket/logs?secret_access_key=hidden&region=x"
    source = CsvLog(location=url, pattern="*.csv*")
    assert source.identity == "csvlog s3://bucket/logs *.csv*"
    assert source.namespace == "s3://bucket/logs"
    assert CsvLog(location=url, server="postgres://db:5432").namespace == "postgres://db:5432"


UNREADABLE = """
import os, sys
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.sources.csv_log import CsvLog
source = CsvLog(location=sys.argv[1])
import obstore, obstore.store, polars, pyarrow.csv
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print([(one.name, one.ok) for one in source.check()])
try:
    source.plan(None, None)
except ConfigurationError as error:
    print(error.message)
"""


def test_a_file_that_must_not_be_read_fails_the_plan(tmp_path: Path) -> None:
    """The run does not pass over it: check and plan name it."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.csv").write_bytes(STATEMENT)
    (folder / "secret.csv").write_bytes(STATEMENT)
    (folder / "secret.csv").chmod(0)
    for path in (folder, *folder.parents):
        if path.owner() == folder.owner() and path.is_relative_to(tmp_path.parent.parent.parent):
            path.chmod(path.stat().st_mode | 0o055)
    ended = subprocess.run(
        [sys.executable, "-c", UNREADABLE, str(folder)],
        env={**os.environ, "PYTHONPATH": "."},
        check=True,
        capture_output=True,
        text=True,
    )
    checks, problem = ended.stdout.splitlines()
    assert checks == "[('location', True), ('readable', False)]"
    assert problem.startswith("files of the log cannot be read: ")
    assert "secret.csv" in problem


class Ranges(Handler):
    """An object store that sends parts of objects, too."""

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None or not self._path().is_file():
            super().do_GET()
            return
        body = self._path().read_bytes()
        part = body[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{wanted[2]}/{len(body)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{len(body)}"')
        self.send_header("Last-Modified", "Mon, 03 Mar 2025 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a bucket with logs, and the URL it is served under."""

    class Here(Ranges):
        folder = tmp_path

    (tmp_path / "objects" / "logs").mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Here) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        options = "allow_http=true&region=x&access_key_id=i&secret_access_key=s"
        endpoint = f"http://127.0.0.1:{server.server_port}"
        yield tmp_path / "objects" / "logs", f"s3://{BUCKET}/logs?endpoint={endpoint}&{options}"
        server.shutdown()
        thread.join()


def test_an_object_store(bucket: tuple[Path, str]) -> None:
    """Objects are read like files, a single one too; renamed ones grow under their new name."""
    folder, url = bucket
    (folder / "a.csv").write_bytes(STATEMENT * 2_000)
    source = CsvLog(location=url, window_bytes=50_000)
    assert failed(source.check()) == []
    first = run(source)
    assert len(first.texts) == 2_000
    assert len(first.plan.windows) > 2
    (folder / "a.csv").rename(folder / "b.csv")
    with (folder / "b.csv").open("ab") as file:
        file.write(csv_record(2, "statement: SELECT 2"))
    assert run(source, first).texts == ["SELECT 2"]
    single = CsvLog(location=url.replace("/logs", "/logs/b.csv"))
    assert len(run(single).texts) == 2_001
    missing = CsvLog(location=url.replace("/logs", "/nothing"))
    assert failed(missing.check()) == [("location", "warning")]
    plan = source.plan(None, MEMORY)
    (folder / "b.csv").unlink()
    with pytest.raises(Incomplete, match=r"b\.csv is gone"):
        list(source.read(plan.windows[0], MEMORY))


def test_a_store_that_does_not_answer() -> None:
    """It may be there again later."""
    url = "s3://bucket/logs?endpoint=http://127.0.0.1:9&allow_http=true&region=x"
    source = CsvLog(location=f"{url}&access_key_id=i&secret_access_key=hidden")
    for call in (source.check, lambda: source.plan(None, MEMORY)):
        with pytest.raises(SourceUnavailable) as raised:
            call()
        assert "hidden" not in str(raised.value)
