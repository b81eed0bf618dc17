"""What a run that delivers a message to a webhook is asked for."""

from uuid import UUID

from pydantic import Field

from flowkeep.contracts.record import Record


class DeliveryArguments(Record):
    """Arguments of a run of `flowkeep.Webhook`.

    Attributes:
        delivery_id: The delivery.
        attempts: How often it is sent at most.
        first_wait_seconds: Wait before the second attempt; each further one is three times as long.
        longest_wait_seconds: Longest wait between two attempts.
        timeout_seconds: How long one attempt may take.
    """

    delivery_id: UUID
    attempts: int = Field(ge=1)
    first_wait_seconds: float = Field(gt=0)
    longest_wait_seconds: float = Field(gt=0)
    timeout_seconds: float = Field(gt=0)

    @property
    def longest_seconds(self) -> float:
        """How long all attempts take at most while a worker serves them."""
        waits = (
            min(self.first_wait_seconds * 3.0**n, self.longest_wait_seconds)
            for n in range(self.attempts - 1)
        )
        return sum(waits) + self.attempts * self.timeout_seconds
