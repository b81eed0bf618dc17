"""Long work that is cut short between two of its steps."""

import time
from typing import Generic, TypeVar

T = TypeVar("T")


class TimeUp(Exception):
    """The time of one call is up; what is done so far stays done."""


class Deadline(Generic[T]):
    """An `on_progress` of repositories that ends their work when its time is up.

    Args:
        seconds: How long; None for as long as it takes.

    Attributes:
        last: What was told last.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self.last: T | None = None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end

    def __call__(self, told: T) -> None:
        """Note how far the work has come.

        Raises:
            TimeUp: If it has to end here.
        """
        self.last = told
        if self.over:
            raise TimeUp
