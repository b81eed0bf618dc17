"""Planning a log of files: what is new since the mark, in windows."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkeep.errors import ConfigurationError, Incomplete, NotFound, SourceUnavailable
from flowkeep.extraction.logs.sources.base import Plan, Window
from flowkeep.extraction.logs.sources.file_marks import (
    KEPT_SECONDS,
    LEAD,
    SAMPLE,
    FileMark,
    digest,
    read_marks,
    sample,
)
from flowkeep.extraction.logs.sources.file_recognition import Recognised, Recognition
from flowkeep.extraction.logs.sources.log_files import is_compressed, named, read_range
from flowkeep.storage.objects import StoredObject

if TYPE_CHECKING:
    from flowkeep.extraction.logs.sources.files import LogFileSource


class FilePlanner:
    """Makes one plan.

    Args:
        source: The log.
    """

    def __init__(self, source: "LogFileSource") -> None:
        self._source = source
        self._files = source.files
        self._now = int(time.time())
        self._notes: list[str] = []

    def plan(self, mark: Mapping[str, Any] | None) -> Plan:
        """Return the windows of what is new, and the mark behind them.

        Args:
            mark: That of the last plan; None for a first one.

        Raises:
            ConfigurationError: If a file must not be read or is compressed: it is named, and
                nothing is passed over.
            SourceUnavailable: If the files cannot be reached now, or change meanwhile.
        """
        try:
            return self._plan([] if mark is None else read_marks(mark))
        except NotFound as error:
            raise SourceUnavailable(
                f"a file vanished while the plan was made: {error.message}",
                hint="the next attempt lists the files again",
            ) from None

    def _plan(self, marks: Sequence[FileMark]) -> Plan:
        recognition = Recognition(self._files, marks)
        recognition.compare(self._unpacked(self._files.all()))
        if recognition.unreadable:
            raise ConfigurationError(
                f"files of the log cannot be read: {named(recognition.unreadable)}",
                hint="make them readable, or choose a pattern that leaves them out",
                code="LOG_FILES",
            )
        self._notes += recognition.notes
        began = {one.file.key: self._began(one) for one in recognition.found}
        found = sorted(recognition.found, key=lambda one: (began[one.file.key] or 0, one.file.key))
        windows: list[Window] = []
        ends: dict[str, int] = {}
        new_marks: list[FileMark] = []
        for one in found:
            cut = self._windows(one, newest=one is found[-1])
            windows += cut
            end = cut[-1].where["end"] if cut else one.offset
            ends[one.file.key] = end
            new_marks.append(self._mark(one, end, began[one.file.key]))
        for copy, original in recognition.copies:  # remembered: the original may go first
            end = min(copy.file.size, ends[original])
            new_marks.append(self._mark(copy, end, began[original]))
        for lost in recognition.lost:
            lost.gone = True
            if self._now - lost.seen <= KEPT_SECONDS:
                new_marks.append(lost)
        return Plan(
            windows=windows,
            mark={"files": [one.to_json() for one in new_marks]},
            since=_place(windows[0], "start") if windows else "",
            until=_place(windows[-1], "end") if windows else "",
            notes=self._notes,
        )

    def _unpacked(self, listed: Sequence[StoredObject]) -> list[StoredObject]:
        packed = [file.key for file in listed if is_compressed(file.key)]
        matching = [key for key in packed if self._files.matches(key)]
        if matching:
            raise ConfigurationError(
                f"the pattern matches compressed files: {named(matching)}",
                hint="decompress them first, or choose a pattern that leaves them out",
                code="LOG_COMPRESSED",
            )
        if packed:
            self._notes.append(f"compressed files are not read: {named(packed)}")
        return [file for file in listed if not is_compressed(file.key)]

    def _began(self, one: Recognised) -> int | None:
        if one.mark is not None and one.mark.began is not None:
            return one.mark.began
        return self._source.began(one.beginning)

    def _windows(self, one: Recognised, *, newest: bool) -> list[Window]:
        start, size, key = one.offset, one.file.size, one.file.key
        if start == size:
            return []
        with self._files.open(key) as file:
            try:
                cuts = self._source.cut(file, start, size)
            except Incomplete as error:
                raise SourceUnavailable(
                    f"{key} was truncated while the plan was made: {error.message}",
                    hint="the next attempt lists the files again",
                ) from None
            ends, rest = cuts.ends, size - cuts.rest
            if rest and newest and not self._whole(read_range(file, cuts.rest, self._most(rest))):
                self._notes.append(
                    f"unfinished: the last record of {key}, {rest} bytes so far,"
                    " waits for the next run"
                )
            elif rest:
                ends = [*ends, size]
            head = read_range(file, 0, min(SAMPLE, size))
        where = {"path": key, "head": digest(head), "head_bytes": len(head)}
        return [
            Window(where={**where, "start": begin, "end": end}, planned=end - begin, unit="bytes")
            for begin, end in zip([start, *ends], ends, strict=False)
        ]

    def _most(self, size: int) -> int:
        return min(size, self._source.max_record_bytes + 1)

    def _whole(self, record: bytes) -> bool:
        return len(record) <= self._source.max_record_bytes and self._source.is_whole(record)

    def _mark(self, one: Recognised, end: int, began: int | None) -> FileMark:
        file, mark = one.file, one.mark
        if mark is not None and not one.beginning and end == mark.offset:
            mark.seen, mark.gone = self._now, False
            return mark
        with self._files.open(file.key) as opened:
            head = read_range(opened, 0, min(SAMPLE, file.size))
            return FileMark(
                path=file.key,
                size=file.size,
                etag=file.etag,
                offset=end,
                lead=digest(head[:LEAD]),
                head=digest(head),
                head_bytes=len(head),
                tail=sample(opened, end),
                began=began,
                seen=self._now,
            )


def _place(window: Window, edge: str) -> str:
    return f"{window.where['path']}:{window.where[edge]}"
