"""The body of a parser process: `python -m flowkeep.extraction.logs.parsing.process FD`.

Processor time is limited by the kernel, statement by statement (setrlimit(2), RLIMIT_CPU): a timer
in the process would not be heard inside compiled code, and a clock on the wall would blame
statements for a busy machine. Memory is limited as address space (RLIMIT_AS).
"""

import resource
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import orjson

from flowkeep.extraction.logs.lineage.catalogue import Catalogue
from flowkeep.extraction.logs.lineage.model import ParseFailure
from flowkeep.extraction.logs.lineage.resolve import resolve
from flowkeep.extraction.logs.parsing.pool import (
    MYSQL,
    MYSQL_DATABASE,
    READY,
    ParserSettings,
)

_MEGABYTE = 1024 * 1024


def main(descriptor: int) -> None:
    """Answer statements until the parent hangs up.

    Args:
        descriptor: Number of the open end of the pipe.
    """
    _limit(resource.RLIMIT_CORE, 0)
    with Connection(descriptor) as pipe, suppress(EOFError):
        settings, catalogue = ParserSettings("", (), 0, 0), Catalogue({})
        while True:
            message = orjson.loads(pipe.recv_bytes())
            if isinstance(message, dict):
                settings = ParserSettings(**message)
                catalogue = Catalogue.from_json(settings.catalogue or {}, settings.dialect)
                _limit(resource.RLIMIT_AS, settings.memory_megabytes * _MEGABYTE)
                pipe.send_bytes(READY)
            else:
                text, database = message
                _limit_time(settings.cpu_seconds)
                pipe.send_bytes(orjson.dumps(_answer(text, database, settings, catalogue)))


def _limit_time(seconds: int) -> None:
    """Limit the processor time that is left, in whole seconds: at most one more."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(spent.ru_utime + spent.ru_stime) + seconds + 1)


def _answer(
    text: str, database: str, settings: ParserSettings, catalogue: Catalogue
) -> tuple[Any, ...]:
    path = settings.search_path
    if settings.dialect == MYSQL:  # whose databases are schemas of one catalogue
        path, database = path or (database,), MYSQL_DATABASE
    try:
        lineage = resolve(
            text, settings.dialect, catalogue, database=database or None, search_path=path
        )
        return lineage.to_json(), None, None
    except ParseFailure as failure:
        return None, failure.code, failure.position
    except MemoryError:
        return None, "memory_limit", None
    except RecursionError:
        return None, "too_deep", None
    except Exception:  # noqa: BLE001 - whatever a parser raises; its message may quote the statement
        return None, "unsupported", None


def _limit(what: int, value: int) -> None:
    """Set a soft limit; the hard one stays, so that it can be moved."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
