"""Lines of the audit log, written together by all callers of a process."""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from typing import TypeVar
from weakref import WeakKeyDictionary

from flowkeep.clients.direct.denials import Denials
from flowkeep.contracts.api.audit import AuditEnd, AuditEntry
from flowkeep.errors import FlowkeepError
from flowkeep.statestore.protocols.audit import AuditRepository
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

T = TypeVar("T")

MOST_TOGETHER = 500
"""Lines per statement."""
MOST_WAITING = 5_000
"""Ends that wait to be written; beyond them, whoever ends a write waits too."""

_BEHIND_SECONDS = 0.05
_AGAIN_SECONDS = 1.0


class JournalWriter:
    """Writes lines that somebody waits for at once, and everything else behind.

    While one statement is under way, whatever comes gathers for the next: how many lines share a
    commit follows from how many callers there are, and a lone caller waits for nobody.

    Args:
        audit: The ledger's audit log.

    Attributes:
        denials: Bounds how many lines denied accesses make.
    """

    def __init__(self, audit: AuditRepository) -> None:
        self._audit = audit
        self.denials = Denials(self.note)
        self._begins: deque[tuple[AuditEntry, asyncio.Future[None]]] = deque()
        self._notes: deque[AuditEntry] = deque()
        self._ends: deque[AuditEnd] = deque()
        self._wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._last_tries = 3  # when closing

    @property
    def waiting(self) -> int:
        """How many lines are in memory."""
        return len(self._begins) + len(self._notes) + len(self._ends)

    async def begin(self, entry: AuditEntry) -> None:
        """Write a line; when this returns, it is committed.

        Raises:
            LedgerUnavailable: If it cannot be written.
        """
        done = asyncio.get_running_loop().create_future()
        self._begins.append((entry, done))
        self._wake(now=True)
        await done

    def note(self, entry: AuditEntry) -> None:
        """Write a whole line behind; of more than fit, the newest are dropped and counted."""
        if len(self._notes) >= MOST_WAITING:
            logger.warning("the audit log has no room for a denial: %s", entry.action)
            return
        self._notes.append(entry)
        self._wake(now=False)

    async def end(self, end: AuditEnd) -> None:
        """Write behind how a line ended; waits only while too many wait."""
        if len(self._ends) >= MOST_WAITING:
            self._room.clear()
            self._wake(now=True)
            await self._room.wait()
        self._ends.append(end)
        self._wake(now=False)

    async def close(self) -> None:
        """Write what waits; what the ledger does not take now is told to the process's log."""
        self.denials.settle()
        self._closing = True
        self._wake(now=True)
        if self._task is not None:
            await self._task
        lost = len(self._ends) + len(self._notes)
        if lost:
            logger.warning("%d lines of the audit log could not be ended", lost)

    def _wake(self, *, now: bool) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="flowkeep-journal")
        if now:
            self._wanted.set()

    async def _run(self) -> None:
        """Write until nothing waits any more; the next line begins a new task."""
        while self._begins or self._notes or self._ends:
            if not self._begins and not self._closing:
                await self._rest(_BEHIND_SECONDS)
            self._wanted.clear()
            if not await self._write():
                if self._closing and not self._last_tries:
                    return
                self._last_tries -= self._closing
                await self._rest(_AGAIN_SECONDS)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), seconds)

    async def _write(self) -> bool:
        """Write what waits in one statement; False if the ledger is away."""
        begins = [self._begins.popleft() for _ in range(min(len(self._begins), MOST_TOGETHER))]
        begins = [(entry, done) for entry, done in begins if not done.done()]
        notes, ends = _first(self._notes), _first(self._ends)
        lines = [entry for entry, _ in begins]
        failure: Exception | None = None
        try:
            if lines or notes:
                await self._audit.begin([*lines, *notes], ends)
            else:
                await self._audit.finish(ends)
        except Exception as error:  # noqa: BLE001  # told to everybody who waits
            failure = error
        for _, done in begins:
            if not done.done():
                _settle(done, failure)
        if isinstance(failure, FlowkeepError) and failure.retryable:
            if notes or ends:
                logger.warning("the audit log waits for the ledger: %s", failure)
            return not (notes or ends)
        if failure is not None and (notes or ends):
            logger.error("%d lines of the audit log are lost: %s", len(notes + ends), failure)
        for queue, count in ((self._notes, len(notes)), (self._ends, len(ends))):
            for _ in range(count):
                queue.popleft()
        self._room.set()
        return True


def _first(queue: "deque[T]") -> list[T]:
    return list(itertools.islice(queue, MOST_TOGETHER))


def _settle(done: asyncio.Future[None], failure: Exception | None) -> None:
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)


_Loops = WeakKeyDictionary[asyncio.AbstractEventLoop, JournalWriter]
_WRITERS: WeakKeyDictionary[Store, _Loops] = WeakKeyDictionary()


def writer_of(store: Store) -> JournalWriter:
    """Return the writer that all callers of a ledger in the running event loop share."""
    loop = asyncio.get_running_loop()
    writers = _WRITERS.setdefault(store, WeakKeyDictionary())
    if loop not in writers:
        writers[loop] = JournalWriter(store.audit)
    return writers[loop]


async def close_writer(store: Store) -> None:
    """Write what waits for a ledger in the running event loop, if anything does."""
    writers = _WRITERS.get(store)
    writer = None if writers is None else writers.pop(asyncio.get_running_loop(), None)
    if writer is not None:
        await writer.close()
