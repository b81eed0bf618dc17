"""The driver's own truth: one line on disk per beginning and end of an attempt.

Written by the activities themselves, into a file per process, appended and synced before the
activity goes on; so a line that is there was there when the process was killed. Nothing of
flowkeep is used.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio import activity

_FOLDER = "FAULTS_TRUTH"
_PROCESS = "FAULTS_PROCESS"
_files: dict[Path, int] = {}


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        at: Seconds of the machine's clock, whatever a skewed worker believes.
        event: `begin`, or how it ended: `returned`, `raised`, `cancelled`, `handed over`.
        process: Name of the worker process.
    """

    at: float
    event: str
    process: str
    workflow_id: str
    execution: str
    activity_id: str
    attempt: int
    local: bool
    token: str | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Names the attempt."""
        return (self.execution, self.activity_id, self.attempt)


def environment(folder: Path, process: str) -> dict[str, str]:
    """Return what a worker process must be told."""
    return {_FOLDER: str(folder), _PROCESS: process}


def write(path: Path, record: dict[str, Any]) -> None:
    """Append one line and sync it."""
    if path not in _files:
        _files[path] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(_files[path], json.dumps(record).encode() + b"\n")
    os.fdatasync(_files[path])


def tell(event: str, **more: Any) -> None:
    """Write what the attempt that runs now has to say."""
    info = activity.info()
    process = os.environ[_PROCESS]
    record = {
        "at": time.time(),
        "event": event,
        "process": process,
        "workflow_id": info.workflow_id,
        "execution": info.workflow_run_id,
        "activity_id": info.activity_id,
        "attempt": info.attempt,
        "local": info.is_local,
        **more,
    }
    write(Path(os.environ[_FOLDER]) / f"{process}-{os.getpid()}.jsonl", record)


@contextlib.contextmanager
def witnessed() -> Iterator[None]:
    """Write lines around the body of an activity."""
    tell("begin")
    try:
        yield
    except Exception:
        tell("raised")
        raise
    except BaseException:
        tell("cancelled")
        raise
    tell("returned")


def read(folder: Path, only: bytes = b"") -> list[Line]:
    """Return every line of every process; a line cut off by a kill is none.

    Args:
        folder: Where the files lie.
        only: What a line must hold to be read.
    """
    paths = sorted(folder.glob("*.jsonl"))
    lines = (line for path in paths for line in _whole_lines(path) if only in line)
    return sorted((Line(**json.loads(line)) for line in lines), key=lambda line: line.at)


def _whole_lines(path: Path) -> Iterable[bytes]:
    return path.read_bytes().split(b"\n")[:-1]
