"""Rests between tries to reach a ledger that is away."""

from datetime import timedelta

LONGEST_REST = timedelta(minutes=10)
"""Each try costs some twenty events of history, of which Temporal allows 51,200: so rests grow."""


class Rests:
    """Rests that double, up to the longest.

    Args:
        first: The first one.
    """

    def __init__(self, first: timedelta) -> None:
        self._next = first

    def next(self) -> timedelta:
        """Return how long the next one takes."""
        rest = min(self._next, LONGEST_REST)
        self._next = 2 * rest
        return rest
