"""PostgreSQL's csvlog files.

The columns are those of "Using CSV-Format Log Output" in PostgreSQL's manual: 23 up to version 12,
24 in version 13 (`backend_type`), 26 since version 14 (`leader_pid`, `query_id`).
"""

import csv
from typing import IO

from flowkeep.extraction.logs.sources.byte_windows import Cuts, cut_quoted
from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.sources.log_time import LogTime
from flowkeep.extraction.logs.sources.record_blocks import LineSplitter, QuotedSplitter
from flowkeep.extraction.logs.sources.record_parser import RecordParser, signed
from flowkeep.extraction.logs.sources.server_log import ServerLogParser

COLUMNS = (23, 24, 26)
"""How many columns a record has, by version of the server."""
_USED = (0, 1, 2, 11, 13, 19)
"""Time, user, database, severity, message, statement."""
_QUERY_ID = 25


class CsvLogParser(ServerLogParser):
    """Reads records of CSV."""

    def add(self, records: list[bytes], offsets: list[int], *, unfinished: bool) -> None:
        """Add records to the chunk; see the base."""
        columns = read_columns(records)
        if columns is not None:
            take, identifier = self.take, self._query_id
            for offset, time, user, database, severity, message, statement, query_id in zip(
                offsets, *columns, strict=True
            ):
                number = identifier(query_id) if query_id else 0
                take(offset, time, user, database, severity, message, statement, number)
            return
        # The library's limit is the process's: it is raised, never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), self.longest))
        for offset, record in zip(offsets, records, strict=True):
            row = read_row(self.decoded(record))
            if row is None or len(row) not in COLUMNS:
                reason = "columns" if row is not None else "not_csv"
                reason = "truncated_record" if unfinished else reason
                self.reject(reason, offset, length=len(record))
                continue
            time, user, database, severity, message, statement = (row[one] for one in _USED)
            number = self._query_id(row[_QUERY_ID]) if len(row) > _QUERY_ID else 0
            self.take(offset, time, user, database, severity, message, statement, number)

    def _query_id(self, text: str) -> int:
        try:
            return signed(int(text)) if text else 0
        except ValueError:
            self.note("bad_query_id")
            return 0


class CsvLog(LogFileSource):
    """PostgreSQL's `log_destination = csvlog`; see `LogFileSource` for its arguments."""

    kind = "csvlog"
    default_pattern = "*.csv"

    def parser(self, name: str) -> RecordParser:
        """Return what reads the records of one window; see the base."""
        return CsvLogParser(name, LogTime(self.timezone), self.max_record_bytes)

    def began(self, beginning: bytes) -> int | None:
        """Return the time of the first record; see the base."""
        text = beginning[: beginning.find(b",")].decode(errors="replace")
        try:
            return LogTime(self.timezone).logged(text)
        except ValueError:
            return None

    def format_problem(self, record: bytes) -> str:
        """Return what is wrong with a record; see the base."""
        row = read_row(record.decode(errors="replace"))
        if row is None:
            return "it is not CSV"
        if len(row) not in COLUMNS:
            return f"it has {len(row)} columns, not one of {', '.join(map(str, COLUMNS))}"
        return ""

    def splitter(self) -> LineSplitter:
        """Return what splits a window into records; see the base."""
        return QuotedSplitter()

    def cut(self, file: IO[bytes], start: int, size: int) -> Cuts:
        """Return where the windows of a file end; see `cut_quoted`."""
        return cut_quoted(file, start, size, self.window_bytes)


def read_row(text: str) -> list[str] | None:
    """Return the fields of one record; None if it is no CSV."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def read_columns(records: list[bytes]) -> list[list[str]] | None:
    """Return the columns used, query identifiers last; None unless all records are sound."""
    import polars as pl
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    first = read_row(records[0].decode(errors="replace")) or []
    if len(first) not in COLUMNS:
        return None
    used = _USED if len(first) <= _QUERY_ID else (*_USED, _QUERY_ID)
    names = [str(number) for number in range(len(first))]
    text = b"\n".join(records)
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(text),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=names, block_size=len(text) + 1
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[names[number] for number in used],
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(records):
        return None
    frame = pl.DataFrame(table)
    columns = [column.to_list() for column in frame.get_columns()]
    return columns if len(used) > len(_USED) else [*columns, [""] * len(records)]
