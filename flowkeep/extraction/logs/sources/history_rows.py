"""Turning the rows of a window into statements, a table at a time."""

from collections import Counter
from collections.abc import Sequence
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any

from flowkeep.extraction.logs.sources.history_counted import NewlyCounted, identities
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement, Rejected

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("text", "user", "database", "id")
_LONGEST_ID = 64


class HistoryRows:
    """Reads the tables of one window.

    Args:
        name: What the rows are called in `LoggedStatement.place`.
        counted: Remembers them for the next run.
        before: How often each row was counted by earlier runs; None where none was.
        hexadecimal: Whether texts are hexadecimal digits of their bytes.
    """

    def __init__(
        self,
        name: str,
        counted: NewlyCounted,
        before: Counter[bytes] | None,
        *,
        hexadecimal: bool,
    ) -> None:
        self._name = name
        self._counted = counted
        self._before = before
        self._hexadecimal = hexadecimal

    def chunk(self, table: "pa.Table") -> Chunk:
        """Return the rows of a table that no earlier run has counted.

        Args:
            table: Columns as in `HistoryStatements.columns`.
        """
        chunk = Chunk(read=table.num_rows, bytes=table.nbytes)
        columns: dict[str, Sequence[Any]] = {
            name: table[name].to_pylist() for name in table.column_names
        }
        if not table.num_rows:
            return chunk
        if self._before is not None or max(columns["at"]) >= self._counted.since:
            columns = self._without_counted(columns)
            chunk.repeated = chunk.read - len(columns["at"])
        if self._hexadecimal:
            self._decode(columns, chunk)
        self._fill(columns, chunk)
        return chunk

    def _without_counted(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return what is new of the columns, remembered for the next run."""
        own = columns.get("id", repeat(None))
        found = zip(
            identities(zip(*columns.values(), strict=True), own), columns["at"], strict=True
        )
        before = self._before
        if before is None:
            self._counted.add(found)
            return columns
        new, added = [], []
        for identity, at in found:
            known = before[identity]
            new.append(not known)
            if known:
                before[identity] = known - 1
            else:
                added.append((identity, at))
        self._counted.add(added)
        return {name: list(compress(values, new)) for name, values in columns.items()}

    def _decode(self, columns: dict[str, Sequence[Any]], chunk: Chunk) -> None:
        for name in _TEXTS:
            if name not in columns:
                continue
            decoded: list[str | None] = []
            for digits in columns[name]:
                if digits is None:
                    decoded.append(None)
                    continue
                raw = bytes.fromhex(digits)
                try:
                    decoded.append(raw.decode())
                except UnicodeDecodeError:
                    decoded.append(raw.decode(errors="replace"))
                    chunk.notes["not_utf8"] = chunk.notes.get("not_utf8", 0) + 1
            columns[name] = decoded

    def _fill(self, columns: dict[str, Sequence[Any]], chunk: Chunk) -> None:
        size = len(columns["at"])
        texts, moments = columns["text"], columns["at"]
        users, databases = (
            [value or "" for value in columns[name]] if name in columns else [""] * size
            for name in ("user", "database")
        )
        query_ids = [value or 0 for value in columns.get("query_id", ())] or [0] * size
        failed = columns.get("failed", [0] * size)
        nothing = [None] * size
        rows = map(
            LoggedStatement,
            texts,
            moments,
            users,
            databases,
            columns.get("duration", nothing),
            columns.get("rows", nothing),
            query_ids,
            [1 - one for one in failed],
            failed,
            self._places(columns),
        )
        if None not in texts:
            chunk.statements = list(rows)
            return
        for text, row in zip(texts, rows, strict=True):
            if text is not None:
                chunk.statements.append(row)
                continue
            rejected = Rejected("no_text", row.at, row.place, row.user, row.database)
            chunk.rejected.append(rejected)

    def _places(self, columns: dict[str, Sequence[Any]]) -> list[str]:
        name = self._name
        if "id" not in columns:
            return [f"{name}@{at}" for at in columns["at"]]
        return [
            f"{name}@{at}" if own is None else f"{name}#{own[:_LONGEST_ID]}"
            for own, at in zip(columns["id"], columns["at"], strict=True)
        ]
