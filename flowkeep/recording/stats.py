"""What the recorder counts, in the process and as metrics."""

from dataclasses import dataclass

from flowkeep.telemetry.metrics import Meter


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
        waits: Callers that had to wait for room in the queue.
    """

    recorded: int = 0
    flushes: int = 0
    retries: int = 0
    poisoned: int = 0
    gave_up: int = 0
    dropped: int = 0
    waits: int = 0


class RecorderCounts:
    """Counts what happens to records, and tells the metrics.

    Args:
        meter: Makes the metrics `flowkeep_recorder_…`.
    """

    def __init__(self, meter: Meter) -> None:
        self.stats = RecorderStats()
        self._records = meter.counter("recorder_records", "Records committed to the ledger")
        self._retries = meter.counter("recorder_retries", "Flushes that found the ledger away")
        self._poisoned = meter.counter("recorder_poisoned", "Records that the ledger refused")
        self._gave_up = meter.counter(
            "recorder_gave_up", "Attempts that went on before their record was committed"
        )
        self._dropped = meter.counter("recorder_dropped", "Records given up; they are looked for")
        self._waits = meter.counter("recorder_waits", "Attempts that waited for room in the queue")
        self._queue = meter.gauge("recorder_queue", "Records in memory at a flush", "records")
        self._size = meter.histogram("recorder_flush_size", "Records per flush", "records")
        self._latency = meter.histogram(
            "recorder_flush_latency", "How long the ledger takes for a flush", "seconds"
        )

    def queued(self, records: int) -> None:
        """Note how many records are in memory."""
        self._queue.set(float(records))

    def flushed(self, records: int, seconds: float) -> None:
        """Note a group that was committed."""
        self.stats.flushes += 1
        self.stats.recorded += records
        self._records.add(records)
        self._size.record(float(records))
        self._latency.record(seconds)

    def retried(self) -> None:
        """Note that the ledger was away."""
        self.stats.retries += 1
        self._retries.add(1)

    def refused(self) -> None:
        """Note a record that the ledger does not take."""
        self.stats.poisoned += 1
        self._poisoned.add(1)

    def gave_up(self) -> None:
        """Note somebody who went on without the record."""
        self.stats.gave_up += 1
        self._gave_up.add(1)

    def dropped(self, records: int = 1) -> None:
        """Note records that will not be written."""
        self.stats.dropped += records
        self._dropped.add(records)

    def waited(self) -> None:
        """Note somebody who finds the queue full."""
        self.stats.waits += 1
        self._waits.add(1)
