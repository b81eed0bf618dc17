"""One look at a run for all who watch it.

Whoever watches holds nothing but where it stands: it takes the newest snapshot when it is ready for
one, so slow watchers skip snapshots and need no queue. Audit events are never skipped: the last few
are kept for all, and who is further behind reads them from the ledger.
"""

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

from flowkeep.clients.direct.looking import snapshots
from flowkeep.clients.direct.marks import marks_of
from flowkeep.contracts import Run
from flowkeep.contracts.api.watching import RunUpdate
from flowkeep.contracts.progress import RunProgress
from flowkeep.errors import LedgerUnavailable, NotFound

if TYPE_CHECKING:
    from flowkeep.clients.direct.client import DirectClient
    from flowkeep.statestore.store import Store

BEAT_SECONDS = 1.5
"""After which a watcher hears that nothing happened."""
_KEPT_EVENTS = 256
_PAGE = 100
_QUIET_SECONDS = 2.0
"""After which an unchanged snapshot is told again: time has passed in it."""
_RETRY_SECONDS = 1.0
"""Until a ledger that was away is asked again."""
_ENDS = ("end", "gone")

_watches: "WeakKeyDictionary[Store, dict[tuple[Any, ...], SharedWatch]]" = WeakKeyDictionary()


def shared_watch(client: "DirectClient", run: Run) -> "SharedWatch":
    """Return the watch of a run in this process and event loop."""
    known = _watches.setdefault(client.store, {})
    key = (asyncio.get_running_loop(), run.tenant_id, run.id)
    if key not in known:
        known[key] = SharedWatch(client, run, known, key)
    return known[key]


async def updates_of(
    client: "DirectClient", run_id: UUID, *, after: int | None, interval_seconds: float
) -> AsyncGenerator[RunUpdate | None]:
    """Return what a watcher of a run is told, see `SharedWatch.updates`.

    Raises:
        NotFound: If there is no run that the caller sees.
    """
    return _updates(client, await client.runs.get(run_id), after, interval_seconds)


async def _updates(
    client: "DirectClient", run: Run, after: int | None, interval_seconds: float
) -> AsyncGenerator[RunUpdate | None]:
    # The watch is looked up when its updates begin: no other watcher can end it in between.
    async with aclosing(shared_watch(client, run).updates(after, interval_seconds)) as updates:
        async for update in updates:
            yield update


def watched(store: "Store") -> int:
    """Return how many runs of a ledger are being watched in this process."""
    return len(_watches.get(store, ()))


class SharedWatch:
    """Looks at one run for as long as somebody watches it.

    Args:
        client: Reaches ledger and Temporal; what its caller may see has been checked.
        run: The run.
        known: Where it is kept while it is watched.
        key: Under which key.
    """

    def __init__(
        self,
        client: "DirectClient",
        run: Run,
        known: dict[tuple[Any, ...], "SharedWatch"],
        key: tuple[Any, ...],
    ) -> None:
        self._client = client
        self._marks = marks_of(client.store)
        self._run = run
        self._known, self._key = known, key
        self._intervals: dict[object, float] = {}
        self._looking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._newest: RunUpdate | None = None
        self._failure: Exception | None = None
        self._told_at = 0.0
        self._events: deque[RunUpdate] = deque()
        self._kept_after = self._last_seq = 0

    async def updates(
        self, after: int | None, interval_seconds: float
    ) -> AsyncGenerator[RunUpdate | None]:
        """Yield what happens until the run has ended; None when nothing has for a while.

        Args:
            after: Number of the last audit event that is known; None for those from now on.
            interval_seconds: Time between two looks; the shortest that a watcher wants.
        """
        seen: RunUpdate | None = None
        with self._watching(interval_seconds):
            while True:
                changed, newest = self._changed, self._newest
                if newest is not None:
                    after = self._last_seq if after is None else after
                    try:
                        events = await self._behind(after)
                    except LedgerUnavailable:
                        await asyncio.sleep(_RETRY_SECONDS)
                        yield None
                        continue
                    for event in events:
                        assert event.event is not None
                        after = event.event.seq
                        yield event
                    if newest is not seen:
                        seen = newest
                        yield newest
                        if newest.kind in _ENDS:
                            return
                if self._failure is not None:
                    raise self._failure
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield None

    @contextmanager
    def _watching(self, interval_seconds: float) -> Iterator[None]:
        me = object()
        self._intervals[me] = interval_seconds
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name=f"watch {self._run.id}")
        try:
            yield
        finally:
            del self._intervals[me]
            if not self._intervals:
                self._looking.cancel()
                self._forget()

    def _forget(self) -> None:
        """Let the next watcher begin anew."""
        if self._known.get(self._key) is self:
            del self._known[self._key]

    async def _look(self) -> None:
        """Look again and again; a ledger that is away is waited for."""
        try:
            begun = False
            while not self._ended():
                try:
                    if not begun:
                        await self._begin()
                        begun = True
                    await self._follow()
                except LedgerUnavailable:
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    if not self._ended():
                        await self._rest()
        except Exception as error:  # noqa: BLE001 - its watchers raise it
            self._failure = error
        finally:
            self._forget()
            self._changed.set()

    async def _begin(self) -> None:
        """Find out where the audit events begin that are yet to come."""
        newest = await self._client.store.runs.list_events(self._run.tenant_id, self._run.id, 1)
        self._kept_after = self._last_seq = newest[0].seq if newest else 0

    async def _follow(self) -> None:
        looks = snapshots(self._client, self._run)
        try:
            async for progress in looks:
                await self._note_events()
                self._tell(progress)
                if not self._ended():
                    await self._rest()
        except NotFound:
            self._publish(RunUpdate(kind="gone"))
        finally:
            await looks.aclose()

    async def _rest(self) -> None:
        # Watches look in step, so that they ask together.
        interval = min(self._intervals.values(), default=0.0)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(interval - now % interval if interval else 0)

    def _ended(self) -> bool:
        return self._newest is not None and self._newest.kind in _ENDS

    async def _note_events(self) -> None:
        """Keep the audit events that are new, for all."""
        mark = await self._marks.of(self._run)
        if mark is not None and mark.event <= self._last_seq:
            return
        for event in await self._read_events(self._last_seq):
            self._events.append(event)
            assert event.event is not None
            self._last_seq = event.event.seq
            if len(self._events) > _KEPT_EVENTS:
                gone = self._events.popleft().event
                assert gone is not None
                self._kept_after = gone.seq

    async def _behind(self, after: int) -> list[RunUpdate]:
        """Return the audit events behind a number, oldest first."""
        if after >= self._last_seq:
            return []
        if after < self._kept_after:
            return await self._read_events(after)
        return [one for one in self._events if one.event is not None and one.event.seq > after]

    async def _read_events(self, after: int) -> list[RunUpdate]:
        found: list[RunUpdate] = []
        before: int | None = None
        while True:
            page = await self._client.store.runs.list_events(
                self._run.tenant_id, self._run.id, _PAGE, before
            )
            new = [RunUpdate(kind="event", event=one) for one in page if one.seq > after]
            found += new
            if len(new) < _PAGE:
                return found[::-1]
            before = page[-1].seq

    def _tell(self, progress: RunProgress) -> None:
        """Publish a snapshot, unless it says the same as the one before."""
        ended = progress.run.status.terminal
        if not ended:
            bare = progress.run.model_copy(update={"inputs": None, "outputs": None, "state": {}})
            progress = dataclasses.replace(progress, run=bare)
        last = None if self._newest is None else self._newest.progress
        now = asyncio.get_running_loop().time()
        quiet = now - self._told_at < _QUIET_SECONDS
        if not ended and last is not None and quiet and _same(last, progress):
            return
        self._told_at = now
        self._publish(RunUpdate(kind="end" if ended else "progress", progress=progress))

    def _publish(self, update: RunUpdate) -> None:
        self._newest = update
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _same(one: RunProgress, other: RunProgress) -> bool:
    return dataclasses.replace(one, elapsed_seconds=0.0) == dataclasses.replace(
        other, elapsed_seconds=0.0
    )
