"""PostgreSQL's jsonlog files, which version 15 brought.

The keys are those of "Using JSON-Format Log Output" in PostgreSQL's manual.
"""

from typing import Any

import orjson

from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.sources.json_records import first_object, is_object, read_object
from flowkeep.extraction.logs.sources.log_time import LogTime
from flowkeep.extraction.logs.sources.record_parser import RecordParser, signed
from flowkeep.extraction.logs.sources.server_log import ServerLogParser

_NONE: Any = None


class JsonLogParser(ServerLogParser):
    """Reads records of JSON."""

    def add(self, records: list[bytes], offsets: list[int], *, unfinished: bool) -> None:
        """Add records to the chunk; see the base."""
        take = self.take
        for offset, record in zip(offsets, records, strict=True):
            found = read_object(record, self)
            if isinstance(found, str):
                reason = "truncated_record" if unfinished else found
                self.reject(reason, offset, length=len(record))
                continue
            get = found.get
            time, severity = get("timestamp", _NONE), get("error_severity", _NONE)
            message = get("message", "")
            user, database, statement = get("user", ""), get("dbname", ""), get("statement", "")
            texts = type(time) is type(severity) is type(message) is type(user) is str
            if not (texts and type(database) is type(statement) is str):
                self.reject("not_a_log_record", offset, length=len(record))
                continue
            query_id = get("query_id", 0)
            if type(query_id) is not int:
                self.note("bad_query_id")
                query_id = 0
            take(offset, time, user, database, severity, message, statement, signed(query_id))


class JsonLog(LogFileSource):
    """PostgreSQL's `log_destination = jsonlog`; see `LogFileSource` for its arguments."""

    kind = "jsonlog"
    default_pattern = "*.json"

    def parser(self, name: str) -> RecordParser:
        """Return what reads the records of one window; see the base."""
        return JsonLogParser(name, LogTime(self.timezone), self.max_record_bytes)

    def began(self, beginning: bytes) -> int | None:
        """Return the time of the first record; see the base."""
        try:
            return LogTime(self.timezone).logged(str(first_object(beginning).get("timestamp")))
        except ValueError:
            return None

    def format_problem(self, record: bytes) -> str:
        """Return what is wrong with a record; see the base."""
        try:
            found = orjson.loads(record.decode(errors="replace"))
        except orjson.JSONDecodeError:
            return "it is not JSON"
        needed = ("timestamp", "error_severity", "message")
        if not isinstance(found, dict) or not all(key in found for key in needed):
            return f"it has no {', '.join(needed)}"
        return ""

    def is_whole(self, record: bytes) -> bool:
        """Return whether a record is complete without a newline; see the base."""
        return is_object(record)
