"""Statuses: foreign words, and the moves that callers may ask for."""

from itertools import product

import pytest

from flowkeep.contracts import RunStatus, TaskStatus, check_move, run_status, task_status
from flowkeep.errors import AlreadyTerminal, CancelPending, IllegalTransition, InvalidInput

ALLOWED = {
    ("pending", "running"),
    ("pending", "failed"),
    ("pending", "timed_out"),
    ("pending", "cancelled"),
    ("running", "waiting"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "timed_out"),
    ("running", "cancelled"),
    ("waiting", "running"),
    ("waiting", "failed"),
    ("waiting", "timed_out"),
    ("waiting", "cancelled"),
}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", "succeeded"),
        ("Success", "succeeded"),
        ("FINISHED", "succeeded"),
        ("partial-succeeded", "succeeded"),
        ("stopped", "cancelled"),
        ("Canceled", "cancelled"),
        ("terminated", "cancelled"),
        ("in progress", "running"),
        ("continued-as-new", "running"),
        ("queued", "pending"),
        ("paused", "waiting"),
        ("error", "failed"),
        ("TimedOut", "timed_out"),
        (" timed-out ", "timed_out"),
        ("unknown", "unknown"),
    ],
)
def test_foreign_words_are_understood(word: str, status: str) -> None:
    """Common words of other systems map to ours, whatever their case and hyphens."""
    assert run_status(word) is RunStatus(status)


@pytest.mark.parametrize("status", list(RunStatus))
def test_own_words_stay(status: RunStatus) -> None:
    """Each of our statuses maps to itself."""
    assert run_status(status.value.upper()) is status


def test_words_without_meaning_are_refused() -> None:
    """A word that means nothing is refused, with the list of those that do."""
    with pytest.raises(InvalidInput, match=r"'sideways' is not known.*pending, running"):
        run_status("sideways")


def test_tasks_know_skipped_and_not_unknown() -> None:
    """`skipped` is a status of tasks only, `unknown` one of runs only."""
    assert task_status("skipped") is TaskStatus.SKIPPED
    with pytest.raises(InvalidInput):
        task_status("unknown")
    with pytest.raises(InvalidInput):
        run_status("skipped")


def test_terminal_statuses() -> None:
    """Five statuses of a run are terminal, five of a task."""
    assert {s.value for s in RunStatus if s.terminal} == {
        "succeeded",
        "failed",
        "cancelled",
        "timed_out",
        "unknown",
    }
    assert {s.value for s in TaskStatus if s.terminal} == {
        "succeeded",
        "failed",
        "cancelled",
        "timed_out",
        "skipped",
    }


@pytest.mark.parametrize(("current", "target"), list(product(RunStatus, RunStatus)))
def test_every_move(current: RunStatus, target: RunStatus) -> None:
    """A move passes exactly when the table has it; the first reason that applies is named."""
    if current.terminal:
        with pytest.raises(AlreadyTerminal):
            check_move("run 1", current, target)
    elif (current.value, target.value) in ALLOWED:
        check_move("run 1", current, target)
    else:
        with pytest.raises(IllegalTransition, match=f"from {current} to {target}"):
            check_move("run 1", current, target)


@pytest.mark.parametrize("target", [s for s in RunStatus if s is not RunStatus.CANCELLED])
def test_a_pending_cancel_leaves_one_move(target: RunStatus) -> None:
    """After a cancel request only `cancelled` is left."""
    with pytest.raises(CancelPending):
        check_move("run 1", RunStatus.RUNNING, target, cancel_requested=True)
    check_move("run 1", RunStatus.RUNNING, RunStatus.CANCELLED, cancel_requested=True)
