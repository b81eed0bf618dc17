"""What is remembered of a log file from one run to the next, and how it is recognised.

A name means little: files are renamed when they are rotated, and their names are used again. What
stays is how a file begins, and what stands before the offset up to which it was read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from flowkeep.errors import InvalidInput
from flowkeep.extraction.logs.sources.log_files import read_range

SAMPLE = 1024
"""Bytes of a file's beginning, and before its offset, that are compared."""
LEAD = 64
"""Bytes of its beginning by which a file is looked up; no record of a server is that short."""
KEPT_SECONDS = 30 * 24 * 3600
"""How long a file that is gone is remembered: when it comes back, it is not counted again."""


@dataclass(slots=True)
class FileMark:
    """How far one file is read.

    Attributes:
        path: Its name when it was last seen.
        size: Bytes it had then.
        etag: Its version then; None where the store tells none.
        offset: Up to where it is read.
        lead: Hash of its first `LEAD` bytes, by which marks are found.
        head: Hash of its first bytes, up to `SAMPLE`.
        head_bytes: How many these are.
        tail: Hash of the last bytes before the offset, up to `SAMPLE`.
        began: Time of its first record, in microseconds since 1970 UTC, if that can be told.
        seen: When it was last seen, in seconds since 1970 UTC.
        gone: Whether it was not there when the last plan was made.
    """

    path: str
    size: int
    etag: str | None
    offset: int
    lead: str
    head: str
    head_bytes: int
    tail: str
    began: int | None
    seen: int
    gone: bool = False

    @property
    def telling(self) -> bool:
        """Whether enough of the file is known to find it under a name of any kind."""
        return self.offset > 0 or self.head_bytes >= LEAD

    def unchanged(self, path: str, size: int, etag: str | None) -> bool:
        """Return whether a listed file is this one, and as it was."""
        return etag is not None and (path, size, etag) == (self.path, self.size, self.etag)

    def begins(self, head: bytes) -> bool:
        """Return whether a file with these first bytes begins as this one."""
        return len(head) >= self.head_bytes and digest(head[: self.head_bytes]) == self.head

    def continues(self, file: IO[bytes], head: bytes, size: int) -> bool:
        """Return whether an open file is this one, longer or as long as what was read of it."""
        return size >= self.offset and self.begins(head) and sample(file, self.offset) == self.tail

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def read_marks(mark: Mapping[str, Any]) -> list[FileMark]:
    """Return the files in a high-water mark.

    Args:
        mark: That of a plan, with what `FileMark.to_json` returns under `files`.

    Raises:
        InvalidInput: If it is something else.
    """
    try:
        return [FileMark(**one) for one in mark["files"]]
    except (KeyError, TypeError):
        raise InvalidInput(
            "the high-water mark is none of a log of files",
            hint="reset the mark, or name the source it belongs to",
        ) from None


def digest(data: bytes) -> str:
    """Return the hash by which samples are compared."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def sample(file: IO[bytes], end: int) -> str:
    """Return the hash of the bytes before an offset."""
    start = max(0, end - SAMPLE)
    return digest(read_range(file, start, end - start))
