"""A worker process of the fault suite: as it should be, or damaged from within.

Run as `python -m tests.faults.worker_program [options]`, configured by flowkeep's variables.
"""

import argparse
import asyncio
import logging
import random
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import Worker as PlainWorker

from flowkeep import telemetry
from flowkeep.activities import definition as loading
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Attempt
from flowkeep.errors import FlowkeepError
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from flowkeep.workflows import definition_calls
from tests.definitions.runs import faulted
from tests.faults import workloads

MOST_EVENTS = 60
"""Events after which a run of a definition continues as new."""

logger = logging.getLogger(__name__)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="the SDK alone, without the plugin")
    parser.add_argument("--old", action="store_true", help="the code before `late_step` came")
    parser.add_argument("--skew", type=float, default=0, help="seconds its clock is ahead")
    parser.add_argument("--jumble", type=int, help="seed for repeated and reordered writes")
    options = parser.parse_args()
    settings = Settings.load()
    telemetry.configure(settings.telemetry, process="worker")
    if options.skew:
        skew_clock(timedelta(seconds=options.skew))
    uvloop.run(_serve(settings, options))


async def _serve(settings: Settings, options: argparse.Namespace) -> None:
    while True:
        try:
            await (_serve_plain(settings) if options.plain else _serve_ours(settings, options))
        except (FlowkeepError, RuntimeError) as error:
            # What a supervisor does: a server that is away now is tried again.
            logger.warning("cannot serve yet: %s", error)
            await asyncio.sleep(0.5)
        else:
            return


async def _serve_ours(settings: Settings, options: argparse.Namespace) -> None:
    definition_calls.HEARTBEAT = workloads.HEARTBEAT
    loading.MOST_EVENTS = MOST_EVENTS
    evolving = workloads.EvolvesLater if options.old else workloads.Evolves
    late = [] if options.old else [workloads.late_step]
    async with await WorkflowClient.connect(settings) as client:
        if options.jumble is not None:
            Jumble(client, random.Random(options.jumble)).install()
        listed = workloads.Listed.get_activities(workloads.Deeds())
        worker = Worker(
            client,
            workflow_classes=[*workloads.COMMON, workloads.Listed, evolving],
            workflow_activities=[*listed, *workloads.ACTIVITIES, *late],
            actions=faulted.ACTIONS,
            action_tenants=[],
            graceful_shutdown_timeout=timedelta(seconds=2),
        )
        await worker.start()


async def _serve_plain(settings: Settings) -> None:
    """Serve the same queue by Temporal's own means, as somebody who never heard of flowkeep."""
    address = settings.temporal.address
    assert address is not None
    client = await Client.connect(address, namespace=settings.temporal.namespace or "default")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with PlainWorker(
        client,
        task_queue=settings.worker.task_queue,
        activities=[
            *[one for one in workloads.ACTIVITIES if one is not workloads.threaded],
            workloads.late_step,
        ],
    ):
        await stopped.wait()


class Jumble:
    """Repeats, splits and reorders what the recorder writes, as a bad network and retries would.

    Args:
        client: Whose ledger.
        chance: Decides what happens to which batch.
    """

    def __init__(self, client: WorkflowClient, chance: random.Random) -> None:
        self._system: Any = client.store.system
        self._write = self._system.record
        self._chance = chance
        self._past: list[tuple[Sequence[Attempt], dict[str, Any]]] = []
        self._late: set[asyncio.Task[Any]] = set()

    def install(self) -> None:
        """Take the place of the ledger's own method."""
        self._system.record = self.record

    async def record(self, attempts: Sequence[Attempt], **more: Any) -> Any:
        """Write a batch, and do something wrong before, meanwhile or afterwards."""
        self._past = [*self._past[-30:], (attempts, more)]
        fate = self._chance.random()
        if fate < 0.2:
            await asyncio.sleep(self._chance.random() * 0.3)
        elif fate < 0.4:
            await self._write(attempts, **more)  # its answer was lost, so it comes again
        elif fate < 0.6:
            return await self._backwards(attempts, **more)
        elif fate < 0.8:
            self._repeat_later(*self._chance.choice(self._past))
        return await self._write(attempts, **more)

    async def _backwards(self, attempts: Sequence[Attempt], **more: Any) -> int:
        """Write ends before what they end, and the younger half before the older one."""
        durable = more.pop("durable", True)
        written = 0
        for name, values in more.items():
            if values:
                written += await self._write([], durable=durable, **{name: values})
        middle = len(attempts) // 2
        for half in (attempts[middle:], attempts[:middle]):
            if half:
                written += await self._write(half, durable=durable)
        return written

    def _repeat_later(self, attempts: Sequence[Attempt], more: dict[str, Any]) -> None:
        async def repeat() -> None:
            await asyncio.sleep(self._chance.random() * 2)
            try:
                await self._write(attempts, **more)
            except FlowkeepError as error:
                logger.info("a repeated batch was refused: %s", error)

        task = asyncio.ensure_future(repeat())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def skew_clock(shift: timedelta) -> None:
    """Let every module of flowkeep in this process read a clock that is wrong.

    Args:
        shift: How far it is ahead.
    """

    class StillTime(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Skewed(datetime, metaclass=StillTime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + shift

    for name, module in list(sys.modules.items()):
        if name.startswith("flowkeep."):
            for attribute, value in list(vars(module).items()):
                if value is datetime:
                    setattr(module, attribute, Skewed)
    logger.warning("this worker believes that it is %s", Skewed.now(UTC))


if __name__ == "__main__":
    main()
