"""Reading the plans of what a method asks PostgreSQL."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from flowkeep.statestore import Store
from flowkeep.statestore import session as session_module
from flowkeep.statestore.pages import SET_RANGES
from flowkeep.statestore.repositories import driven
from flowkeep.statestore.session import EngineScope, Session


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plan's nodes, flat."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


_VERBS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that a store runs inside, with their parameters.

    Args:
        store: A store of its own connections.
    """
    told: list[tuple[str, Any]] = []
    scope = store.runs._scope
    assert isinstance(scope, EngineScope)
    sync = scope.engine().sync_engine
    run = driven.rows

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        told.append((statement, parameters))

    async def noting(session: Session, template: str, *parameters: Any) -> driven.Rows:
        told.append((driven.text(template, session.schema_name).decode(), parameters))
        return await run(session, template, *parameters)

    event.listen(sync, "before_cursor_execute", note)
    driven.rows = noting
    try:
        yield told
    finally:
        event.remove(sync, "before_cursor_execute", note)
        driven.rows = run


@contextmanager
def _noting_ranges(told: list[tuple[str, Any]]) -> Iterator[None]:
    """Note when a session plans in ranges only; pages go through SQLAlchemy, to be seen."""
    ordered = EngineScope.ordered

    @asynccontextmanager
    async def noted(self: EngineScope) -> AsyncIterator[Session]:
        async with ordered(self) as session:
            told.append((SET_RANGES, None))
            yield session

    with patch.object(EngineScope, "ordered", noted), patch.object(session_module, "is_tracing"):
        yield


async def plans(
    store: Store, call: Callable[[], Coroutine[Any, Any, Any]], *, generic: bool
) -> list[list[dict[str, Any]]]:
    """Return the plans of every statement that a call runs.

    Args:
        store: A store with one connection.
        call: The method.
        generic: Plan as for a prepared statement that does not know its parameters.
    """
    with statements(store) as told, _noting_ranges(told):
        await call()
    found = []
    async with store.runs._scope.read() as session:
        raw = await session.connection.get_raw_connection()
        driver: Any = raw.driver_connection
        mode = "force_generic_plan" if generic else "force_custom_plan"
        await driver.execute("BEGIN")
        for statement, parameters in told:
            if statement == SET_RANGES:  # how a list is planned is part of its plan
                await driver.execute(statement)
                continue
            if not statement.lstrip(" (\n").startswith(_VERBS):
                continue
            await driver.execute(f"SET LOCAL plan_cache_mode = {mode}")
            cursor = await driver.execute(
                f"EXPLAIN (FORMAT JSON, VERBOSE) {statement}", parameters, prepare=True
            )
            (row,) = await cursor.fetchone()
            tree = row if isinstance(row, list) else json.loads(row)
            found.append(nodes(tree[0]["Plan"]))
        await driver.execute("ROLLBACK")
    return found


BIG = {"run", "task", "run_event", "run_segment"}


def check(found: list[list[dict[str, Any]]], *, wanted: set[str], most_sorted: int = 3300) -> None:
    """Fail unless the plans read the wanted indexes and never a whole table."""
    assert found
    used: set[str] = set()
    for plan in found:
        for node in plan:
            assert not (node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG), node
            if node["Node Type"] == "Sort":
                assert node["Plan Rows"] <= most_sorted, node
            used.add(node.get("Index Name", ""))
    assert wanted <= used, used
