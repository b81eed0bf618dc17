"""The files of a log: in a local folder or in an object store, by their names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import urlsplit, urlunsplit

from flowkeep.errors import ConfigurationError, FlowkeepError, NotFound, SourceUnavailable
from flowkeep.storage import Storage
from flowkeep.storage.objects import StoredObject

COMPRESSED = frozenset({".gz", ".zst", ".bz2", ".xz", ".lz4", ".br", ".zip", ".z"})
"""Suffixes of files that must be unpacked first."""
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18")
_NAMED = 5
_HINT = "name a folder or file that this process may read"


class LogFiles:
    """Files below a folder, or one file.

    Args:
        location: A local path, or a URL as `Storage` takes it.
        pattern: Glob on file names, or on the ends of paths when it holds a slash.

    Raises:
        ConfigurationError: If the location's URL has no known form.
    """

    def __init__(self, location: str, pattern: str) -> None:
        url = location if "://" in location else Path(location).absolute().as_uri()
        self._url = url
        self._given = Storage(url)
        self._pattern = pattern
        parts = urlsplit(self._given.url)
        self.url = urlunsplit((*parts[:3], "", "")).rstrip("/")
        """The location without credentials and options."""

    def all(self) -> list[StoredObject]:
        """Return all files below the location, whatever their names.

        Raises:
            ConfigurationError: If there is no such place, or it must not be read.
            SourceUnavailable: If it cannot be reached now.
        """
        storage, name = self._opened
        if name is not None:
            with self._explained(name):
                try:
                    found = storage.head(name)
                except NotFound:
                    raise ConfigurationError(f"there is no {self.url}", hint=_HINT) from None
            return [found]
        folder = storage.local_path()
        if folder is not None and not _exists(folder):  # the store would make it
            raise ConfigurationError(f"there is no {self.url}", hint=_HINT, code="LOG_FILES")
        with self._explained(""):
            return list(storage.list())

    def matches(self, key: str) -> bool:
        """Return whether a file is one of the log's."""
        if self._opened[1] is not None:
            return key == self._opened[1]
        return PurePosixPath(key).match(self._pattern)

    def looks_rotated(self, key: str) -> bool:
        """Return whether a name is one that matches, and something behind it."""
        name = PurePosixPath(key)
        while name.suffix:
            name = name.with_suffix("")
            if self.matches(str(name)):
                return True
        return False

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        """Open a file for reading pieces of it.

        A local file stays the same one while it is open, even if it is renamed.

        Raises:
            NotFound: If it is gone.
            ConfigurationError: If it must not be read; the message names it.
            SourceUnavailable: If it cannot be reached now.
        """
        storage, _ = self._opened
        path = storage.local_path(key)
        with self._explained(key):
            if path is not None:
                with path.open("rb", buffering=0) as file:
                    yield cast("IO[bytes]", file)
            else:
                with storage.reading(key) as pieces:
                    yield cast("IO[bytes]", pieces)

    @cached_property
    def _opened(self) -> tuple[Storage, str | None]:
        """The folder, and the file's name if the location is a file."""
        parts = urlsplit(self._url)
        path = self._given.local_path()
        if path is not None:
            if path.is_file():
                return Storage(path.parent.absolute().as_uri()), path.name
            return self._given, None
        folder, _, name = parts.path.rstrip("/").rpartition("/")
        if name and not parts.path.endswith("/") and PurePosixPath(name).suffix:
            parent = Storage(urlunsplit((*parts[:2], folder, parts.query, "")))
            with self._explained(name):
                if parent.exists(name):
                    return parent, name
        return self._given, None

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn errors of reading into such as name the file and say what to do."""
        place = f"{self.url}/{key}" if key else self.url
        try:
            yield
        except FlowkeepError as error:
            if isinstance(error, ConfigurationError) and error.code == "STORAGE_CONFIGURATION":
                raise ConfigurationError(error.message, hint=_HINT, code="LOG_FILES") from None
            raise
        except FileNotFoundError:
            raise NotFound(f"{place} is gone", code="LOG_GONE") from None
        except PermissionError:
            raise ConfigurationError(
                f"{place} must not be read by this process",
                hint="let its user read the log: log_file_mode = 0640 and the server's group",
                code="LOG_FILES",
            ) from None
        except OSError as error:
            raise SourceUnavailable(
                f"{place} cannot be read: {error.strerror}",
                hint="check the disk and the way to it",
                code="LOG_UNAVAILABLE",
            ) from None


def read_range(file: IO[bytes], start: int, length: int) -> bytes:
    """Return some bytes of a file; fewer if it ends before."""
    file.seek(start)
    pieces = []
    while length > 0 and (piece := file.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def is_compressed(key: str) -> bool:
    """Return whether a name is that of a compressed file."""
    return PurePosixPath(key).suffix.lower() in COMPRESSED


def looks_compressed(head: bytes) -> bool:
    """Return whether a file begins as compressed ones do."""
    return head.startswith(_PACKED)


def named(names: Sequence[str]) -> str:
    """Return some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except PermissionError:
        return True  # listing it will say so
