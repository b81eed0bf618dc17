"""Kill -9 of worker, PostgreSQL and Temporal while activities work in steps.

One kill of each among a few runs; `--fault-points 12` for a thousand runs.
"""

import asyncio
import os
import random
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import TaskType
from flowkeep.local_engine import LocalEngine
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from tests.faults.step_effects import effects_in, environment_of
from tests.faults.step_program import QUEUE, STEPS, InSteps
from tests.support import eventually

pytestmark = pytest.mark.slow

EXPECTED = sum(number * number for number in range(STEPS))
AT_ONCE = 40
RUNS_PER_POINT = 85
PATIENCE = 120
SETTINGS = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)


class Stage:
    """Servers, a worker in a process of its own, and what its steps wrote outside."""

    def __init__(self, engine: LocalEngine, folder: Path) -> None:
        self._engine = engine
        self._effects = folder / "effects"
        self._effects.touch()
        self._log = folder / "worker.log"
        self._process: Process | None = None
        self.kills = 0

    async def start_worker(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.step_program"),
                self._engine.temporal_address,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment_of(self._engine, self._effects)},
            )

    async def stop_worker(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def kill(self, what: str) -> None:
        """Kill one of them and bring it back."""
        self.kills += 1
        if what == "worker":
            await self.stop_worker()
            await self.start_worker()
            return
        server = self._engine.postgres if what == "postgres" else self._engine.temporal
        assert server is not None
        server.kill()
        await server.restart()

    def effects(self) -> list[dict[str, Any]]:
        """Return what steps wrote, in order."""
        return effects_in(self._effects)


async def start(client: Client, name: str) -> WorkflowHandle[Any, int]:
    """Start a run, however long its server is away."""

    async def started() -> WorkflowHandle[Any, int]:
        try:
            return await client.start_workflow(
                InSteps.run,
                name,
                id=name,
                task_queue=QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )
        except WorkflowAlreadyStartedError:  # the answer to an earlier try got lost
            return client.get_workflow_handle_for(InSteps.run, name)
        except RPCError as error:
            raise AssertionError(f"Temporal is away: {error}") from error

    return await eventually(started, timeout=PATIENCE, interval=0.2)


async def result_of(client: Client, name: str) -> int:
    """Return the result of a run, however often its servers go away meanwhile."""
    handle = await start(client, name)

    async def ended() -> int:
        try:
            return await handle.result()
        except RPCError as error:
            raise AssertionError(f"Temporal is away: {error}") from error

    return await eventually(ended, timeout=PATIENCE, interval=0.2)


async def test_no_recorded_step_runs_again(
    own_engine: LocalEngine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever is killed: steps run in order, only those under way run twice, results are right."""
    points = request.config.getoption("--fault-points")
    chance = random.Random(points)
    runs = [f"steps-{number}" for number in range(RUNS_PER_POINT * points // 2)]
    stage = Stage(own_engine, tmp_path)
    settings = own_engine.settings()
    free = asyncio.Semaphore(AT_ONCE)
    async with await WorkflowClient.connect(settings) as client:
        await stage.start_worker()

        async def one(name: str) -> int:
            async with free:
                return await result_of(client.temporal, name)

        running = [asyncio.create_task(one(name)) for name in runs]
        kills = ["worker", "postgres", "temporal"] * points
        chance.shuffle(kills)
        for number, what in enumerate(kills):
            share = len(runs) * STEPS * (number + chance.random()) / len(kills)

            async def far_enough(share: float = share) -> None:
                assert len(stage.effects()) >= share

            await eventually(far_enough, timeout=PATIENCE)
            await stage.kill(what)
        assert await asyncio.gather(*running) == [EXPECTED] * len(runs)
        again = check_order(stage.effects(), runs)
        assert len(again) <= stage.kills * AT_ONCE
        await check_ledger(client, runs, stage.effects())
        await stage.stop_worker()


def check_order(effects: list[dict[str, Any]], runs: list[str]) -> list[dict[str, Any]]:
    """Steps of a run follow each other: one runs again only before the next has begun.

    Returns:
        Those that ran again.
    """
    again = []
    reached: dict[str, int] = defaultdict(lambda: -1)
    for line in effects:
        before = reached[line["run"]]
        assert line["step"] in (before, before + 1), line
        if line["step"] == before:
            again.append(line)
        reached[line["run"]] = line["step"]
    assert reached == dict.fromkeys(runs, STEPS - 1)
    return again


async def check_ledger(
    client: WorkflowClient, runs: list[str], effects: list[dict[str, Any]]
) -> None:
    """Each step is recorded as done once, by who ran it last; nothing differs from Temporal."""
    reconciler = Reconciler(client.temporal, client.store, SETTINGS)

    async def agrees() -> None:
        await reconciler.reconcile_once(everything=True)
        verification = Verification(client.temporal, client.store, SETTINGS)
        assert [one async for one in verification.differences(deep=True)] == []
        assert verification.counts.compared >= len(runs)

    await eventually(agrees, timeout=PATIENCE, interval=1)
    last = {(line["run"], line["step"]): line["at"] for line in effects}
    for name in runs:
        page = await client.store.runs.find_by_workflow_id("default", name)
        [run] = page.data
        attempts = await client.store.tasks.list_attempts("default", run.id, limit=100)
        steps = [one for one in attempts if one.type is TaskType.STEP and one.status == "succeeded"]
        assert sorted(one.task_index for one in steps) == list(range(1, STEPS + 1)), name
        for one in steps:
            assert one.started_at
            assert one.finished_at
            ran = last[name, one.task_index - 1]
            # One that ran again although it was recorded would have done so after that.
            assert one.started_at.timestamp() <= ran <= one.finished_at.timestamp(), one.key
