"""The plans of a call's statements, as the server makes them for known and unknown parameters."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import event

from flowkeep.statestore import Store

_EXPLAINED = ("SELECT", "WITH")


async def explain(store: Store, call: Callable[[], Awaitable[Any]]) -> str:
    """Return the plans of every statement that reads, with what they took.

    Args:
        store: Has one connection, which is used here, too.
        call: What runs the statements.
    """
    scope: Any = store.runs._scope  # noqa: SLF001 - nobody else needs the statements
    sync = scope.engine().sync_engine
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        statements.append((statement, parameters))

    event.listen(sync, "before_cursor_execute", note)
    try:
        await call()
    finally:
        event.remove(sync, "before_cursor_execute", note)
    lines = []
    async with scope.read() as session:
        raw = await session.connection.get_raw_connection()
        driver = raw.driver_connection
        for mode in ("force_custom_plan", "force_generic_plan"):
            await driver.execute(f"SET plan_cache_mode = {mode}")
            for statement, parameters in statements:
                if statement.lstrip().startswith(_EXPLAINED):
                    lines.append(f"-- {mode}: {' '.join(statement.split())[-200:]}")
                    cursor = await driver.execute(
                        f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters, prepare=True
                    )
                    lines += [line for (line,) in await cursor.fetchall()]
        await driver.execute("RESET plan_cache_mode")
    return "\n".join(lines)
