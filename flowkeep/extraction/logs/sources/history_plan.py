"""Planning a run over a history table: what is new since the mark, and what came late before it."""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple

from flowkeep.errors import InvalidInput, NotFound
from flowkeep.extraction.logs.sources.base import Memory, Plan, Window
from flowkeep.extraction.logs.sources.history_counted import CountedBefore
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.sources.history_statements import HistoryStatements
from flowkeep.extraction.logs.sources.history_time import as_text, from_text, micros
from flowkeep.extraction.logs.sources.history_windows import RowCounter, Stretch
from flowkeep.extraction.sources.base import Session

_SECOND = 1_000_000
_FIRST_RUN = 14 * 86_400 * _SECOND


class Mark(NamedTuple):
    """How far a table is read.

    Attributes:
        until: Rows before it are counted, but for those that arrive late; microseconds.
        remembered: From here to there it is known which rows were counted; microseconds.
        told_by: Names the columns that tell rows apart; others make what is kept worthless.
    """

    until: int
    remembered: int
    told_by: str

    @classmethod
    def read(cls, mark: Mapping[str, Any]) -> "Mark":
        """Return what a plan has written.

        Raises:
            InvalidInput: If it is none.
        """
        try:
            return cls(
                from_text(mark["until"]), from_text(mark["remembered"]), str(mark["told_by"])
            )
        except (KeyError, TypeError, ValueError):
            raise InvalidInput("this is no mark of a history table") from None

    def write(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "until": as_text(self.until),
            "remembered": as_text(self.remembered),
            "told_by": self.told_by,
        }


class HistoryPlanner:
    """Plans one run, in one snapshot.

    Args:
        session: The snapshot.
        statements: Over which table.
        options: How to cut it.
        memory: What earlier runs kept.
    """

    def __init__(
        self,
        session: Session,
        statements: HistoryStatements,
        options: HistoryOptions,
        memory: Memory,
    ) -> None:
        self._options = options
        self._memory = memory
        self._now = micros(session.taken_at)
        self._counter = RowCounter(session, statements, options.batch_rows)
        self._width = int(options.bucket_seconds * _SECOND)
        self._overlap = int(options.overlap_seconds * _SECOND)
        self._notes: list[str] = []
        ((missing, *_),) = session.rows(statements.without_moment())
        if missing:
            self._notes.append(f"{missing} rows without a timestamp are left out")

    def first(self) -> Plan:
        """Plan a first run: from `since` on; nothing was counted before, so nothing is late."""
        since = self._options.since
        begin = self._now - _FIRST_RUN if since is None else micros(since)
        return self._planned(begin, max(begin, self._end()), begin, None)

    def next(self, mark: Mark) -> Plan:
        """Plan a run that goes on at the mark; the mark never goes back.

        Args:
            mark: The last run's.
        """
        end = self._end()
        if end < mark.until:
            until = as_text(mark.until)
            self._notes.append(
                f"the run would end at {as_text(end)}, before the mark, {until}: nothing is read"
            )
            return Plan(
                windows=[],
                mark=mark.write(),
                since=until,
                until=until,
                notes=self._notes,
                keep=self._memory.kept,
            )
        before = self._before(mark)
        remembered = mark.until if before is None else mark.remembered
        return self._planned(mark.until, end, remembered, before)

    def _end(self) -> int:
        end = self._now - int(self._options.latency_seconds * _SECOND)
        until = self._options.until
        return end if until is None else min(end, micros(until))

    def _overlap_of(self, mark: Mark) -> int:
        """Return where rows may still arrive that can be told from counted ones."""
        return max(mark.until - self._overlap, mark.remembered)

    def _before(self, mark: Mark) -> CountedBefore | None:
        start = self._overlap_of(mark)
        lost = ""
        if mark.told_by != _told_by(self._options):
            lost = "the columns of the options have changed"
        else:
            try:
                return CountedBefore(self._memory, start, mark.until, self._width)
            except NotFound:
                lost = "what the last run kept is gone"
        self._notes.append(
            f"rows that came late between {as_text(start)} and {as_text(mark.until)} cannot be"
            f" told from counted ones and are left out: {lost}"
        )
        return None

    def _planned(self, begin: int, end: int, remembered: int, before: CountedBefore | None) -> Plan:
        start = max(begin - self._overlap, remembered)
        late = [] if before is None else list(self._late(start, begin, before))
        new, end = self._new(begin, end)
        remembered = max(end - self._overlap, remembered)
        windows = [
            _window(one, remembered, before.files(one.start, one.end) if before else [], late=True)
            for one in late
        ]
        windows += [_window(one, remembered) for one in new]
        return Plan(
            windows=windows,
            mark=Mark(end, remembered, _told_by(self._options)).write(),
            since=as_text(late[0].start if late else begin),
            until=as_text(end),
            notes=self._notes,
            keep=before.files(remembered) if before else [],
        )

    def _new(self, begin: int, end: int) -> tuple[list[Stretch], int]:
        """Return the windows from the mark on, and where they end."""
        found: list[Stretch] = []
        for one in self._counter.windows(begin, end, self._width):
            # Parts of one microsecond stay together: a mark cannot stand between them.
            if len(found) >= self._options.max_windows and one.start != found[-1].start:
                self._notes.append(
                    f"there are more than {self._options.max_windows} windows:"
                    f" the next run reads on from {as_text(one.start)}"
                )
                return found, one.start
            found.append(one)
        return found, end

    def _late(self, start: int, end: int, before: CountedBefore) -> Iterator[Stretch]:
        """Yield windows over the buckets that do not hold as many rows as were counted."""
        differing = [
            bucket
            for bucket in self._counter.buckets(start, end, self._width)
            if bucket.rows != before.rows[(bucket.start - start) // self._width]
        ]
        for _, run in groupby(
            enumerate(differing), lambda one: (one[1].start - start) // self._width - one[0]
        ):
            neighbours = [bucket for _, bucket in run]
            yield from self._counter.windows(neighbours[0].start, neighbours[-1].end, self._width)


def _window(
    stretch: Stretch, remembered: int, recall: list[str] | None = None, *, late: bool = False
) -> Window:
    where: dict[str, Any] = {
        "from": as_text(stretch.start),
        "until": as_text(stretch.end),
        "remember": as_text(remembered),
    }
    if stretch.part is not None:
        where["part"] = list(stretch.part)
    if late:
        where["recall"] = recall
    return Window(where=where, planned=stretch.rows, unit="rows", late=late)


def _told_by(options: HistoryOptions) -> str:
    """Return a hash of what rows are told apart by."""
    if options.id_column is not None:
        told: list[Any] = [options.timestamp_column, options.id_column]
    else:
        told = [options.columns, options.duration_unit]
    return blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()
