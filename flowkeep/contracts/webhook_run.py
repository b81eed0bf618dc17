"""What a run that delivers a message to a webhook is asked for."""

from uuid import UUID

from pydantic import Field

from flowkeep.contracts.record import Record

GROWTH = 3.0
"""How many times as long as the wait before each wait between two attempts is."""


class DeliverySchedule(Record):
    """How often a message is sent, and when.

    Attributes:
        attempts: How often it is sent at most.
        first_wait_seconds: Wait before the second attempt; each further one is three times as long.
        longest_wait_seconds: Longest wait between two attempts.
        timeout_seconds: How long one attempt may take.
    """

    attempts: int = Field(ge=1)
    first_wait_seconds: float = Field(gt=0)
    longest_wait_seconds: float = Field(gt=0)
    timeout_seconds: float = Field(gt=0)

    @property
    def longest_seconds(self) -> float:
        """How long all attempts take at most while a worker serves them."""
        waits = (self.wait_after(attempt) for attempt in range(1, self.attempts))
        return sum(waits) + self.attempts * self.timeout_seconds

    def wait_after(self, attempt: int) -> float:
        """Return the seconds between an attempt that was refused and the next one."""
        return min(self.first_wait_seconds * GROWTH ** (attempt - 1), self.longest_wait_seconds)


class DeliveryArguments(DeliverySchedule):
    """Arguments of a run of `flowkeep.Webhook`.

    Attributes:
        delivery_id: The delivery.
    """

    delivery_id: UUID
