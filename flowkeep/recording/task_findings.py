"""Tasks of a history beside the attempts that the ledger has of them."""

from collections.abc import Iterable, Iterator, Mapping

from flowkeep.contracts import Source, TaskStatus, TaskType
from flowkeep.contracts.recorded import AttemptRecord
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.recording.findings import Finding, Rebuild
from flowkeep.recording.history.facts import Facts, TaskFacts

Rows = Mapping[int, AttemptRecord]
"""Attempts of one task by their number."""


def compare_tasks(
    facts: Facts, attempts: Iterable[AttemptRecord], pending: Mapping[str, int]
) -> Iterator[Finding]:
    """Compare every task of an execution's own part of history.

    Not compared is what only the ledger can know: how attempts before the last one ended, but that
    they did; steps; what a local activity did whose marker never came to be. Of an open execution
    the ledger may know more than a history that was read a moment ago.

    Args:
        facts: What history says.
        attempts: What the ledger has of this execution.
        pending: Of an open execution, the number of the present attempt by activity id.
    """
    rows: dict[str, dict[int, AttemptRecord]] = {}
    for row in attempts:
        rows.setdefault(row.activity_id, {})[row.attempt] = row
    for task in facts.own:
        mine = rows.pop(task.key, {})
        if task.status is not None:
            yield from _compare_ended(task, mine)
        elif facts.end is not None:
            yield from _compare_cut_off(task, mine)
        else:
            present = max(task.attempt or 0, pending.get(task.activity_id, 0))
            yield from _compare_earlier(task, mine, present)
    if facts.end is not None:
        for others in rows.values():
            yield from _invented(row for row in others.values() if row.type is TaskType.ACTIVITY)


def _compare_ended(task: TaskFacts, rows: Rows) -> Iterator[Finding]:
    assert task.status is not None
    last = task.attempt or _last_unseen(task, rows)
    yield from _compare_earlier(task, rows, last)
    row = rows.get(last)
    if row is None:
        yield _missing(task, last, str(task.status), Rebuild.ENDED)
    elif row.status is not task.status:
        yield _other(task, row, str(task.status), Rebuild.ENDED)
    elif row.waits:
        yield _other(task, row, f"{task.status}, no further attempt", None)
    yield from _invented(row for number, row in rows.items() if number > last)


def _last_unseen(task: TaskFacts, rows: Rows) -> int:
    """Return the number of the last attempt of a task that ended while none was under way.

    No worker saw that attempt, so it is the one after those that are recorded, unless it has been
    rebuilt already.
    """
    top = max(rows, default=0)
    return top if top and rows[top].status is task.status and not rows[top].waits else top + 1


def _compare_cut_off(task: TaskFacts, rows: Rows) -> Iterator[Finding]:
    """Compare a task that was open when its execution ended: any end of it may be recorded."""
    last = max([task.attempt or task.first, *rows])
    yield from _compare_earlier(task, rows, last)
    row = rows.get(last)
    if row is None:
        yield _missing(task, last, "open at the end of its execution", Rebuild.CUT_OFF)
    elif not row.status.terminal:
        yield _other(task, row, "open at the end of its execution", Rebuild.CUT_OFF)
    elif row.waits:
        yield _other(task, row, "no further attempt", None)


def _compare_earlier(task: TaskFacts, rows: Rows, last: int) -> Iterator[Finding]:
    """Compare attempts that another one followed: each has ended, and not with success."""
    for number in range(task.first, last):
        known = task.before if number + 1 == task.attempt else None
        meant = f"followed by attempt {number + 1}" if known is None else f"{known}, tried again"
        row = rows.get(number)
        if row is None:
            rebuild = Rebuild.UNREPORTED if known is None else Rebuild.FAILED_BEFORE
            yield _missing(task, number, meant, rebuild)
        elif not row.status.terminal or _only_closed(row):
            rebuild = Rebuild.UNREPORTED if known is None else Rebuild.FAILED_BEFORE
            yield _other(task, row, meant, rebuild)
        elif row.status is TaskStatus.SUCCEEDED or (known and _only_guessed(row, known)):
            rebuild = Rebuild.REFUSED if known is None else Rebuild.FAILED_BEFORE
            yield _other(task, row, meant, rebuild)


def _only_guessed(row: AttemptRecord, known: TaskStatus) -> bool:
    """Tell whether history knows better how an attempt failed.

    What its worker saw stands: a failure whose report came too late has timed out for the server.
    """
    return row.status is not known and row.source is not Source.WORKER


def _only_closed(row: AttemptRecord) -> bool:
    """Tell whether an attempt was only cancelled because its run ended."""
    return row.status is TaskStatus.CANCELLED and row.source is Source.CLIENT


def _missing(task: TaskFacts, number: int, meant: str, rebuild: Rebuild) -> Finding:
    return Finding(
        DifferenceKind.ATTEMPT_MISSING,
        temporal=meant,
        activity_id=task.key,
        attempt=number,
        rebuild=rebuild,
    )


def _other(task: TaskFacts, row: AttemptRecord, meant: str, rebuild: Rebuild | None) -> Finding:
    ended = row.status.terminal and not row.waits and not _only_closed(row)
    return Finding(
        DifferenceKind.ATTEMPT_DIFFERS if ended else DifferenceKind.ATTEMPT_NOT_ENDED,
        ledger=f"{row.status}, waits for a retry" if row.waits else str(row.status),
        temporal=meant,
        activity_id=task.key,
        attempt=row.attempt,
        rebuild=rebuild,
        record=row,
    )


def _invented(rows: Iterable[AttemptRecord]) -> Iterator[Finding]:
    for row in rows:
        if not row.superseded:
            yield Finding(
                DifferenceKind.ATTEMPT_INVENTED,
                ledger=str(row.status),
                temporal="no such attempt",
                activity_id=row.activity_id,
                attempt=row.attempt,
                record=row,
            )
