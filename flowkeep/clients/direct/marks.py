"""Whether runs have changed, asked for all that are watched in one statement."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakKeyDictionary

from flowkeep.contracts import Run
from flowkeep.contracts.run_mark import RunMark

if TYPE_CHECKING:
    from flowkeep.statestore.store import Store

_GATHER_SECONDS = 0.02
"""How long a question waits for others to go with it."""
_MOST_TOGETHER = 1000

_Waiting = dict[UUID, list[asyncio.Future[RunMark | None]]]
_Loops = WeakKeyDictionary[asyncio.AbstractEventLoop, "Marks"]
_MARKS: "WeakKeyDictionary[Store, _Loops]" = WeakKeyDictionary()


class Marks:
    """Gathers the questions of a moment, so that many watched runs cost what one does.

    Args:
        store: The ledger.
    """

    def __init__(self, store: "Store") -> None:
        self._system = store.system
        self._waiting: _Waiting = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def of(self, run: Run) -> RunMark | None:
        """Return what moves whenever a run does; None if the run is archived or gone.

        Raises:
            LedgerUnavailable: If the ledger cannot be asked.
        """
        answer = asyncio.get_running_loop().create_future()
        if not self._waiting:
            task = asyncio.create_task(self._ask(), name="flowkeep-marks")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        self._waiting.setdefault(run.id, []).append(answer)
        mark: RunMark | None = await answer
        return mark if mark is None or mark.tenant_id == run.tenant_id else None

    async def _ask(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        waiting, self._waiting = self._waiting, {}
        ids = list(waiting)
        for first in range(0, len(ids), _MOST_TOGETHER):
            await self._answer(ids[first : first + _MOST_TOGETHER], waiting)

    async def _answer(self, ids: Sequence[UUID], waiting: _Waiting) -> None:
        try:
            found = await self._system.read_marks(ids)
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            for answer in (one for run_id in ids for one in waiting[run_id]):
                if not answer.done():
                    answer.set_exception(error)
            return
        for run_id in ids:
            for answer in waiting[run_id]:
                if not answer.done():
                    answer.set_result(found.get(run_id))


def marks_of(store: "Store") -> Marks:
    """Return what all watches of a ledger in the running event loop share."""
    loop = asyncio.get_running_loop()
    known = _MARKS.setdefault(store, WeakKeyDictionary())
    if loop not in known:
        known[loop] = Marks(store)
    return known[loop]
