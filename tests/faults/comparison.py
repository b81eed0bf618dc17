"""What it means that the ledger equals the truth.

Two truths are held against the rows: Temporal's histories, and the lines that the activities
themselves wrote. A run, an execution or a task is as its history says, exactly. An attempt is

- *final*: the last one of its task. Its row has the status of history's own event, whatever the
  activity believed: an activity that returned after its time was up has timed out.
- *earlier*: history keeps only its number. There is a row, it has ended, and not with success,
  unless the activity did return (its answer came too late, or got lost on the way to Temporal).
  What the activity's lines say counts: `raised` is `failed`; no end at all means that it died
  or hung, so `timed_out` or `failed`. A row that says ATTEMPT_NOT_REPORTED although the activity
  ended needs an excuse: its process was killed, frozen, cut off from the ledger or without
  flowkeep just then.
- *cut off*: its execution ended before it, or it ended between two attempts. History does not tell
  how many attempts there were; the rows are 1, 2, 3 … without a gap, none is open, and each attempt
  whose end was written has one, but for the excuses above.

Attempts of a local activity exist only in the worker's memory until the task has ended: another
worker counts from 1 again. So attempts above history's last are right when a line speaks of them.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.histories import ExecutionTruth, TaskTruth
from tests.faults.requests import KINDS, Request
from tests.faults.rows import Ledger
from tests.faults.scene import Trouble
from tests.faults.witness import Line

NOT_REPORTED = "ATTEMPT_NOT_REPORTED"
OPEN = {"pending", "running", "waiting"}
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 5.0
"""How near to an attempt's end trouble must be to excuse that it was not reported."""


@dataclass
class Truth:
    """All that is known without the ledger.

    Attributes:
        executions: By Temporal's run id.
        lines: By execution and activity id, then by attempt.
    """

    executions: dict[str, ExecutionTruth]
    requests: list[Request]
    troubles: list[Trouble]
    lines: dict[tuple[str, str], dict[int, list[Line]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        executions: dict[str, ExecutionTruth],
        requests: list[Request],
        troubles: list[Trouble],
        lines: Iterable[Line],
    ) -> "Truth":
        """Sort the lines by what they speak of."""
        truth = cls(executions, requests, troubles)
        for line in lines:
            task = truth.lines.setdefault((line.execution, line.activity_id), {})
            task.setdefault(line.attempt, []).append(line)
        return truth

    def chains(self) -> dict[str, list[ExecutionTruth]]:
        """Return the executions of each run, by the first one's id."""
        chains = defaultdict(list)
        for one in self.executions.values():
            chains[one.first].append(one)
        return chains

    def excused(self, line: Line) -> bool:
        """Tell whether a record of this moment may have been lost with its process."""
        return any(
            trouble.who in (line.process, "*")
            and trouble.begin - AFTER_SECONDS <= line.at <= trouble.end + BEFORE_SECONDS
            for trouble in self.troubles
        )


def compare(truth: Truth, ledger: Ledger) -> list[str]:
    """Return every difference between ledger and truth, in words."""
    return [
        *ledger.doubles,
        *_requests(truth, ledger),
        *_runs(truth, ledger),
        *_tasks(truth, ledger),
        *_told(ledger),
        *_extra(truth, ledger),
    ]


def _requests(truth: Truth, ledger: Ledger) -> Iterator[str]:
    """Every request has one run, and it ended in a way its kind allows."""
    runs = defaultdict(list)
    for row in ledger.runs.values():
        runs[row["workflow_id"]].append(row)
    for request in truth.requests:
        kind = KINDS[request.kind]
        if request.way == "schedule":
            found = [row for name, rows in runs.items() for row in rows if _fired(name, request)]
            if len(found) != 2:
                yield f"{request.workflow_id}: {len(found)} firings in the ledger instead of 2"
        else:
            found = runs.get(request.workflow_id, [])
            if request.way == "rollback":
                if found:
                    yield f"{request.workflow_id}: was rolled back, and is in the ledger"
                continue
            # After an answer that never came the caller starts again, and an ended run's id may
            # be used once more.
            if len(found) != 1 and not (found and request.errors):
                yield f"{request.workflow_id}: {len(found)} runs instead of one"
        for row in found:
            if row["status"] not in kind.outcomes:
                yield f"{row['workflow_id']}: ended {row['status']}, not {kind.outcomes}"


def _fired(workflow_id: str, request: Request) -> bool:
    return workflow_id.startswith(f"{request.workflow_id}-") and "/" not in workflow_id


def _runs(truth: Truth, ledger: Ledger) -> Iterator[str]:
    """Every chain of executions is one run with its segments and the last one's outcome."""
    for chain in truth.chains().values():
        name = chain[0].workflow_id
        rows = [ledger.segments.get(one.execution) for one in chain]
        for one, row in zip(chain, rows, strict=True):
            if row is None:
                yield f"{name}: execution {one.execution} is not in the ledger"
                continue
            if (row["status"], row["kind"]) != (one.status, one.kind):
                yield (
                    f"{name}: execution {one.execution} is {row['kind']} {row['status']}, "
                    f"Temporal says {one.kind} {one.status}"
                )
            if row["closed_at"] is None:
                yield f"{name}: execution {one.execution} has no end"
        owners = {row["run_id"] for row in rows if row is not None}
        if len(owners) > 1:
            yield f"{name}: one chain is {len(owners)} runs"
        last = [one for one in chain if not one.followed]
        for owner in owners:
            if len(last) == 1:
                yield from _outcome(last[0], ledger.runs.get(owner))


def _outcome(last: ExecutionTruth, run: dict[str, Any] | None) -> Iterator[str]:
    name = last.workflow_id
    if run is None:
        yield f"{name}: a segment without its run"
        return
    if run["workflow_id"] != name or run["workflow_type"] != last.workflow_type:
        yield f"{name}: the run is {run['workflow_type']} {run['workflow_id']}"
    if run["status"] != last.status:
        yield f"{name}: run is {run['status']}, Temporal says {last.status}"
    elif last.status == "succeeded" and not _same_result(run["outputs"], last.result):
        yield f"{name}: outputs {run['outputs']!r}, Temporal says {last.result!r}"
    elif last.status == "failed" and (run["error"] is None or run["failure_reason"] is None):
        yield f"{name}: failed without error or reason; Temporal says {last.message!r}"
    if run["finished_at"] is None:
        yield f"{name}: ended without a time"


def _same_result(outputs: Any, result: Any) -> bool:
    if outputs == result:
        return True
    if not isinstance(outputs, dict) or "sha256" not in outputs:
        return False
    data = json.dumps(result, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return bool(outputs["sha256"] == hashlib.sha256(data).hexdigest())


def _tasks(truth: Truth, ledger: Ledger) -> Iterator[str]:
    for one in truth.executions.values():
        for task in one.tasks.values():
            key = (one.execution, task.activity_id)
            name = f"{one.workflow_id} {task.name} {one.execution}/{task.activity_id}"
            rows, lines = ledger.tasks.get(key, {}), truth.lines.get(key, {})
            if task.last is None:
                found = _cut_off(truth, task, rows, lines)
            else:
                found = _ended(truth, task, rows, lines)
            for text in found:
                yield f"{name}: {text}"


def _ended(
    truth: Truth, task: TaskTruth, rows: dict[int, Any], lines: dict[int, list[Line]]
) -> Iterator[str]:
    assert task.last is not None
    for attempt in range(1, task.last + 1):
        row = rows.get(attempt)
        if row is None:
            yield f"attempt {attempt} of {task.last} is missing ({_words(lines.get(attempt))})"
        elif attempt < task.last:
            yield from _earlier(truth, attempt, row, lines.get(attempt, []))
        elif row["status"] != task.status:
            said = _words(lines.get(attempt))
            yield f"attempt {attempt} is {row['status']}, history says {task.status} ({said})"
    known = set(range(1, task.last + 1)) | (set(lines) if task.local else set())
    for attempt in sorted(set(rows) - known):
        yield f"attempt {attempt} is in the ledger, the last one was {task.last}"


def _earlier(truth: Truth, attempt: int, row: Any, lines: list[Line]) -> Iterator[str]:
    status, code = row["status"], (row["error"] or {}).get("code")
    ends = {line.event for line in lines} - {"begin"}
    if status in OPEN:
        yield f"attempt {attempt} is still {status} ({_words(lines)})"
    elif status == "succeeded" and "returned" not in ends:
        yield f"attempt {attempt} succeeded, but was repeated ({_words(lines)})"
    elif code == NOT_REPORTED and ends - {"handed over"}:
        if not any(truth.excused(line) for line in lines):
            yield f"attempt {attempt} was not reported without an excuse ({_words(lines)})"
    elif ends == {"raised"} and status != "failed" and not any(map(truth.excused, lines)):
        yield f"attempt {attempt} is {status} {code} ({_words(lines)})"


def _cut_off(
    truth: Truth, task: TaskTruth, rows: dict[int, Any], lines: dict[int, list[Line]]
) -> Iterator[str]:
    if sorted(rows) != list(range(1, len(rows) + 1)):
        yield f"attempts {sorted(rows)} have gaps"
    for attempt, row in rows.items():
        if row["status"] in OPEN:
            yield f"attempt {attempt} is still {row['status']} though its run has ended"
    # Ended between two attempts means: not during one that the activity saw, so there is one more.
    most = max([1, *lines]) + (1 if task.status and lines else 0)
    if len(rows) > most and not task.local:
        yield f"{len(rows)} attempts in the ledger, the activity saw {most}"
    for attempt, said in lines.items():
        ends = [line for line in said if line.event != "begin"]
        if attempt not in rows and ends and not any(map(truth.excused, ends)):
            yield f"attempt {attempt} is missing ({_words(said)})"


def _told(ledger: Ledger) -> Iterator[str]:
    """What no activity carries out was done at most once, and has ended when its run has."""
    for row in ledger.told:
        run = ledger.runs.get(row["run_id"])
        name = f"{run['workflow_id'] if run else row['run_id']} {row['activity_id']}"
        if row["attempt"] != 1:
            yield f"{name}: attempt {row['attempt']} of a {row['type']}"
        if run is None or run["status"] in OPEN:
            continue
        if row["status"] in OPEN or row["finished_at"] is None:
            yield f"{name}: is {row['status']} though its run has ended"


def _extra(truth: Truth, ledger: Ledger) -> Iterator[str]:
    """Nothing is in the ledger that neither Temporal nor an activity knows."""
    for execution, segment in ledger.segments.items():
        if execution not in truth.executions:
            yield f"run {segment['run_id']}: Temporal does not know execution {execution}"
    started = {segment["run_id"] for segment in ledger.segments.values()}
    for run_id, row in ledger.runs.items():
        if run_id not in started:
            yield f"{row['workflow_id']}: run {run_id} is {row['status']}, without an execution"
    for execution, activity_id in ledger.tasks:
        known = truth.executions.get(execution)
        if known is None or activity_id not in known.tasks:
            said = truth.lines.get((execution, activity_id))
            if said is None:
                yield f"task {activity_id} of execution {execution}: nobody knows it"


def _words(lines: list[Line] | None) -> str:
    if not lines:
        return "no line"
    return ", ".join(f"{line.process} {line.event}" for line in lines)
