"""Which of the files that are there now are which of those that were read before."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.sources.file_marks import LEAD, SAMPLE, FileMark, digest, sample
from flowkeep.extraction.logs.sources.log_files import LogFiles, looks_compressed, named, read_range
from flowkeep.storage.objects import StoredObject

BEGINNING = 1 << 16
"""Bytes of a new file that are looked at for its first record."""


@dataclass(slots=True)
class Recognised:
    """A file to be read.

    Attributes:
        file: As it was listed.
        mark: What is known of it from earlier runs; None for a new file.
        beginning: Its first bytes; empty for one that has not changed.
    """

    file: StoredObject
    mark: FileMark | None
    beginning: bytes = b""

    @property
    def offset(self) -> int:
        """Up to where it is read."""
        return self.mark.offset if self.mark is not None else 0

    @property
    def lead(self) -> str:
        """Hash of its first bytes."""
        if self.beginning or self.mark is None:
            return digest(self.beginning[:LEAD])
        return self.mark.lead


class Recognition:
    """Compares files with marks: by content, never by name alone.

    Args:
        files: Where the files lie.
        marks: What earlier runs know.

    Attributes:
        found: The files to be read, each once.
        copies: Files that hold nothing beside what another one holds, with the other one's name.
        notes: What there is to say, one sentence each.
        unreadable: Why files cannot be read, one sentence each.
    """

    def __init__(self, files: LogFiles, marks: Sequence[FileMark]) -> None:
        self._files = files
        self._marks = marks
        self._by_path = {mark.path: mark for mark in marks if not mark.gone}
        self._by_lead: defaultdict[str, list[FileMark]] = defaultdict(list)
        self._short = [mark for mark in marks if mark.head_bytes < LEAD]
        for mark in marks:
            if mark.head_bytes >= LEAD:
                self._by_lead[mark.lead].append(mark)
        self._found_by_lead: defaultdict[str, list[Recognised]] = defaultdict(list)
        self._taken: dict[int, Recognised] = {}
        self.found: list[Recognised] = []
        self.copies: list[tuple[Recognised, str]] = []
        self.notes: list[str] = []
        self.unreadable: list[str] = []

    def compare(self, listed: Iterable[StoredObject]) -> None:
        """Recognise all files that match the pattern, and renamed ones that do not any more."""
        listed = list(listed)
        own = [file for file in listed if file.size and self._files.matches(file.key)]
        # Larger ones first: a copy is never longer than what it is a copy of.
        for file in sorted(own, key=lambda one: (-one.size, one.key not in self._by_path, one.key)):
            try:
                self._recognise(file)
            except ConfigurationError as error:
                self.unreadable.append(error.message)
        self._find_renamed([file for file in listed if not self._files.matches(file.key)])
        self._warn_of_others([file.key for file in listed])
        self._explain({file.key: file.size for file in listed})

    @property
    def lost(self) -> list[FileMark]:
        """Marks whose files are not there."""
        return [mark for mark in self._marks if id(mark) not in self._taken]

    def _recognise(self, file: StoredObject) -> None:
        mark = self._by_path.get(file.key)
        if (
            mark is not None
            and id(mark) not in self._taken
            and mark.offset == file.size
            and mark.unchanged(file.key, file.size, file.etag)
        ):
            self._accept(Recognised(file, mark))
            return
        with self._files.open(file.key) as opened:
            beginning = read_range(opened, 0, min(BEGINNING, file.size))
            if looks_compressed(beginning):
                raise ConfigurationError(f"{file.key} is compressed: it must be unpacked first")
            lead = digest(beginning[:LEAD])
            alike = self._found_by_lead[lead] if file.size >= LEAD else self.found
            for other in alike:
                if self._contains(other.file.key, beginning, file.size, sample(opened, file.size)):
                    self._take_for_copy(Recognised(file, None, beginning), other.file.key)
                    return
            known = [
                mark
                for mark in (*self._by_lead[lead], *self._short)
                if mark.continues(opened, beginning, file.size)
            ]
        best = max(known, key=lambda one: (one.offset, one.path == file.key), default=None)
        self._accept(Recognised(file, best, beginning))

    def _contains(self, key: str, beginning: bytes, size: int, tail: str) -> bool:
        """Return whether a file begins with another one of a size, by samples."""
        head = beginning[: min(SAMPLE, size)]
        with self._files.open(key) as opened:
            return read_range(opened, 0, len(head)) == head and sample(opened, size) == tail

    def _accept(self, one: Recognised) -> None:
        self.found.append(one)
        self._found_by_lead[one.lead].append(one)
        if one.mark is not None and id(one.mark) not in self._taken:
            self._taken[id(one.mark)] = one

    def _find_renamed(self, others: Sequence[StoredObject]) -> None:
        """Look for files that are missing among those that the pattern does not match."""
        missing = [mark for mark in self.lost if not mark.gone]
        for file in others:
            if not any(file.size >= mark.offset for mark in missing):
                continue
            try:
                with self._files.open(file.key) as opened:
                    beginning = read_range(opened, 0, min(BEGINNING, file.size))
                    for mark in missing:
                        if mark.telling and mark.continues(opened, beginning, file.size):
                            self._drop_copies(file)
                            self._accept(Recognised(file, mark, beginning))
                            missing.remove(mark)
                            break
            except ConfigurationError:
                continue  # not one of the log's, as far as its name goes

    def _drop_copies(self, file: StoredObject) -> None:
        """Leave out what turns out to be a copy of a file that was found later."""
        for one in list(self.found):
            size = one.file.size
            if not one.beginning or size > file.size:  # unchanged ones hold nothing to be read
                continue
            with self._files.open(one.file.key) as opened:
                tail = sample(opened, size)
            if self._contains(file.key, one.beginning, size, tail):
                self.found.remove(one)
                self._found_by_lead[one.lead].remove(one)
                self._take_for_copy(one, file.key)
                self.copies = [
                    (copy, file.key if original == one.file.key else original)
                    for copy, original in self.copies
                ]

    def _take_for_copy(self, one: Recognised, original: str) -> None:
        self.notes.append(f"{one.file.key} is a copy of {original}: it is not read")
        self.copies.append((one, original))

    def _warn_of_others(self, keys: Sequence[str]) -> None:
        """Name files that look like rotated ones, but that neither pattern nor mark knows."""
        known = {one.file.key for one in (*self.found, *(copy for copy, _ in self.copies))}
        others = [
            key
            for key in keys
            if key not in known and not self._files.matches(key) and self._files.looks_rotated(key)
        ]
        if others:
            self.notes.append(f"not matched by the pattern, and not read: {named(others)}")

    def _explain(self, sizes: dict[str, int]) -> None:
        for mark in self._marks:
            one = self._taken.get(id(mark))
            if one is not None:
                if one.file.key != mark.path and not mark.gone:
                    self.notes.append(f"rotated: {mark.path} is now {one.file.key}")
            elif mark.gone:
                continue
            elif mark.path not in sizes:
                self.notes.append(
                    f"gone: {mark.path} was read up to byte {mark.offset};"
                    " what was written to it later is not counted"
                )
            elif sizes[mark.path] < mark.offset:
                self.notes.append(
                    f"truncated: {mark.path} has {sizes[mark.path]} bytes, {mark.offset} were read"
                    " before; it is read from its beginning, and what was cut off unread is lost"
                )
            else:
                self.notes.append(
                    f"replaced: {mark.path} begins differently than before;"
                    " it is read from its beginning"
                )
