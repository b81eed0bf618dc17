"""A log of the tests' own, as a user would write one: statements in a JSON file."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from flowkeep.contracts import CheckResult
from flowkeep.extraction.logs.sources.base import LogSource, Memory, Plan, Window
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement, Rejected


class Listed(LogSource):
    """Statements listed in a file; what is behind the mark is new.

    Args:
        path: JSON array of objects with the fields of `LoggedStatement`, or with `reason`.
        size: Statements per window.
    """

    kind = "listed"

    def __init__(self, path: str, size: int = 10) -> None:
        self._path = Path(path)
        self._size = size

    @property
    def identity(self) -> str:
        return str(self._path)

    @property
    def namespace(self) -> str:
        return "postgres://db:5432"

    def check(self) -> list[CheckResult]:
        return [CheckResult(name="file", ok=self._path.exists(), message=str(self._path))]

    def plan(self, mark: Mapping[str, Any] | None, memory: Memory) -> Plan:
        begin = (mark or {"next": 0})["next"]
        end = len(self._rows())
        windows = [
            Window(
                where={"from": n, "to": min(n + self._size, end)},
                planned=min(self._size, end - n),
                unit="rows",
            )
            for n in range(begin, end, self._size)
        ]
        return Plan(windows=windows, mark={"next": end}, since=str(begin), until=str(end))

    def read(
        self, window: Window, memory: Memory, stop: threading.Event | None = None
    ) -> Iterator[Chunk]:
        chunk = Chunk()
        for place in range(window.where["from"], window.where["to"]):
            row = {**self._rows()[place], "place": str(place)}
            chunk.read += 1
            if "reason" in row:
                chunk.rejected.append(Rejected(**row))
            else:
                chunk.statements.append(LoggedStatement(**row))
        yield chunk

    def _rows(self) -> list[dict[str, Any]]:
        return orjson.loads(self._path.read_bytes())
