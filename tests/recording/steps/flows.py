"""Activities that work in steps; at module level for the sandbox."""

import asyncio
import time
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import flowkeep
    from flowkeep import errors as flowkeep_errors
    from tests.support import eventually

CALLS: dict[str, Counter[str]] = defaultdict(Counter)
"""How often each step's function was called, by workflow id."""

OPEN: dict[str, asyncio.Event] = {}
"""What a step waits for, by workflow id."""


def called(name: str) -> int:
    """Count a call; returns how many there were."""
    counter = CALLS[str(activity.info().workflow_id)]
    counter[name] += 1
    return counter[name]


class Row(BaseModel):
    """A typed result."""

    id: int
    tags: dict[str, float]


async def double(value: int) -> int:
    called(f"double {value}")
    return value * 2


async def one_of_many(value: int) -> int:
    called("one of many")
    return value * 2


async def row(number: int) -> Row:
    called("row")
    return Row(id=number, tags={"zeta": 1.0, "alpha": 1e22})


async def big(size: int) -> str:
    called("big")
    return "é" * size


async def fails_until(number: int) -> str:
    if called("fails_until") < number:
        raise RuntimeError("not yet: password=hunter2")
    return "at last"


@activity.defn
async def resumes(fail_at: int) -> list[Any]:
    """Fails once behind some steps; the next attempt goes on from there."""
    async with flowkeep.steps() as step:
        results = [await step(double, 1), await step(row, 7), await step(big, 9000)]
        if activity.info().attempt <= fail_at:
            raise RuntimeError("behind three steps")
        results.append(await step(double, 2))
    return [results[0], results[1].model_dump(), list(results[1].tags), results[2][:2], results[3]]


@activity.defn
async def retries() -> str:
    """A step with retries of its own."""
    async with flowkeep.steps() as step:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)
        return str(await step(fails_until, 3, retry=policy))


@activity.defn
async def gives_up() -> str:
    """A step without retries: the activity's own policy tries again."""
    async with flowkeep.steps() as step:
        await step(double, 5)
        return str(await step(fails_until, 3))


@activity.defn
async def goes_on() -> list[str]:
    """Handles failures and goes on behind them; fails once itself."""
    seen = []
    async with flowkeep.steps() as step:
        try:
            await step(fails_until, 2)
        except ApplicationError as error:
            seen.append(str(error.type))
            await step(double, 1, name="instead")
        try:
            await step.gather(step(lingers, 60.0), step(fails_until, 3))
        except ApplicationError as error:
            seen.append(str(error.type))
        seen.append(str(await step(double, 2)))
        if activity.info().attempt == 1:
            raise RuntimeError("behind the failures")
    return seen


@activity.defn
async def together() -> list[Any]:
    """Parallel steps, a map, a name used twice."""
    async with flowkeep.steps() as step:
        both = await step.gather(step(double, 1, name="same"), step(double, 2, name="same"))
        many = await step.map(range(30), double, window=7, name="each")
    async with flowkeep.steps() as step:
        return [*both, sum(many), await step(double, 100)]


@activity.defn
async def changes(how: str) -> Any:
    """Code that changes between two attempts of one task."""
    first = activity.info().attempt == 1
    async with flowkeep.steps() as step:
        if how == "name":
            await step(double, 1, name="a" if first else "b")
        elif how == "function":
            await step(double if first else big, 1, name="a")
        elif how == "arguments":
            await step(double, 1 if first else 2)
        elif how == "order":
            for name in ("a", "b") if first else ("b", "a"):
                await step(double, 1, name=name)
        elif how == "patched":
            await step(double, 1)
            new = False if first else await step.patched("doubles twice")
            await step(double, 20 if new else 2)
            if not first:
                return [new, await step.patched("later"), await step(double, 3)]
        if first:
            raise RuntimeError("the code changes now")
    return None


class Holder(BaseModel):
    password: SecretStr


async def leaks_typed() -> dict[str, int]:
    return {"password": "hunter2"}  # type: ignore[dict-item]


async def leaks_flag() -> bool:
    return "hunter2"  # type: ignore[return-value]


async def leaks(how: str) -> Any:
    return {
        "key": {"password": "hunter2"},
        "url": "postgresql://ada:hunter2@host/db",
        "model": Holder(password=SecretStr("hunter2")),
    }[how]


async def unknown() -> Any:
    return object()


async def lies() -> int:
    return "no number"  # type: ignore[return-value]


async def outer(step: Any) -> None:
    await step(double, 1)


async def lingers(seconds: float) -> str:
    called("lingers")
    await asyncio.sleep(seconds)
    return "done"


async def waits() -> str:
    number = called("waits")
    await OPEN[str(activity.info().workflow_id)].wait()
    return f"call {number}"


@activity.defn
async def odd(how: str, value: Any = None) -> Any:
    """One odd step."""
    async with flowkeep.steps() as step:
        if how == "leaks":
            return await step(leaks, value)
        if how == "unknown":
            return await step(unknown)
        if how == "leaks typed":
            return await step(leaks_typed)
        if how == "leaks flag":
            return await step(leaks_flag)
        if how == "lies":
            return await step(lies)
        if how == "nested":
            return await step(outer, step)
        if how == "no function":
            return await step(5)
        if how == "timeout":
            return await step(lingers, 60, timeout=0.05)
        if how == "linger":
            await step(double, 1)
            return await step(lingers, value)
    raise AssertionError(how)


@activity.defn
async def waiting() -> str:
    """Waits inside a step until it is let go."""
    async with flowkeep.steps() as step:
        await step(double, 1)
        return str(await step(waits))


@activity.defn
async def hangs() -> str:
    """Hangs in its first attempt, without a heartbeat, until it is let go; then goes on."""
    first = activity.info().attempt == 1
    async with flowkeep.steps() as step:
        await step(double, 1)
        if first:
            await OPEN[str(activity.info().workflow_id)].wait()
        try:
            return str(await step(double, 2))
        except flowkeep_errors.StaleAttempt:
            called("stale")
            raise


async def reached(workflow_id: str, name: str) -> None:
    """Wait until a step is called."""

    async def called_once() -> None:
        assert CALLS[workflow_id][name] >= 1

    await eventually(called_once)


async def hold() -> int:
    called("hold")
    gate = OPEN.setdefault(str(activity.info().workflow_id), asyncio.Event())
    await gate.wait()
    return 6


@activity.defn
async def held() -> int:
    """Is held in its second step until it is let go."""
    async with flowkeep.steps() as step:
        try:
            first, second = await step(double, 1), await step(hold)
            await step(double, 3)
        except flowkeep_errors.LedgerUnavailable:
            called("LedgerUnavailable")
            raise
    return int(first + second)


@activity.defn
async def sleeps(seconds: float, hold: float) -> list[int]:
    """Sleeps between two steps."""
    async with flowkeep.steps() as step:
        one = await step(double, 1)
        await step.sleep(seconds, hold=timedelta(seconds=hold))
        return [one, await step(double, 2), activity.info().attempt]


@activity.defn
def threaded(fail: bool) -> list[Any]:
    """A plain function: its steps run in its own thread."""
    import threading

    thread = threading.get_ident()

    def here(value: int) -> bool:
        called(f"here {value}")
        return threading.get_ident() == thread

    with flowkeep.steps() as step:
        found = [step(here, 1), *step.map([2, 3], here), step(double, 4)]
        step.sleep(0.01)
        if fail and activity.info().attempt == 1:
            raise RuntimeError("once")
        found.append(step.patched("x"))
    return found


async def helped(value: int) -> int:
    async with flowkeep.steps() as step:
        return int(await step(double, value))


@activity.defn
async def side_by_side() -> list[int]:
    """Two blocks that are opened at once."""
    found = await asyncio.gather(helped(1), helped(2))
    if activity.info().attempt == 1:
        raise RuntimeError("behind both")
    return list(found)


@activity.defn
async def limited() -> str:
    """Goes on behind a step that took too long, then fails once."""
    async with flowkeep.steps() as step:
        try:
            await asyncio.wait_for(step(lingers, 60.0), 0.05)
        except TimeoutError:
            result = await step(double, 1, name="instead")
    if activity.info().attempt == 1:
        raise RuntimeError("behind the limit")
    return f"{result} instead"


@activity.defn
def threaded_nested() -> None:
    """A step inside a step, in a thread."""
    with flowkeep.steps() as step:
        step(lambda: step(double, 1), name="outer")


@activity.defn
def threaded_waiting() -> None:
    """Waits inside a step, in a thread."""

    def waits_long() -> None:
        called("waits")
        for _ in range(600):
            time.sleep(0.1)
            activity.heartbeat()

    with flowkeep.steps() as step:
        step(waits_long)


@activity.defn
async def many(count: int, window: int) -> int:
    """Very many steps; fails once behind them."""
    async with flowkeep.steps() as step:
        found = await step.map(range(count), one_of_many, window=window)
    if activity.info().attempt == 1:
        raise RuntimeError("behind all of them")
    return sum(found)


@workflow.defn
class Stepping:
    """Executes one activity."""

    @workflow.run
    async def run(self, name: str, args: list[Any], options: dict[str, float]) -> Any:
        heartbeat = options.get("heartbeat")
        return await workflow.execute_activity(
            name,
            args=args,
            start_to_close_timeout=timedelta(seconds=options.get("timeout", 60)),
            heartbeat_timeout=timedelta(seconds=heartbeat) if heartbeat else None,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50),
                maximum_attempts=int(options.get("attempts", 3)),
            ),
        )


@workflow.defn
class Locally:
    """Executes one local activity."""

    @workflow.run
    async def run(self, name: str, args: list[Any]) -> Any:
        return await workflow.execute_local_activity(
            name,
            args=args,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50)),
        )


ACTIVITIES = [
    resumes,
    retries,
    gives_up,
    goes_on,
    together,
    changes,
    odd,
    waiting,
    hangs,
    held,
    sleeps,
    threaded,
    side_by_side,
    limited,
    threaded_nested,
    threaded_waiting,
    many,
]
