"""Any file of JSON lines whose objects hold a statement each."""

from typing import Any, Literal, TypeAlias, get_args

import orjson

from flowkeep.errors import InvalidInput
from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.sources.json_records import first_object, is_object, read_object
from flowkeep.extraction.logs.sources.log_time import LogTime
from flowkeep.extraction.logs.sources.record_parser import (
    SWAPPED,
    RecordParser,
    signed,
    time_problem,
)
from flowkeep.extraction.logs.statement import LoggedStatement

Unit: TypeAlias = Literal["s", "ms", "us"]
"""Seconds, milliseconds or microseconds."""
Field: TypeAlias = Literal["text", "timestamp", "user", "database", "duration", "rows", "query_id"]
"""What an object may say of its statement."""

_MICROSECONDS: dict[str, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DEFAULTS: dict[str, str] = {name: name for name in get_args(Field)}
_LATEST = 1 << 62
"""Microseconds; what lies behind is no time."""


class JsonLinesParser(RecordParser):
    """Reads lines of JSON whose fields have names of the user's choice.

    Args:
        name: Name of the file, for places.
        source: The log.
    """

    def __init__(self, name: str, source: "JsonLines") -> None:
        super().__init__(name, LogTime(source.timezone), source.max_record_bytes)
        self._fields = source.fields
        self._timestamp_unit = _MICROSECONDS[source.timestamp_unit]
        self._duration_unit = _MICROSECONDS[source.duration_unit]

    def add(self, records: list[bytes], offsets: list[int], *, unfinished: bool) -> None:
        """Add records to the chunk; see the base."""
        for offset, record in zip(offsets, records, strict=True):
            found = read_object(record, self)
            if isinstance(found, str):
                reason = "truncated_record" if unfinished else found
                self.reject(reason, offset, length=len(record))
                continue
            self._take(found, offset)

    def _take(self, found: dict[str, Any], offset: int) -> None:
        get, fields = found.get, self._fields
        user, database = self._name(get(fields["user"])), self._name(get(fields["database"]))
        text = get(fields["text"])
        at = self.moment(get(fields["timestamp"]))
        if not isinstance(text, str) or not text or text.isspace():
            known = None if isinstance(at, str) else at
            self.reject("no_statement_text", offset, at=known, user=user, database=database)
            return
        if isinstance(at, str):
            self.reject(at, offset, user=user, database=database, length=len(text))
            return
        if at < self.latest - SWAPPED:
            self.note("clock_went_back")
        self.latest = at
        self.statements.append(
            LoggedStatement(
                self.without_nul(text),
                at,
                user,
                database,
                self._count(get(fields["duration"]), self._duration_unit, "bad_duration"),
                self._count(get(fields["rows"]), 1, "bad_rows"),
                self._query_id(get(fields["query_id"])),
                place=f"{self.name}:{offset}",
            )
        )

    def moment(self, value: Any) -> int | str:
        """Return microseconds since 1970 UTC, or the reason why they cannot be told.

        Args:
            value: ISO text, a time as PostgreSQL logs it, or a number in the source's unit.
        """
        if value is None or value == "":
            return "no_timestamp"
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = round(value * self._timestamp_unit)
            return at if -_LATEST < at < _LATEST else "bad_timestamp"
        if not isinstance(value, str):
            return "bad_timestamp"
        try:
            return self.time.read(value)
        except (ValueError, OverflowError) as error:
            return time_problem(error)

    def _name(self, value: Any) -> str:
        return self.without_nul(value) if isinstance(value, str) else ""

    def _count(self, value: Any, unit: int, code: str) -> int | None:
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = round(value * unit)
            if 0 <= number < _LATEST:
                return number
        self.note(code)
        return None

    def _query_id(self, value: Any) -> int:
        try:
            return signed(int(value)) if isinstance(value, int | str) and value else 0
        except ValueError:
            self.note("bad_query_id")
            return 0


class JsonLines(LogFileSource):
    """Files of JSON lines, one statement per line.

    Args:
        fields: What the fields are called, where it is not as in `Field`, for example
            `{"text": "query", "timestamp": "start_time"}`.
        timestamp_unit: Of times that are numbers, since 1970 UTC. Texts are ISO 8601.
        duration_unit: Of durations.
        dialect: The SQL the statements are written in, as sqlglot names it.
        **arguments: As for `LogFileSource`; times without an offset are in `timezone`.

    Raises:
        InvalidInput: If a field or unit is none of those known.
    """

    kind = "jsonl"
    default_pattern = "*.jsonl"

    def __init__(
        self,
        *,
        fields: dict[Field, str] | None = None,
        timestamp_unit: Unit = "s",
        duration_unit: Unit = "ms",
        dialect: str = "postgres",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        unknown = sorted(set(fields or {}) - set(_DEFAULTS))
        if unknown:
            raise InvalidInput(
                f"fields names {', '.join(unknown)}", hint=f"it may name {', '.join(_DEFAULTS)}"
            )
        for name, unit in (("timestamp_unit", timestamp_unit), ("duration_unit", duration_unit)):
            if unit not in _MICROSECONDS:
                raise InvalidInput(f"{name} is {unit!r}", hint="write s, ms or us")
        self.dialect = dialect
        self.fields: dict[str, str] = _DEFAULTS | {str(k): v for k, v in (fields or {}).items()}
        self.timestamp_unit = timestamp_unit
        self.duration_unit = duration_unit

    def parser(self, name: str) -> JsonLinesParser:
        """Return what reads the records of one window; see the base."""
        return JsonLinesParser(name, self)

    def began(self, beginning: bytes) -> int | None:
        """Return the time of the first record; see the base."""
        at = self.parser("").moment(first_object(beginning).get(self.fields["timestamp"]))
        return None if isinstance(at, str) else at

    def format_problem(self, record: bytes) -> str:
        """Return what is wrong with a record; see the base."""
        try:
            found = orjson.loads(record.decode(errors="replace"))
        except orjson.JSONDecodeError:
            return "it is not JSON"
        needed = [self.fields["text"], self.fields["timestamp"]]
        missing = [name for name in needed if not isinstance(found, dict) or name not in found]
        return f"it has no {' and no '.join(missing)}" if missing else ""

    def is_whole(self, record: bytes) -> bool:
        """Return whether a record is complete without a newline; see the base."""
        return is_object(record)
