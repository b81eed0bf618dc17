"""Writes one group of records; what the ledger refuses is taken out and looked for later."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from flowkeep.contracts import Attempt, RunStarted, SegmentClose
from flowkeep.errors import ConfigurationError, LedgerUnavailable
from flowkeep.recording.stats import RecorderCounts
from flowkeep.recording.target import Execution, RecordTarget, Reported

logger = logging.getLogger(__name__)

_MOST_LOST = 10_000


@dataclass(slots=True, eq=False)
class Entry:
    """A record on its way.

    Attributes:
        record: None once it is written, refused, or overtaken by a stronger one.
        done: Resolved with the record's fate, where somebody waits for it.
    """

    record: Reported | None
    done: "asyncio.Future[None] | None" = None

    @property
    def open(self) -> bool:
        """Whether there is still something to write, or somebody to tell."""
        return self.record is not None or (self.done is not None and not self.done.done())

    def finish(self, error: LedgerUnavailable | None) -> None:
        """Tell whoever waits what became of the record."""
        self.record = None
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            self.done.exception()  # retrieved: nobody may be waiting any more


class GroupWriter:
    """Writes groups of records to the ledger.

    Args:
        target: The ledger's tenantless repository.
        counts: Hears what happened.
    """

    def __init__(self, target: RecordTarget, counts: RecorderCounts) -> None:
        self._target = target
        self._counts = counts
        self._lost: dict[Execution, None] = {}

    async def write(self, batch: Sequence[Entry]) -> None:
        """Write a group; entries that were dealt with have no record any more.

        Raises:
            LedgerUnavailable: If the ledger is away; what still has its record is to be written
                again.
        """
        await self._write(batch)
        await self._look_for_lost()

    def lost(self, record: Reported) -> None:
        """Have the execution of a record that will not be written compared with Temporal."""
        if len(self._lost) < _MOST_LOST:
            self._lost[record.run.namespace, record.run.temporal_run_id] = None

    async def _write(self, batch: Sequence[Entry]) -> None:
        records = [entry.record for entry in batch if entry.record is not None]
        # What nobody waits for may be lost with the database server's memory: Temporal has it.
        durable = any(entry.done is not None for entry in batch)
        begin = time.perf_counter()
        try:
            if records:
                await self._record(records, durable=durable)
                self._counts.flushed(len(records), time.perf_counter() - begin)
        except LedgerUnavailable:
            raise
        except ConfigurationError as error:
            # A login, a right or a table is missing: no record is to blame for that.
            raise LedgerUnavailable(error.message, hint=error.hint) from error
        except Exception as error:  # noqa: BLE001 - one record must not lose the others
            if len(batch) == 1:
                self._refused(batch[0], records[0], error)
                return
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])
            return
        for entry in batch:
            entry.finish(None)

    async def _record(self, records: Sequence[Reported], *, durable: bool) -> None:
        attempts: list[Attempt] = []
        closes: list[SegmentClose] = []
        starts: list[RunStarted] = []
        for record in records:
            if isinstance(record, Attempt):
                attempts.append(record)
            elif isinstance(record, SegmentClose):
                closes.append(record)
            else:
                starts.append(record)
        await self._target.record(attempts, closes=closes, starts=starts, durable=durable)

    def _refused(self, entry: Entry, record: Reported, error: Exception) -> None:
        self._counts.refused()
        logger.error("the ledger refuses %s", name_of(record), exc_info=error)
        self.lost(record)
        entry.finish(LedgerUnavailable(f"the record was refused: {error}"))

    async def _look_for_lost(self) -> None:
        if not self._lost:
            return
        executions = list(self._lost)
        try:
            await self._target.reconcile_all_soon(executions)
        except (LedgerUnavailable, ConfigurationError):
            return  # with the next group
        except Exception:
            # What follows must still be written, so they are left to the regular comparison.
            logger.exception("%d executions that lost a record cannot be marked", len(executions))
        for execution in executions:
            self._lost.pop(execution, None)


def name_of(record: Reported) -> str:
    """Say in a few words what a record is, for a log."""
    if isinstance(record, Attempt):
        return (
            f"attempt {record.attempt} of {record.activity_id} in run {record.run.run_id}"
            f" ({record.status})"
        )
    if isinstance(record, SegmentClose):
        return f"the end of run {record.run.run_id} ({record.status})"
    return f"the start of run {record.run.run_id}"
