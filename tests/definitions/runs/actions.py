"""Actions that tests call."""

import asyncio
from collections import Counter
from typing import Any

from flowkeep.definitions.actions import ActionContext, ActionError, action
from flowkeep.definitions.spec import Retry

held: dict[str, asyncio.Event] = {}
"""What `test.hold` waits for, by name."""

begun: Counter[str] = Counter()
"""How often an action was begun, by name."""

seen: list[str] = []
"""Names in the order in which `test.count` was called."""

at_once: dict[str, list[int]] = {}
"""Per group: how many calls of `test.hold` run now, and how many did at most."""


def release(*names: str) -> None:
    """Let `test.hold` go on."""
    for name in names:
        held.setdefault(name, asyncio.Event()).set()


def let_go() -> None:
    """Let everything go on."""
    release(*held)


@action("test.add", idempotent=True)
async def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


@action("test.count")
async def count(name: str, value: Any = None) -> Any:
    """Give a value, and count the calls."""
    begun[name] += 1
    seen.append(name)
    return value


@action("test.flaky", retry=Retry(count=5, delay=0.01))
async def flaky(name: str, failures: int, code: str = "FLAKY") -> int:
    """Fail some times, then give the number of the attempt."""
    begun[name] += 1
    if begun[name] <= failures:
        raise ActionError(f"failure {begun[name]}", code=code)
    return begun[name]


@action("test.break")
async def break_(message: str = "broken", code: str = "BROKEN") -> None:
    """Fail."""
    raise ActionError(message, code=code)


@action("test.refuse")
async def refuse(value: Any, refused: Any) -> Any:
    """Fail for one value."""
    if value == refused:
        raise ActionError(f"{value} is refused", code="REFUSED")
    return value


@action("test.hold", idempotent=True)
async def hold(name: str, group: str = "") -> str:
    """Wait until the test lets go."""
    begun[name] += 1
    counts = at_once.setdefault(group, [0, 0])
    counts[0] += 1
    counts[1] = max(counts)
    try:
        await held.setdefault(name, asyncio.Event()).wait()
    finally:
        counts[0] -= 1
    return name


@action("test.big")
def big(size: int) -> str:
    """Give a long text."""
    return "x" * size


@action("test.length")
def length(text: str) -> int:
    """Measure a text."""
    return len(text)


@action("test.attempt", idempotent=True)
async def attempt(context: ActionContext) -> int:
    """Give the number of the attempt."""
    return context.attempt


@action("test.echo", idempotent=True)
async def echo(value: Any = None) -> Any:
    """Give what it gets."""
    return value


@action("test.keys")
async def keys(value: dict[str, str]) -> int:
    """Measure a password."""
    return len(value["password"])


@action("test.leak")
async def leak(value: dict[str, str]) -> None:
    """Fail, and tell a password."""
    raise ActionError(f"cannot log in with {value['password']}", code="LEAK")


ALL = [add, count, flaky, break_, refuse, hold, big, length, attempt, echo, keys, leak]
