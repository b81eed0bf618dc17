"""The rules of the ledger as a small pure model: one run, its tasks, and what may be done to them.

It knows nothing of SQL, locks or order of columns. Errors are told by the name of their class.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flowkeep.contracts import Source

Key = tuple[str, str, int]
"""Execution, activity and attempt."""

OPEN_RUN = ("pending", "running", "waiting")
OPEN_TASK = ("pending", "running", "waiting")
ENDS = {"failed", "timed_out", "cancelled"}
RUN_MOVES = {
    "pending": {"running", *ENDS},
    "running": {"waiting", "succeeded", *ENDS},
    "waiting": {"running", *ENDS},
}
TASK_MOVES = {
    "pending": {"running", "waiting", "skipped", *ENDS},
    "running": {"waiting", "succeeded", *ENDS},
    "waiting": {"running", "succeeded", *ENDS},
}
RANK = {"pending": 0, "running": 1, "waiting": 2}


class Refused(Exception):
    """What the ledger must raise; carries the name of the class."""


@dataclass(frozen=True)
class Row:
    """An attempt."""

    status: str
    at: datetime
    source: int
    output: Any = None
    error: str | None = None
    retry: bool = False
    input: Any = None
    scheduled: datetime | None = None
    """When Temporal scheduled it; None where nobody said."""
    superseded: bool = False
    """Whether it is marked as undone, so that it counts for nothing."""

    @property
    def strength(self) -> tuple[int, int, datetime]:
        return self.source, RANK.get(self.status, 3), self.at

    @property
    def done(self) -> bool:
        return self.status not in OPEN_TASK and not self.retry


@dataclass(frozen=True)
class End:
    """How an execution ended."""

    status: str
    source: int
    at: datetime


@dataclass
class Ledger:
    """One run and all that is its own."""

    executions: tuple[str, ...]
    """Names of its executions, in the order in which Temporal began them."""
    status: str | None = None
    revision: int = 0
    source: int = Source.CLIENT
    cancel_requested: bool = False
    state: dict[str, int] = field(default_factory=dict)
    wait: dict[str, int] | None = None
    goal: str | None = None
    outputs: Any = None
    finished: datetime | None = None
    """When it ended, if a report says so."""
    segments: dict[str, End | None] = field(default_factory=dict)
    rows: dict[Key, Row] = field(default_factory=dict)
    _clock: datetime = datetime(2100, 1, 1, tzinfo=UTC)

    # What it is in the end

    @property
    def open(self) -> bool:
        return self.status in OPEN_RUN

    @property
    def counters(self) -> tuple[int, int, int]:
        """Total and finished tasks, and attempts that failed, counted anew."""
        counting = {key: row for key, row in self.rows.items() if not row.superseded}
        last: dict[tuple[str, str], int] = {}
        for execution, activity, attempt in counting:
            last[execution, activity] = max(attempt, last.get((execution, activity), 0))
        finished = sum(counting[*task, attempt].done for task, attempt in last.items())
        failed = sum(row.status in ("failed", "timed_out") for row in counting.values())
        return len(last), finished, failed

    # What callers do to the run

    def create(self) -> None:
        if self.status is None:
            self.status = "pending"

    def mark_running(self, execution: str) -> None:
        self._must_exist()
        self.segments.setdefault(execution)
        if self.status == "pending":
            self._change(status="running")

    def set_waiting(self, wait: dict[str, int] | None) -> None:
        self._must_exist()
        if self.status == "waiting" and self.wait == wait:
            return
        self._check("waiting")
        self._change(status="waiting", wait=wait)

    def resume(self, patch: dict[str, int]) -> None:
        self._must_exist()
        if self.status in ("pending", "running") and not self.cancel_requested:
            raise Refused("IllegalTransition")
        self._check("running")
        self._change(status="running", wait=None, state={**self.state, **patch})

    def request_cancel(self) -> None:
        self._must_exist()
        if not self.cancel_requested:
            self._check("cancelled")
            self._change(cancel_requested=True)

    def patch_state(self, patch: dict[str, int]) -> None:
        self._must_exist()
        if not self.open:
            raise Refused("AlreadyTerminal")
        if {**self.state, **patch} != self.state:
            self._change(state={**self.state, **patch})

    def save(self, goal: str, behind: int) -> None:
        """Save a record of a reading that is so many revisions old (or ahead)."""
        self._must_exist()
        if behind < 0:
            raise Refused("RevisionMismatch")
        if behind == 0:
            self._set_goal(goal)

    def update_with_revision(self, goal: str, behind: int) -> None:
        self._must_exist()
        if behind != 0:
            raise Refused("RevisionMismatch")
        self._set_goal(goal)

    def _set_goal(self, goal: str) -> None:
        if goal == self.goal:
            return
        if not self.open:
            raise Refused("AlreadyTerminal")
        self._change(goal=goal)

    def finish(self, outputs: Any) -> None:
        self._end("succeeded", outputs)

    def fail(self, status: str) -> None:
        self._end(status, None)

    def _end(self, status: str, outputs: Any) -> None:
        self._must_exist()
        if self.status == status:
            self._fill(outputs)
        else:
            self._check(status)
            self._close(status, Source.CLIENT, outputs)

    def record_outcome(self, status: str, source: int, outputs: Any, at: datetime) -> None:
        self._must_exist()
        self._settle(End(status, source, at), outputs)

    def close_segment(
        self,
        execution: str,
        status: str,
        source: int,
        outputs: Any,
        tentative: bool,
        at: datetime,
        reset: bool = False,
    ) -> None:
        self._adopt(execution)
        if self.status == "pending":
            self._change(status="running")
        end, known = End(status, source, at), self.segments[execution]
        if source == Source.WORKFLOW and self._last_scheduled(execution) > at:
            return
        again = known is not None and known.source == source == Source.WORKFLOW and known.at < at
        news = known is None or known.source < source or again
        if news:
            self.segments[execution] = end
        if self._has_successor(execution):
            return
        if tentative or status == "running":
            if again and not self.open and self.source <= source:
                self._reopen(source)
            return
        if not news:
            assert known is not None
            repeats = known.source == source and not self.open
            if known.status != status or repeats or (known.source == source and known.at > at):
                return
        if known is None and not self.open:
            others = len(self.segments) > 1
            if reset or (others and self.source >= source):
                self._reopen(source)
        self._settle(end, outputs, again=again)

    # What happens to tasks

    def record(self, batch: Iterable[tuple[Key, Row]]) -> None:
        best: dict[Key, Row] = {}
        for key, row in batch:
            if key not in best or row.strength > best[key].strength:
                best[key] = row
        if not best:
            return
        # Executions of one flush are made known together.
        executions = [name for name in self.executions if name in {key[0] for key in best}]
        opened = [name for name in executions if self._open_segment(name)]
        if self.status == "pending":
            self._change(status="running")
        for name in opened:
            self._go_on(name)
        for execution in executions:
            self._go_on_after(execution, best)
        for key, row in best.items():
            kept, known = self._cut(row, row.at), self.rows.get(key)
            if known is None:
                self.rows[key] = kept
            elif kept.strength > known.strength:
                self.rows[key] = replace(kept, superseded=known.superseded)

    def insert(self, name: str, status: str, value: Any) -> None:
        self._must_exist()
        key = ("-", name, 1)
        if key in self.rows:
            if self.rows[key].input != value:
                raise Refused("Conflict")
            return
        now = self._now()
        self.rows[key] = self._cut(Row(status, now, Source.CLIENT, input=value), now)

    def claim(self, name: str) -> bool:
        self._must_exist()
        if ("-", name, 1) in self.rows:
            return False
        if not self.open:
            raise Refused("AlreadyTerminal")
        self.rows["-", name, 1] = Row("running", self._now(), Source.CLIENT)
        return True

    def update(self, key: Key, status: str, output: Any) -> None:
        """Change an attempt as it was just read."""
        self._must_exist()
        row = self.rows.get(key)
        if row is None:
            raise Refused("NotFound")
        if (row.status, row.output) == (status, output):
            return
        ended = row.status not in OPEN_TASK
        if ended and row.status == status and row.output is None:
            self.rows[key] = replace(row, output=output)
            return
        cut_off = row.error == "RUN_CLOSED" and row.source == Source.CLIENT
        if not (cut_off and status not in OPEN_TASK):
            if row.source > Source.CLIENT and not ended:
                raise Refused("Conflict")
            if ended:
                raise Refused("AlreadyTerminal")
            if status != row.status and status not in TASK_MOVES[row.status]:
                raise Refused("IllegalTransition")
        error = None if cut_off else row.error
        self.rows[key] = replace(row, status=status, output=output, error=error, at=self._now())

    def mark(self, chosen: Iterable[Key], superseded: bool) -> None:
        """Mark attempts as undone, or take the mark away."""
        self._change_rows(chosen, superseded=superseded)

    def expect_no_retry(self, chosen: Iterable[Key]) -> None:
        """Note that no attempt follows on these."""
        self._change_rows(chosen, retry=False)

    def _change_rows(self, chosen: Iterable[Key], **values: Any) -> None:
        self._must_exist()
        for key in self.rows.keys() & set(chosen):
            self.rows[key] = replace(self.rows[key], **values)

    # The rules beneath

    def _must_exist(self) -> None:
        if self.status is None:
            raise Refused("NotFound")

    def _adopt(self, execution: str) -> None:
        if self._open_segment(execution):
            self._go_on(execution)

    def _open_segment(self, execution: str) -> bool:
        """Make an execution known; returns whether it is new and not the run's first."""
        if self.status is None:
            self.status, self.source = "running", Source.WORKER
        later = bool(self.segments)
        new = execution not in self.segments
        self.segments.setdefault(execution)
        return new and later

    def _go_on(self, execution: str) -> None:
        """A new execution of a run that ended: the run goes on."""
        if not self.open and not self._has_successor(execution):
            self._reopen(Source.WORKER)

    def _go_on_after(self, execution: str, best: dict[Key, Row]) -> None:
        """Attempts that began after an end the workflow reported: the server refused that end."""
        end = self.segments[execution]
        shown = [row.scheduled for key, row in best.items() if _shows(execution, key, row)]
        if self.open or end is None or not shown or end.source != Source.WORKFLOW:
            return
        refuted = max(shown) > end.at  # type: ignore[type-var,operator]
        if refuted and self.source <= Source.WORKFLOW and not self._has_successor(execution):
            self._reopen(Source.WORKER)
            self.segments[execution] = None

    def _reopen(self, source: int) -> None:
        self._change(status="running", source=source, outputs=None, finished=None)

    def _has_successor(self, execution: str) -> bool:
        later = self.executions[self.executions.index(execution) + 1 :]
        return any(name in self.segments for name in later)

    def _last_scheduled(self, execution: str) -> datetime:
        shown = [row.scheduled for key, row in self.rows.items() if _shows(execution, key, row)]
        return max((at for at in shown if at), default=datetime.min.replace(tzinfo=UTC))

    def _check(self, target: str) -> None:
        if not self.open:
            raise Refused("AlreadyTerminal")
        if self.cancel_requested and target != "cancelled":
            raise Refused("CancelPending")
        if target not in RUN_MOVES[str(self.status)]:
            raise Refused("IllegalTransition")

    def _change(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.revision += 1

    def _settle(self, end: End, outputs: Any, *, again: bool = False) -> None:
        same = self.status == end.status
        if self.open:
            self._close(end.status, end.source, outputs, end.at)
        elif end.source < self.source or (end.source == self.source and not again):
            if same:
                self._fill(outputs)
        elif same and end.source > self.source:
            known = self.outputs if outputs is None else outputs
            self._change(source=end.source, finished=end.at, outputs=known)
        elif end.status != "unknown":
            wanted = {
                "status": end.status,
                "source": end.source,
                "outputs": outputs,
                "finished": end.at,
            }
            if any(getattr(self, name) != value for name, value in wanted.items()):
                self._change(**wanted)

    def _fill(self, outputs: Any) -> None:
        if outputs is not None and self.outputs is None:
            self._change(outputs=outputs)

    def _close(
        self, status: str, source: int, outputs: Any, finished: datetime | None = None
    ) -> None:
        self._change(status=status, source=source, outputs=outputs, wait=None, finished=finished)
        now = self._now()
        self.rows = {key: self._cut(row, now) for key, row in self.rows.items()}

    def _cut(self, row: Row, now: datetime) -> Row:
        """Return an attempt as it is kept: nothing of a run that ended is open or tried again."""
        if self.open:
            return row
        if row.status not in OPEN_TASK:
            return replace(row, retry=False)
        return replace(
            row, status="cancelled", at=now, source=Source.CLIENT, error="RUN_CLOSED", retry=False
        )

    def _now(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock


def _shows(execution: str, key: Key, row: Row) -> bool:
    """Tell whether an attempt is a worker's first of a task of an execution."""
    first = key[0] == execution and key[2] == 1
    return first and row.source == Source.WORKER and row.scheduled is not None
