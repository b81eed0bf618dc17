"""How far a task is, over all of its databases, and the point where it can be stopped."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any


class Total:
    """Adds up progress over databases, and ends the work when it is to stop.

    Args:
        report: Called with `rows` and `bytes` of the whole task, the `database` that is being read
            or transformed, its `part` that is being written, and the `part_rows` and `part_bytes`
            of that part.
        stop: Ends the work when set.
    """

    def __init__(
        self,
        report: Callable[[Mapping[str, Any]], None] | None,
        stop: threading.Event | None,
    ) -> None:
        self._report = report
        self._stop = stop
        self._database = ""
        self._before = self._now = (0, 0)
        self._part = 0
        self._part_start = (0, 0)

    def begin(self, database: str) -> None:
        """Go on with the next database.

        Raises:
            concurrent.futures.CancelledError: If the work is to stop.
        """
        self._database = database
        self._before = (self._before[0] + self._now[0], self._before[1] + self._now[1])
        self._now = self._part_start = (0, 0)
        self._part = 0
        self._check()

    def __call__(self, rows: int, size: int, part: int = 0) -> None:
        """Take note; see `Progress`.

        Raises:
            concurrent.futures.CancelledError: If the work is to stop.
        """
        self._check()
        if part != self._part:
            self._part, self._part_start = part, self._now
        self._now = (rows, size)
        if self._report is not None:
            self._report(
                {
                    "rows": self._before[0] + rows,
                    "bytes": self._before[1] + size,
                    "database": self._database,
                    "part": part,
                    "part_rows": rows - self._part_start[0],
                    "part_bytes": size - self._part_start[1],
                }
            )

    def _check(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise CancelledError("stopped between two batches")
