"""Whatever happens to the files between runs, each record is counted once."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.extraction.logs.sources.csv_log import CsvLog
from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.sources.json_lines import JsonLines
from flowkeep.extraction.logs.sources.json_log import JsonLog
from tests.extraction.logs.log_writing import (
    Run,
    csv_record,
    json_line,
    json_record,
    logged_time,
    run,
    texts_of,
)

PIECES = (
    *("SELECT 'x", '"', '""', "\n", "\r\n", ",", "'", "\\n", "\\", "é", "🐘", "\t", " "),
    *("{", "}", '{"text": "SELECT 2"}\n', "-- duration: 1.000 ms  statement: SELECT 3"),
    f'\n{logged_time(0)},"bob","shop",1,,,,,,,,LOG,00000,"statement: SELECT 4",,,,,,,,,,,,0\n',
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map(
    lambda pieces: "".join(pieces).encode(errors="ignore").decode().replace("\0", "")
)
Encode = Callable[[int, str], bytes]
KINDS: dict[str, tuple[type[LogFileSource], Encode]] = {
    "csv": (CsvLog, lambda number, text: csv_record(number, f"statement: {text}")),
    "json": (JsonLog, lambda number, text: json_record(number, f"statement: {text}")),
    "jsonl": (JsonLines, json_line),
}


class Server:
    """What writes, rotates and moves its log; knows what must be found."""

    def __init__(self, folder: Path, suffix: str, encode: Encode) -> None:
        self.folder = folder
        self.suffix = suffix
        self.encode = encode
        self.current = folder / f"server.{suffix}"
        self.truth: list[str] = []
        self.pending = b""
        self.moves = 0

    def write(self, text: str, cut: float) -> None:
        """Write a record, and of the next one only a part that stays until the next write."""
        self.finish()
        self._append(self._record(text))
        record = self._record(text)
        at = int(cut * len(record))
        self._append(record[:at])
        self.pending = record[at:]

    def finish(self) -> None:
        """Write the rest of the record."""
        self._append(self.pending)
        self.pending = b""

    def rotate(self) -> None:
        """Rename all files to the next number."""
        self.finish()
        for number in range(len(list(self.folder.iterdir())) + 1, 0, -1):
            old = self.current.with_name(f"{self.current.name}.{number}")
            if old.exists():
                old.rename(self.current.with_name(f"{self.current.name}.{number + 1}"))
        if self.current.exists():
            self.current.rename(self.current.with_name(f"{self.current.name}.1"))

    def rename(self) -> None:
        """Give the current file another name, which the pattern matches, and begin a new one."""
        self.finish()
        self.moves += 1
        if self.current.exists():
            self.current.rename(self.folder / f"moved-{self.moves}.{self.suffix}")

    def copy(self) -> None:
        """Copy the current file as it is."""
        self.moves += 1
        if self.current.exists():
            shutil.copy(self.current, self.folder / f"copy-{self.moves}.{self.suffix}")

    def _record(self, text: str) -> bytes:
        number = len(self.truth)
        self.truth.append(f"SELECT {number} {text}")
        return self.encode(number, self.truth[-1])

    def _append(self, data: bytes) -> None:
        if data:
            with self.current.open("ab") as file:
                file.write(data)


ACTIONS = st.one_of(
    st.tuples(st.just("write"), TEXTS, st.floats(0, 0.999)),
    st.tuples(st.sampled_from(["run", "rotate", "rename", "copy"])),
)


@pytest.mark.parametrize("suffix", KINDS)
@settings(max_examples=60)
@given(
    wide=st.booleans(),
    actions=st.lists(ACTIONS, max_size=25),
    window=st.integers(1, 2_000),
    order=st.randoms(use_true_random=False),
)
def test_every_record_is_counted_once(
    suffix: str, wide: bool, actions: list[tuple[str, ...]], window: int, order: random.Random
) -> None:
    """Growing, rotated, renamed and copied files, cut anywhere, give each record in one run."""
    kind, encode = KINDS[suffix]
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), suffix, encode)
        runs: list[Run] = []

        def read() -> None:
            pattern = f"*.{suffix}*" if wide else f"*.{suffix}"
            source = kind(location=name, pattern=pattern, window_bytes=window)
            runs.append(run(source, runs[-1] if runs else None, order))

        for action, *arguments in actions:
            if action == "run":
                read()
            elif action == "rotate":
                if not wide:
                    read()  # what is renamed beyond the pattern is found if a run has seen it
                server.rotate()
            else:
                getattr(server, action)(*arguments)
        server.finish()
        read()
        read()
        assert Counter(texts_of(runs)) == Counter(server.truth)
        assert runs[-1].texts == []
        assert not any(one.rejected for one in runs)
