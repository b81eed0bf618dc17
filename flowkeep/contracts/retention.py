"""How long runs are kept, and what their removal takes away."""

from typing import Self

from pydantic import BaseModel, ConfigDict


class Removed(BaseModel):
    """How many rows went with some runs; in a dry run, how many would go.

    Attributes:
        runs: Runs themselves.
        tasks: Attempts of their tasks.
        events: Their events.
        segments: Their Temporal executions.
        pauses: Their pauses.
        labels: Their labels.
        arguments: What they were started with, and the names that led to it.
        payloads: Big values that no other run needs.
        secrets: Credentials taken out of their arguments that no other run needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int = 0
    tasks: int = 0
    events: int = 0
    segments: int = 0
    pauses: int = 0
    labels: int = 0
    arguments: int = 0
    payloads: int = 0
    secrets: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sums."""
        return self.model_copy(
            update={
                name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields
            }
        )
