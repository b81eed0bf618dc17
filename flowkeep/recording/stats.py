"""What the recorder counts."""

from dataclasses import dataclass


@dataclass(slots=True)
class RecorderStats:
    """Counters since the recorder was made.

    Attributes:
        recorded: Records committed.
        flushes: Groups committed.
        retries: Flushes that failed because the ledger was away.
        poisoned: Records the ledger refused; they are in the log.
        gave_up: Callers that stopped waiting and went on without their record.
        dropped: Records given up because the queue was full or the drain ran out of time.
    """

    recorded: int = 0
    flushes: int = 0
    retries: int = 0
    poisoned: int = 0
    gave_up: int = 0
    dropped: int = 0
