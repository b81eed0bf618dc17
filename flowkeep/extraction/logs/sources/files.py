"""Query logs that are files: found, recognised, cut into byte windows and read window by window."""

import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import IO, Any, ClassVar

from flowkeep.contracts import CheckResult
from flowkeep.errors import Incomplete, InvalidInput, NotFound, SourceUnavailable
from flowkeep.extraction.logs.sources.base import LogSource, Memory, Plan, Window
from flowkeep.extraction.logs.sources.byte_windows import Cuts, cut_lines
from flowkeep.extraction.logs.sources.file_checks import check_files
from flowkeep.extraction.logs.sources.file_marks import digest
from flowkeep.extraction.logs.sources.file_plan import FilePlanner
from flowkeep.extraction.logs.sources.log_files import LogFiles, read_range
from flowkeep.extraction.logs.sources.log_time import LogTime
from flowkeep.extraction.logs.sources.record_blocks import LineSplitter, RecordReader
from flowkeep.extraction.logs.sources.record_parser import RecordParser
from flowkeep.extraction.logs.statement import Chunk

_WINDOW = 64 << 20
_LONGEST_RECORD = 16 << 20


class LogFileSource(LogSource):
    """Files of records. A subclass says where records end and what they mean.

    Args:
        location: A folder or one file: a local path, or a URL (`file://`, `s3://`, `gs://`,
            `az://`), as `Storage` takes it.
        pattern: Glob on the names of the files below it; the kind's own when left out.
        server: Name of the server that wrote them, for example `postgres://host:5432`; the
            location when left out.
        timezone: IANA name of the zone whose abbreviations the log uses.
        window_bytes: Bytes of a window; it goes on to the end of the record there.
        max_record_bytes: Longer records are skipped and counted as rejected.

    Raises:
        InvalidInput: If the location is empty or a size is not positive.
        ConfigurationError: If the location or the time zone has no known form.
    """

    default_pattern: ClassVar[str]
    """Glob on file names when none is given."""

    def __init__(
        self,
        *,
        location: str,
        pattern: str | None = None,
        server: str | None = None,
        timezone: str | None = None,
        window_bytes: int = _WINDOW,
        max_record_bytes: int = _LONGEST_RECORD,
    ) -> None:
        for name, value in (("window_bytes", window_bytes), ("max_record_bytes", max_record_bytes)):
            if not isinstance(value, int) or value < 1:
                raise InvalidInput(f"{name} must be a positive number, not {value!r}")
        texts = {"pattern": pattern, "server": server, "timezone": timezone}
        for name, text in texts.items():
            if text is not None and not isinstance(text, str):
                raise InvalidInput(f"{name} must be a text, not {type(text).__name__}")
        if not isinstance(location, str) or not location:
            raise InvalidInput("location names nothing", hint="name the log's folder or file")
        self.pattern = pattern or self.default_pattern
        self.files = LogFiles(location, self.pattern)
        self.max_record_bytes = max_record_bytes
        self.timezone = timezone
        self._server = server
        self.window_bytes = window_bytes
        LogTime(timezone)

    @property
    def identity(self) -> str:
        """Kind, location and pattern, without credentials and options of the store."""
        return f"{self.kind} {self.files.url} {self.pattern}"

    @property
    def namespace(self) -> str:
        """The server, or the location when it is not named."""
        return self._server or self.files.url

    @abstractmethod
    def parser(self, name: str) -> RecordParser:
        """Return what reads the records of one window.

        Args:
            name: The file's name, for places.
        """

    @abstractmethod
    def began(self, beginning: bytes) -> int | None:
        """Return the time of a file's first record, in microseconds since 1970 UTC.

        Args:
            beginning: The file's first bytes; when they do not tell, None is returned.
        """

    @abstractmethod
    def format_problem(self, record: bytes) -> str:
        """Return what keeps a record from being one of this kind's; empty for a good one."""

    def splitter(self) -> LineSplitter:
        """Return what splits a window into records."""
        return LineSplitter()

    def cut(self, file: IO[bytes], start: int, size: int) -> Cuts:
        """Return where the windows of a file end; see `cut_lines`."""
        return cut_lines(file, start, size, self.window_bytes)

    def is_whole(self, record: bytes) -> bool:
        """Return whether a record is complete although no newline follows it yet."""
        return False

    def check(self) -> list[CheckResult]:
        """Return what keeps the log from being read; see `LogSource.check`."""
        return check_files(self)

    def plan(self, mark: Mapping[str, Any] | None, memory: Memory) -> Plan:
        """Cut what was written since the mark into windows; see `LogSource.plan`.

        Raises:
            ConfigurationError: If a file must not be read or is compressed: it is named, and
                nothing is passed over.
            SourceUnavailable: If the files cannot be reached now, or change meanwhile.
        """
        return FilePlanner(self).plan(mark)

    def read(
        self, window: Window, memory: Memory, stop: threading.Event | None = None
    ) -> Iterator[Chunk]:
        """Yield the records of a window; see `LogSource.read`.

        Raises:
            Incomplete: If the file is gone, shorter or another one, and is not found under any
                other name either.
            SourceUnavailable: If it cannot be reached now, or is renamed just now.
        """
        where = window.where
        start, end = int(where["start"]), int(where["end"])
        name = self._find(where)
        done = 0
        with self.files.open(name) as file:
            if not _begins(file, where):
                raise SourceUnavailable(f"{name} was renamed just now")
            reader = RecordReader(file, name, self.splitter(), self.max_record_bytes, stop)
            parser = self.parser(where["path"])
            for block in reader.blocks(start, end):
                done += block.size
                parser.parse(block)
                if parser.full:
                    yield parser.taken()
            if not _begins(file, where):  # an object that was replaced has no old content
                raise SourceUnavailable(f"{name} was replaced while it was read")
        yield parser.taken()
        if done != end - start:
            raise Incomplete(f"{name}: the records have {done} bytes of {end - start} planned")

    def _find(self, where: Mapping[str, Any]) -> str:
        """Return the name a window's file has now."""
        path, end = str(where["path"]), int(where["end"])
        if self._holds(path, where):
            return path
        sizes = {file.key: file.size for file in self.files.all()}
        for key, size in sizes.items():
            if size >= end and key != path and self._holds(key, where):
                return key
        fate = (
            "is gone"
            if path not in sizes
            else f"has only {sizes[path]} bytes"
            if sizes[path] < end
            else "was replaced"
        )
        raise Incomplete(
            f"{path} {fate}: bytes {where['start']} to {end} are lost, which were planned",
            hint="rotate logs by renaming, and keep them until they are read",
            code="LOG_LOST",
        )

    def _holds(self, key: str, where: Mapping[str, Any]) -> bool:
        try:
            with self.files.open(key) as file:
                return _begins(file, where) and file.seek(0, 2) >= int(where["end"])
        except NotFound:
            return False


def _begins(file: IO[bytes], where: Mapping[str, Any]) -> bool:
    return digest(read_range(file, 0, int(where["head_bytes"]))) == str(where["head"])
