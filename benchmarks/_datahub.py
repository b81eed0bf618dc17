"""DataHub's PostgreSQL source with its file sink, in an environment of its own."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._support import say
from flowkeep.settings import server_environment, user_cache

VERSION = "1.7.0.17"
REQUIREMENT = f"acryl-datahub[postgres]=={VERSION}"
CONSTRAINTS = Path(__file__).with_name("datahub-constraints.txt")

# A small parent, so that what it says is DataHub's: ru_maxrss survives exec, and a large parent
# would be what a small child is reported with. Linux gives it in KiB, getrusage(2).
_WATCH = """
import json, os, resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.call(sys.argv[2:])
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
with open(sys.argv[1], "w") as file:
    json.dump({"seconds": seconds, "peak_mib": peak, "code": code}, file)
"""


class DataHubError(Exception):
    """DataHub cannot be installed or did not extract; the message says why."""


class DataHub:
    """An installed DataHub.

    Args:
        program: Its command.
    """

    def __init__(self, program: Path) -> None:
        self._program = program

    @classmethod
    def install(cls) -> "DataHub":
        """Return it from the cache; installs the pinned version on first use.

        Raises:
            DataHubError: If it cannot be installed.
        """
        wanted = hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()
        home = user_cache() / "benchmarks" / f"datahub-{VERSION}"
        complete = home / "complete"
        datahub = cls(home / "bin" / "datahub")
        if complete.is_file() and complete.read_text() == wanted:
            return datahub
        say(f"installing {REQUIREMENT} into {home}")
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        for command in _install_commands(home):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise DataHubError(
                    f"{REQUIREMENT} cannot be installed: `{' '.join(map(str, command))}` says:\n"
                    f"{_end(done.stderr or done.stdout)}\n"
                    "A package registry has to be within reach; without --peer the benchmark "
                    "needs none."
                )
        complete.write_text(wanted)
        return datahub

    def ingest(self, url: str) -> dict[str, float]:
        """Extract a database to a file, as DataHub does it by itself: no profiling, no server.

        Args:
            url: The database.

        Returns:
            `seconds` of its process from start to end, `peak_mib`, `events` and `bytes` in the
            file, and `datasets`: how many tables and views it found.

        Raises:
            DataHubError: If it fails.
        """
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            recipe, output, watched = home / "recipe.yml", home / "out.json", home / "watched.json"
            recipe.write_text(json.dumps(_recipe(url, output)))
            command = [str(self._program), "ingest", "run", "--no-default-report"]
            command += ["--no-spinner", "--no-progress", "-c", str(recipe)]
            with (home / "log").open("w+") as log:
                subprocess.run(
                    [sys.executable, "-I", "-S", "-c", _WATCH, str(watched), *command],
                    env=_environment(home, urlsplit(url).password or ""),
                    cwd=home,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=True,
                )
                log.seek(0)
                said = log.read()
            figure: dict[str, float] = json.loads(watched.read_text())
            if figure.pop("code") != 0 or "finished successfully" not in said:
                raise DataHubError(f"DataHub failed:\n{_end(said)}")
            return figure | _contents(output)


def _install_commands(home: Path) -> list[list[str]]:
    uv = shutil.which("uv") or next(map(str, Path(".tools").glob("uv-*/bin/uv")), None)
    python = str(home / "bin" / "python")
    if uv is not None:
        pip = [uv, "pip", "install", "--compile-bytecode", "--python", python]
        return [
            [uv, "venv", "--python", sys.executable, str(home)],
            [*pip, "-c", str(CONSTRAINTS), REQUIREMENT],
        ]
    return [
        [sys.executable, "-m", "venv", str(home)],
        [python, "-m", "pip", "install", "-c", str(CONSTRAINTS), REQUIREMENT],
    ]


def _recipe(url: str, output: Path) -> dict[str, object]:
    """Return DataHub's recipe; it fills the password in from the environment."""
    parts = urlsplit(url)
    return {
        "source": {
            "type": "postgres",
            "config": {
                "host_port": f"{parts.hostname}:{parts.port}",
                "database": parts.path.removeprefix("/"),
                "username": parts.username,
                "password": "${SOURCE_PASSWORD}",
                "profiling": {"enabled": False},
            },
        },
        "sink": {"type": "file", "config": {"filename": str(output)}},
    }


def _environment(home: Path, password: str) -> dict[str, str]:
    return server_environment(
        {
            "HOME": str(home),
            "SOURCE_PASSWORD": password,
            "DATAHUB_TELEMETRY_ENABLED": "false",  # it would spend time on sending
            "PYTHONDONTWRITEBYTECODE": "",  # what the installation left out is compiled once
        }
    )


def _contents(output: Path) -> dict[str, float]:
    """Count events and data sets: that it has read what it was to read."""
    event = re.compile(rb'^\s*"entityUrn": "(urn:li:dataset:[^"]*)"')
    names = set()
    events = 0
    with output.open("rb") as lines:
        for line in lines:
            events += b'"entityUrn": ' in line
            if found := event.match(line):
                names.add(found[1])
    return {"events": events, "datasets": len(names), "bytes": output.stat().st_size}


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-15:])
