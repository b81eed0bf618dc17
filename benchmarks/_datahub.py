"""DataHub's PostgreSQL source with its file sink, in an environment of its own."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._peer import PeerError, end_of, install
from flowkeep.settings import server_environment

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
            PeerError: If it cannot be installed.
        """
        home = install(f"datahub-{VERSION}", [REQUIREMENT], CONSTRAINTS)
        return cls(home / "bin" / "datahub")

    def ingest(self, url: str) -> dict[str, float]:
        """Extract a database to a file, as DataHub does it by itself: no profiling, no server.

        Args:
            url: The database.

        Returns:
            `seconds` of its process from start to end, `peak_mib`, `events` and `bytes` in the
            file, and `datasets`: how many tables and views it found.

        Raises:
            PeerError: If it fails.
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
                raise PeerError(f"DataHub failed:\n{end_of(said)}")
            return figure | _contents(output)


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
