"""The calls that are timed, with seeded arguments that are alike at every size."""

import random
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from benchmarks._ledger_rows import (
    APPS,
    DEFINITIONS,
    OWNERS,
    REGIONS,
    SPAN,
    STATUSES,
    TEAMS,
    TENANTS,
    TRIGGERS,
    TYPES,
    Population,
    definition_id,
)
from flowkeep.statestore import Store

Call = Callable[[], Awaitable[Any]]
PAGE = 20
DEEP = 1_000
"""The deep page: reached by paging, with pages of 100 for the way."""
_WALKS = 3
"""Cursors of each deep page."""


@dataclass(frozen=True)
class Ledger:
    """One filled ledger.

    Attributes:
        store: With one connection.
        population: What was filled in.
    """

    store: Store
    population: Population


class Draw:
    """Arguments as a user would give them: what is frequent is asked for frequently.

    Args:
        name: Of the call; the same name draws the same arguments at every size.
        population: Whose times to draw from.
    """

    def __init__(self, name: str, population: Population) -> None:
        self.random = random.Random(f"{population.seed} {name}")
        self._until = population.until

    def of(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def tenant(self) -> str:
        return self.of(TENANTS)

    def definition(self, tenant: str) -> UUID:
        number = int(self.random.random() ** 2 * DEFINITIONS)
        return definition_id(list(TENANTS).index(tenant), number)

    def time(self, first: float = 0.0, last: float = 1.0) -> datetime:
        """Return a time between two shares of the span."""
        share = first + (last - first) * self.random.random()
        return self._until - SPAN * (1 - share)


def _filters() -> dict[str, Callable[[Draw, str], dict[str, Any]]]:
    """Return how each list is filtered, by its name in the report."""

    def week(draw: Draw, _tenant: str) -> dict[str, Any]:
        until = draw.time(0.2)
        return {"since": until - timedelta(days=7), "until": until}

    def two(draw: Draw, _tenant: str) -> dict[str, Any]:
        return {"triggered_from": draw.random.sample(list(TRIGGERS), 2)}

    return {
        "all": lambda draw, tenant: {},
        "app": lambda draw, tenant: {"app_id": draw.of(APPS)},
        "trigger": lambda draw, tenant: {"triggered_from": draw.of(TRIGGERS)},
        "two triggers": two,
        "status": lambda draw, tenant: {"status": draw.of(STATUSES)},
        "rare status": lambda draw, tenant: {"status": "unknown"},
        "definition": lambda draw, tenant: {"definition_id": draw.definition(tenant)},
        "owner": lambda draw, tenant: {"owner": draw.of(OWNERS)},
        "type": lambda draw, tenant: {"workflow_type": draw.random.choice(TYPES)},
        "label": lambda draw, tenant: {"labels": {"team": draw.of(TEAMS)}},
        "two labels": lambda draw, tenant: {
            "labels": {"team": draw.of(TEAMS), "region": draw.of(REGIONS)}
        },
        "since, until": week,
        "app, status": lambda draw, tenant: {"app_id": draw.of(APPS), "status": "failed"},
        "app, trigger": lambda draw, tenant: {
            "app_id": draw.of(APPS),
            "triggered_from": draw.of(TRIGGERS),
        },
        "owner, status": lambda draw, tenant: {"owner": draw.of(OWNERS), "status": "failed"},
        "type, status": lambda draw, tenant: {
            "workflow_type": draw.random.choice(TYPES),
            "status": "failed",
        },
        "label, status": lambda draw, tenant: {
            "labels": {"team": draw.of(TEAMS)},
            "status": "failed",
        },
    }


async def prepare(ledger: Ledger, calls: int, only: str) -> dict[str, list[Call]]:
    """Return so many calls of each kind.

    Args:
        ledger: What is asked.
        calls: How many of each.
        only: Regular expression that a kind's name must hold.
    """
    found: dict[str, list[Call]] = {}
    for name, arguments in _filters().items():
        title, deep_title = f"list: {name}", f"list: {name}, page 1,000"
        draw = Draw(title, ledger.population)
        asked = [_list(ledger, draw, arguments) for _ in range(calls)]
        if re.search(only, title):
            found[title] = [first for first, _ in asked]
        if re.search(only, deep_title):
            deep = [await _walk(page) for _, page in asked[:_WALKS]]
            found[deep_title] = [deep[n % len(deep)] for n in range(calls)]
    for name, prepared in _OTHERS.items():
        if re.search(only, name):
            draw = Draw(name, ledger.population)
            found[name] = [await prepared(ledger, draw) for _ in range(calls)]
    return found


def _list(
    ledger: Ledger, draw: Draw, arguments: Callable[[Draw, str], dict[str, Any]]
) -> tuple[Call, Callable[[int, UUID | None], Awaitable[Any]]]:
    tenant = draw.tenant()
    filters = arguments(draw, tenant)

    def page(limit: int, last_id: UUID | None) -> Awaitable[Any]:
        return ledger.store.runs.get_paginated_runs(tenant, limit=limit, last_id=last_id, **filters)

    return lambda: page(PAGE, None), page


async def _walk(page: Callable[[int, UUID | None], Awaitable[Any]]) -> Call:
    """Return the call of page 1,000, or of the middle page of a list that is shorter."""
    last_ids: list[UUID | None] = [None]
    while len(last_ids) <= DEEP * PAGE // 100:
        found = await page(100, last_ids[-1])
        if not found.has_more:
            break
        last_ids.append(found.data[-1].id)
    last_id = last_ids[-1] if len(last_ids) > DEEP * PAGE // 100 else last_ids[len(last_ids) // 2]
    return lambda: page(PAGE, last_id)


async def _by_status(ledger: Ledger, draw: Draw) -> Call:
    tenant, status = draw.tenant(), draw.of(STATUSES)
    return lambda: ledger.store.runs.list_by_status(tenant, status, PAGE)


async def _get(ledger: Ledger, draw: Draw) -> Call:
    run = await _some_run(ledger, draw, 0.15, 0.99)
    return lambda: ledger.store.runs.get_run_by_id(run.tenant_id, run.app_id, run.id)


async def _events(ledger: Ledger, draw: Draw) -> Call:
    run = await _some_run(ledger, draw, *_DETAILED)
    return lambda: ledger.store.runs.list_events(run.tenant_id, run.id)


async def _tasks(ledger: Ledger, draw: Draw) -> Call:
    run = await _some_run(ledger, draw, *_DETAILED)
    return lambda: ledger.store.tasks.list_tasks(run.tenant_id, run.id)


async def _update(ledger: Ledger, draw: Draw) -> Call:
    """Return an update of an open run; it can be called again, as the run changes on."""
    runs = ledger.store.runs
    found = await _some_run(ledger, draw, 0.992, 1.0, status="running")
    tenant, mark = found.tenant_id, draw.random.getrandbits(32)

    async def update() -> None:
        run = await runs.get(tenant, found.id)
        changed = run.evolve(current_step=f"step {mark} {run.revision}")
        await runs.update_and_append(tenant, changed, "state_patched", {"set": ["phase"]})

    return update


async def _some_run(
    ledger: Ledger, draw: Draw, first: float, last: float, *, status: str | None = None
) -> Any:
    """Return the run that was a tenant's newest at some time, between two shares of the span."""
    while True:
        page = await ledger.store.runs.get_paginated_runs(
            draw.tenant(), limit=1, until=draw.time(first, last), status=status
        )
        if page.data:
            return page.data[0]


def _counts(window: str) -> Callable[[Ledger, Draw], Awaitable[Call]]:
    async def prepared(ledger: Ledger, draw: Draw) -> Call:
        tenant = draw.tenant()
        return lambda: ledger.store.runs.count_by_status(tenant, window)

    return prepared


def _statistic(name: str, **arguments: Any) -> Callable[[Ledger, Draw], Awaitable[Call]]:
    """Return how a statistic of 30 days is asked for."""

    async def prepared(ledger: Ledger, draw: Draw) -> Call:
        tenant, until = draw.tenant(), draw.time(0.4, 1.0)
        method = getattr(ledger.store.statistics, name)
        return lambda: method(tenant, since=until - timedelta(days=30), until=until, **arguments)

    return prepared


_DETAILED = (0.905, 0.985)
_OTHERS: dict[str, Callable[[Ledger, Draw], Awaitable[Call]]] = {
    "list_by_status": _by_status,
    "get_run_by_id": _get,
    "list_events": _events,
    "list_tasks": _tasks,
    "get and update_and_append": _update,
    **{f"count_by_status {window}": _counts(window) for window in ("30s", "30m", "4h", "7d")},
    "per_day, 30 days": _statistic("per_day", time_zone="Europe/Berlin"),
    "durations, 30 days": _statistic("durations"),
    "most_executed, 30 days": _statistic("most_executed"),
    "usage by module, 30 days": _statistic("usage"),
    "usage by step, 30 days": _statistic("usage", by="step"),
}


def in_turns(calls: dict[int, list[Call]]) -> Iterator[tuple[int, Call]]:
    """Yield the calls of all sizes in turns, every other turn in reverse order."""
    sizes = list(calls)
    for turn, together in enumerate(zip(*calls.values(), strict=True)):
        pairs = list(zip(sizes, together, strict=True))
        yield from pairs if turn % 2 == 0 else pairs[::-1]
