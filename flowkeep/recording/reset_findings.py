"""What a reset undid: attempts of earlier executions that its own history does not contain."""

from collections.abc import Iterable, Iterator, Sequence

from flowkeep.contracts import SegmentKind
from flowkeep.contracts.recorded import AttemptRecord, ExecutionRecord
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.recording.findings import Finding
from flowkeep.recording.history.facts import Facts


def undone_executions(facts: Facts, recorded: ExecutionRecord) -> Sequence[str]:
    """Return the executions of which a reset may have undone something.

    They are those between the one whose history it goes back to and its own. Only the newest reset
    of a run decides what counts; for any other execution there are none.

    Args:
        facts: Of an execution.
        recorded: What the ledger says of it.
    """
    if facts.start.kind is not SegmentKind.RESET:
        return ()
    ids = [segment.temporal_run_id for segment in recorded.segments]
    own = facts.start.run.temporal_run_id
    if own not in ids or facts.start.original not in ids:
        return ()
    here = ids.index(own)
    if any(segment.kind is SegmentKind.RESET for segment in recorded.segments[here + 1 :]):
        return ()
    return ids[ids.index(facts.start.original) : here]


def compare_undone(facts: Facts, attempts: Iterable[AttemptRecord]) -> Iterator[Finding]:
    """Compare the marks of attempts of earlier executions with what the newest reset undid.

    Args:
        facts: Of the execution that the reset made.
        attempts: What the ledger has of the executions of `undone_executions`.
    """
    kept = {(task.execution, task.key) for task in facts.tasks.values()}
    for row in attempts:
        undone = (row.temporal_run_id, row.activity_id) not in kept
        if undone is not row.superseded:
            yield Finding(
                DifferenceKind.NOT_SUPERSEDED,
                ledger="superseded" if row.superseded else "not superseded",
                temporal="undone by the reset" if undone else "kept by the reset",
                activity_id=row.activity_id,
                attempt=row.attempt,
                temporal_run_id=row.temporal_run_id,
                record=row,
            )
