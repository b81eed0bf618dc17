"""Kill -9 of the service while runs are started through it.

Two kills among sixty starts; `--fault-points 20` for twenty among a thousand.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text

from flowkeep.clients.sweeper import Sweeper
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Run, RunStatus
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from flowkeep.worker import Worker
from tests.api.marks import Marked, Marks
from tests.api.running import Running, running
from tests.served import client
from tests.support import eventually, flushed

pytestmark = pytest.mark.slow

__all__ = ["client"]

AT_ONCE = 8
PATIENCE = 120
SETTINGS = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)


@dataclass
class Told:
    """What callers were told.

    Attributes:
        accepted: The run of each mark whose start was answered.
        unanswered: Marks whose start was not, by callers that did not repeat it.
        cut: How many requests were under way when the service was killed.
    """

    accepted: dict[str, UUID] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    cut: int = 0

    @property
    def count(self) -> int:
        return len(self.accepted) + len(self.unanswered)


class Stage:
    """The service in a process of its own, which is killed and started again.

    Args:
        client: Its ledger and its Temporal.
        tenant: Whose runs are started.
        waits: Whether callers wait until what a dead process held is free; else it is freed.
    """

    def __init__(self, client: WorkflowClient, tenant: str, *, waits: bool) -> None:
        self._client = client
        self._tenant = tenant
        self._waits = waits
        self._stack = AsyncExitStack()
        self._headers: dict[str, str] = {}
        self._service: Running | None = None
        self._http: httpx2.AsyncClient | None = None
        self._up = asyncio.Event()
        self.told = Told()

    async def __aenter__(self) -> Self:
        new = NewApiKey(name="starter", role=Role.OPERATOR)
        key = await self._client.store.api_keys.create(self._tenant, new, subject="ana")
        self._headers = {"Authorization": f"Bearer {key.secret}"}
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        """Start the service."""
        service = await self._stack.enter_async_context(running(self._client.settings))
        await service.ready()
        http = httpx2.AsyncClient(base_url=service.url, headers=self._headers, timeout=60)
        self._service, self._http = service, await self._stack.enter_async_context(http)
        self._up.set()

    async def kill(self) -> None:
        """Kill it, and start it again."""
        assert self._service is not None
        self._up.clear()
        self._service.process.kill()
        await self._service.end()
        if not self._waits:
            async with self._client.store.transaction() as tx:
                await tx.connection.execute(
                    text("UPDATE flowkeep.idempotency SET lease_until = now()")
                )
        await self.start()

    async def begin(self, number: int) -> None:
        """Start a run as one caller does: two of three repeat what was not answered."""
        mark, keyed = f"mark-{number}", number % 3 > 0
        body = {
            "workflow_type": "Marked",
            "arguments": {"mark": mark},
            "task_queue": self._client.settings.worker.task_queue,
        }
        headers = {"Idempotency-Key": f"start-{number}"} if keyed else {}
        answer = None
        while answer is None:
            await self._up.wait()
            answer = await self._post(body, headers)
            if answer is None and not keyed:
                self.told.unanswered.add(mark)
                return
            if answer is not None and answer.status_code == 409:
                assert answer.json()["code"] == "IDEMPOTENCY_IN_PROGRESS", answer.text
                await asyncio.sleep(int(answer.headers["Retry-After"]))
                answer = None
        assert answer.status_code == 202, answer.text
        self.told.accepted[mark] = UUID(answer.json()["run_id"])

    async def _post(self, body: Any, headers: dict[str, str]) -> httpx2.Response | None:
        """Return the answer; None when the service died before it came."""
        assert self._http is not None
        try:
            return await self._http.post("/runs", json=body, headers=headers)
        except httpx2.TransportError:
            self.told.cut += 1
            return None


async def test_every_accepted_start_is_executed_once(
    client: WorkflowClient, request: pytest.FixtureRequest
) -> None:
    """Whenever the service dies: what it answered runs once, what it did not at most once."""
    points = request.config.getoption("--fault-points")
    starts, kills = (60, 2) if points == 1 else (50 * points, points)
    chance = Random(points)
    tenant = f"kills-{uuid4().hex[:8]}"
    marks = Marks()
    async with (
        Worker(client, workflow_classes=[Marked], workflow_activities=[marks.leave]),
        Stage(client, tenant, waits=points > 1) as stage,
    ):
        free = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with free:
                await stage.begin(number)

        async with asyncio.TaskGroup() as group:
            for number in range(starts):
                group.create_task(one(number))
            for number in range(kills):
                share = starts * (number + chance.random()) / kills

                def far_enough(share: float = share) -> None:
                    assert stage.told.count >= share

                await eventually(far_enough, timeout=PATIENCE, interval=0.001)
                await stage.kill()
        told = stage.told
        assert len(told.accepted) + len(told.unanswered) == starts
        assert told.cut, "no request was under way when the service was killed"
        await all_ended(client, tenant)
        await check(client, tenant, told, marks.left)


async def all_ended(client: WorkflowClient, tenant: str) -> None:
    """Wait until every run has succeeded; what was only recorded is started as by a sweep."""
    await Sweeper(client).sweep(0)

    async def ended() -> None:
        await flushed(client)
        runs = await runs_of(client, tenant)
        assert {run.status for run in runs} == {RunStatus.SUCCEEDED}

    await eventually(ended, timeout=PATIENCE, interval=0.1)


async def runs_of(client: WorkflowClient, tenant: str) -> list[Run]:
    """Return every run of a tenant, whole."""
    found: list[Run] = []
    last: UUID | None = None
    while True:
        page = await client.store.runs.get_paginated_runs(tenant, limit=100, last_id=last)
        found += [await client.store.runs.get(tenant, run.id) for run in page.data]
        if not page.has_more:
            return found
        last = page.data[-1].id


async def check(client: WorkflowClient, tenant: str, told: Told, left: Counter[str]) -> None:
    """Compare what callers were told with what was executed, and with the ledger."""
    by_mark = {run.inputs["mark"]: run for run in await runs_of(client, tenant)}
    assert left == Counter(by_mark.keys())  # each once, and no run twice
    assert set(told.accepted) <= set(left) <= set(told.accepted) | told.unanswered
    assert {mark: by_mark[mark].id for mark in told.accepted} == told.accepted
    verification = Verification(client.temporal, client.store, SETTINGS)

    async def agrees() -> None:
        await Reconciler(client.temporal, client.store, SETTINGS).reconcile_once()
        found = verification.differences(tenant_id=tenant, deep=True)
        assert [one async for one in found] == []
        assert verification.counts.compared >= len(left)

    await eventually(agrees, timeout=PATIENCE, interval=0.5)
