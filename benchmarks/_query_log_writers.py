"""Executions as PostgreSQL's log files have them, and as rows of a history table.

The fields are those of "Using CSV-Format Log Output" and "Using JSON-Format Log Output" in
PostgreSQL's manual, the message that of `exec_simple_query` in its `tcop/postgres.c`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from benchmarks._statements import Execution, Shape

HISTORY_COLUMNS = {
    "id": "bigint",
    "started_at": "timestamptz",
    "user_name": "text",
    "database_name": "text",
    "query_text": "text",
    "duration_us": "bigint",
    "row_count": "bigint",
    "query_id": "bigint",
}
"""Columns of a history table, and their types."""
_STARTED = "2024-10-04 00:00:00 UTC"
_SECOND = 1_000_000


def query_ids(shapes: Iterable[Shape]) -> Callable[[Execution], int]:
    """Return what gives each execution the identifier of its shape."""
    numbers = [shape.query_id for shape in shapes]
    return lambda one: numbers[one.shape]


def no_query_id(execution: Execution) -> int:
    """Return 0, as `log_statement` and servers without `compute_query_id` do."""
    return 0


def json_lines(
    executions: Iterable[Execution], query_id: Callable[[Execution], int] = no_query_id
) -> Iterator[str]:
    """Yield lines of a jsonlog file.

    Args:
        executions: In the order of the log.
        query_id: Gives each its identifier.
    """
    for number, one in enumerate(executions, start=1):
        yield (
            f'{{"timestamp":"{_time(one.at)}","user":{_name(one.user)},'
            f'"dbname":{_name(one.database)},"pid":{4000 + number % 97},'
            f'"remote_host":"10.0.0.7","remote_port":50312,"session_id":"66ff3280.{number % 97:x}",'
            f'"line_num":{number},"ps":"SELECT","session_start":"{_STARTED}","vxid":"4/{number}",'
            f'"txid":0,"error_severity":"LOG","message":{encode_basestring(_message(one))},'
            f'"application_name":"psql","backend_type":"client backend",'
            f'"query_id":{query_id(one)}}}\n'
        )


def csv_lines(
    executions: Iterable[Execution], query_id: Callable[[Execution], int] = no_query_id
) -> Iterator[str]:
    """Yield records of a csvlog file, of 26 fields, some of them on several lines.

    Args:
        executions: In the order of the log.
        query_id: Gives each its identifier.
    """
    for number, one in enumerate(executions, start=1):
        yield (
            f"{_time(one.at)},{_quoted(one.user)},{_quoted(one.database)},{4000 + number % 97},"
            f'"10.0.0.7:50312",66ff3280.{number % 97:x},{number},"SELECT",{_STARTED},4/{number},0,'
            f'LOG,00000,{_quoted(_message(one))},,,,,,,,,"psql","client backend",,{query_id(one)}\n'
        )


def history_rows(
    executions: Iterable[Execution], query_id: Callable[[Execution], int] = no_query_id
) -> Iterator[tuple[Any, ...]]:
    """Yield rows of `HISTORY_COLUMNS`.

    Args:
        executions: In the order of their ids.
        query_id: Gives each its identifier.
    """
    for number, one in enumerate(executions, start=1):
        started = datetime.fromtimestamp(one.at // _SECOND, UTC).replace(
            microsecond=one.at % _SECOND
        )
        what = (one.user, one.database, one.text, one.duration, one.rows)
        yield number, started, *what, query_id(one)


def _message(one: Execution) -> str:
    return f"duration: {one.duration // 1000}.{one.duration % 1000:03} ms  statement: {one.text}"


def _time(at: int) -> str:
    return f"{_second(at // _SECOND)}.{at % _SECOND // 1000:03} UTC"


@lru_cache(1024)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


@lru_cache(1024)
def _name(name: str) -> str:
    return encode_basestring(name)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
