"""Private files, and the lock that keeps a folder to one engine."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from flowkeep.errors import Conflict
from flowkeep.settings import ENGINE_LOCK

LOCK_ATTEMPTS = 10
LOCK_POLL_SECONDS = 0.02


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter; one that exists stays as it is.

    Args:
        path: The folder; parents are made too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; readers see the old or the new content.

    Args:
        path: The file.
        text: Its content.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.unlink(missing_ok=True)
    handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def private_text(path: Path, make: Callable[[], str]) -> str:
    """Return a private file's text, made on first use.

    Args:
        path: The file.
        make: Gives its content when it does not exist.
    """
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()


class FolderLock:
    """Keeps a folder to one engine; released when the process ends, however it ends.

    Args:
        folder: The engine's folder; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            Conflict: If another engine has it; the message names its process.
        """
        path = self._folder / ENGINE_LOCK.name
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(handle):
            owner = os.read(handle, 32).decode().strip() or "unknown"
            os.close(handle)
            raise Conflict(
                f"an engine already runs in {self._folder.resolve()} (process {owner})",
                hint="use that one, stop it first, or give another folder",
            )
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def release(self) -> None:
        """Let the folder go; harmless when it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _locked(handle: int) -> bool:
    """Lock the open file; readers of the settings touch the lock for a moment, so try again."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return True
    return False
