"""What is asked for while things break: starts by every way, cancels, terminations, completions."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.errors import AlreadyTerminal, Conflict, LedgerUnavailable, TemporalUnavailable
from tests.faults import witness
from tests.faults.scene import QUEUE

AWAY = (LedgerUnavailable, TemporalUnavailable, psycopg.OperationalError)
AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Kind:
    """A way for a run to go.

    Attributes:
        workflow: Type of the workflow.
        numbers: What its number is drawn from.
        weight: How often it is taken.
        steer: What the driver does to it: cancel or terminate.
        outcomes: How it may end; the faults may decide between several.
        plain: Whether Temporal's own client may start it.
    """

    workflow: str
    numbers: tuple[int, ...] = (0,)
    weight: int = 2
    steer: str | None = None
    outcomes: tuple[str, ...] = ("succeeded",)
    plain: bool = True
    run_timeout: bool = False
    repeats: bool = False


KINDS = {
    "listed": Kind("Listed", (0, 1, 2), weight=4, plain=False),
    "retries": Kind("Retries", (1, 2, 3), weight=4),
    "fails": Kind("Fails", outcomes=("failed",)),
    "raises": Kind("Raises", outcomes=("failed",)),
    "mends": Kind("Mends"),
    "cancel": Kind("Lingers", (8,), steer="cancel", outcomes=("cancelled", "succeeded")),
    # Failed when its worker dies after the cancellation: nobody is left who could be waited for.
    "stubborn": Kind(
        "Stubborn", (6,), steer="cancel", outcomes=("cancelled", "succeeded", "failed")
    ),
    "terminate": Kind("Lingers", (8,), steer="terminate", outcomes=("cancelled", "succeeded")),
    "timeout": Kind("Lingers", (9,), run_timeout=True, outcomes=("timed_out",)),
    "long": Kind("Lingers", (4, 5, 6)),
    "stalls": Kind("Stalls", (1, 2)),
    "gives": Kind("Gives", outcomes=("failed",)),
    "parent": Kind("Parent", (0, 1)),
    "continues": Kind("Continues"),
    "local": Kind("Local", (1, 2)),
    "repeats": Kind("Repeats", (1, 2), repeats=True),
    "hands": Kind("HandsOver"),
    "wide": Kind("Wide", weight=1),
    "evolves": Kind("Evolves", weight=3),
}


@dataclass
class Request:
    """One run that is asked for.

    Attributes:
        at: When, in seconds after the first.
        way: `flowkeep`, `transaction` (of the caller's own), `rollback` (the same, taken back),
            `temporal` (its own client, no plugin) or `schedule`.
        errors: What the attempts to start and steer it met.
        accepted: Whether a start was answered.
    """

    at: float
    kind: str
    workflow_id: str
    way: str
    steer_after: float
    errors: list[str] = field(default_factory=list)
    accepted: bool = False
    run_id: Any = None


def plan(chance: random.Random, seed: int, runs: int, seconds: float) -> list[Request]:
    """Decide what is asked for and when.

    Args:
        chance: Decides.
        seed: Part of every workflow id.
        runs: How many.
        seconds: Over how long they are spread.
    """
    names = list(KINDS)
    weights = [KINDS[name].weight for name in names]
    chosen = [*names, *chance.choices(names, weights, k=max(0, runs - len(names)))][:runs]
    chance.shuffle(chosen)
    found = []
    for index, name in enumerate(chosen):
        kind = KINDS[name]
        draw = chance.random()
        way = "temporal" if kind.plain and draw < 0.2 else "flowkeep"
        if 0.2 <= draw < 0.35:
            way = "transaction"
        elif 0.35 <= draw < 0.37:
            way = "rollback"
        elif draw > 0.97 and kind.plain and not (kind.steer or kind.run_timeout or kind.repeats):
            way = "schedule"
        found.append(
            Request(
                at=seconds * index / runs + chance.random(),
                kind=name,
                workflow_id=f"{seed}-{index:04}-{name}-{chance.choice(kind.numbers)}",
                way=way,
                steer_after=chance.uniform(0.3, 4),
            )
        )
    return found


class Requester:
    """Carries the requests out, and keeps at it as long as servers are away.

    Args:
        ours: flowkeep's client, behind damaged links.
        plain: Temporal's own client.
        truth: Folder of the truth files; what is asked for is written there first.
    """

    def __init__(self, ours: WorkflowClient, plain: Client, truth: Path) -> None:
        self._ours = ours
        self._plain = plain
        self._log = truth.with_name("requests.jsonl")
        self._truth = truth
        self._completed: set[str] = set()
        self.schedules: list[str] = []

    async def carry_out(self, request: Request) -> None:
        """Start one run, and steer it where its kind says so."""
        await asyncio.sleep(request.at)
        witness.write(self._log, {"at": time.time(), "asked": request.workflow_id})
        kind = KINDS[request.kind]
        if request.way == "schedule":
            return await _persist(request, lambda: self._schedule(request, kind))
        if request.way == "rollback":
            return await _persist(request, lambda: self._roll_back(request, kind))
        if request.way == "temporal":
            await _persist(request, lambda: self._start_plain(request, kind))
            steer = self._plain_steering(request.workflow_id, kind.steer)
        else:
            start = self._start_in if request.way == "transaction" else self._start
            handle = await _persist(request, lambda: start(request, kind))
            request.run_id = handle.run_id
            steer = self._our_steering(handle, kind.steer)
        request.accepted = True
        if kind.steer is not None:
            await asyncio.sleep(request.steer_after)
            await _persist(request, steer)
        return None

    async def _start(self, request: Request, kind: Kind) -> RunHandle:
        return await self._ours.start_workflow(
            {"number": request.workflow_id},
            kind.workflow,
            workflow_id=request.workflow_id,
            **_options(kind),
        )

    async def _start_in(self, request: Request, kind: Kind) -> RunHandle:
        """Request it in a transaction of our own."""
        url = self._ours.settings.database_url()
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=5)
        async with connection:
            return await self._ours.start_in(
                connection,
                {"number": request.workflow_id},
                kind.workflow,
                workflow_id=request.workflow_id,
                **_options(kind),
            )

    async def _roll_back(self, request: Request, kind: Kind) -> None:
        """Request it, and change our mind."""
        url = self._ours.settings.database_url()
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=5)
        async with connection, connection.transaction(force_rollback=True):
            await self._ours.start_in(
                connection, {"number": 0}, kind.workflow, workflow_id=request.workflow_id
            )

    async def _start_plain(self, request: Request, kind: Kind) -> None:
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._plain.start_workflow(
                kind.workflow,
                id=request.workflow_id,
                task_queue=QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                **_options(kind),
            )

    async def _schedule(self, request: Request, kind: Kind) -> None:
        """Let Temporal start it twice."""
        schedule = Schedule(
            action=ScheduleActionStartWorkflow(
                kind.workflow, id=request.workflow_id, task_queue=QUEUE
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=2))]),
            state=ScheduleState(limited_actions=True, remaining_actions=2),
        )
        client = self._ours.temporal if sum(request.workflow_id.encode()) % 2 else self._plain
        try:
            await client.create_schedule(request.workflow_id, schedule)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
        request.accepted = True
        self.schedules.append(request.workflow_id)

    def _plain_steering(self, workflow_id: str, steer: str | None) -> Callable[[], Awaitable[None]]:
        handle = self._plain.get_workflow_handle(workflow_id)

        async def act() -> None:
            try:
                await (handle.cancel() if steer == "cancel" else handle.terminate("on purpose"))
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

        return act

    def _our_steering(self, handle: RunHandle, steer: str | None) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            with contextlib.suppress(AlreadyTerminal, Conflict):
                await (handle.cancel("on purpose") if steer == "cancel" else handle.terminate())

        return act

    async def complete_handed_over(self) -> None:
        """Complete what activities left to us; for ever."""
        while True:
            for line in witness.read(self._truth, only=b"handed over"):
                if line.token is not None and line.token not in self._completed:
                    self._completed.add(line.token)
                    # Every fourth first attempt is left to time out.
                    if line.attempt > 1 or sum(line.workflow_id.encode()) % 4:
                        await self._complete(line)
            await asyncio.sleep(0.3)

    async def _complete(self, line: witness.Line) -> None:
        assert line.token is not None
        handle = self._plain.get_async_activity_handle(task_token=bytes.fromhex(line.token))
        try:
            await handle.complete({"completed": line.attempt})
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                self._completed.discard(line.token)


def _options(kind: Kind) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if kind.run_timeout:
        options["run_timeout"] = timedelta(seconds=3)
    if kind.repeats:
        options["retry_policy"] = RetryPolicy(
            initial_interval=timedelta(milliseconds=200), maximum_attempts=5
        )
    return options


async def _persist(request: Request, action: Callable[[], Awaitable[Any]]) -> Any:
    """Do it again until no server is away."""
    while True:
        try:
            return await action()
        except AWAY as error:
            request.errors.append(type(error).__name__)
        except RPCError as error:
            if error.status not in (
                RPCStatusCode.UNAVAILABLE,
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.CANCELLED,
                RPCStatusCode.UNKNOWN,
                RPCStatusCode.RESOURCE_EXHAUSTED,
                RPCStatusCode.INTERNAL,
                RPCStatusCode.ABORTED,
            ):
                raise
            request.errors.append(error.status.name)
        await asyncio.sleep(AGAIN_SECONDS)
