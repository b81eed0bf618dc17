"""`core.sql`: one statement on a database, its parameters bound and never formatted in."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from flowkeep.definitions.action_context import ActionContext, ActionError
from flowkeep.definitions.action_definition import IDEMPOTENT_RETRY, Action, make_action
from flowkeep.definitions.durations import Seconds
from flowkeep.errors import InvalidInput

_PATIENCE_SECONDS = 0.5


class Login(BaseModel):
    """The parts of a URL, as `sqlalchemy.URL.create` names them."""

    model_config = ConfigDict(extra="ignore")  # a secret may say more

    drivername: str = "postgresql"
    username: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None


class SqlResult(TypedDict):
    """What a statement gave.

    Attributes:
        rows: The rows, each by the names of its columns.
        count: How many rows there are here; with `mode: execute`, how many were changed.
        truncated: Whether there are more than `max_rows`.
    """

    rows: list[dict[str, Any]]
    count: int
    truncated: bool


async def sql(
    context: ActionContext,
    connection: Annotated[
        str | Login,
        Field(description="A reference to a secret: a URL, or an object with its parts."),
    ],
    statement: Annotated[
        str, Field(min_length=1, description="One statement, its parameters written :name.")
    ],
    parameters: Annotated[
        dict[str, Any], Field(default_factory=dict, description="What :name stands for, by name.")
    ],
    mode: Annotated[
        Literal["rows", "execute"],
        Field(description="rows reads and changes nothing; execute changes and commits."),
    ] = "rows",
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000,
    timeout: Annotated[Seconds, Field(gt=0, le=86_400)] = 60.0,  # noqa: ASYNC109 - an input
    repeatable: Annotated[
        bool,
        Field(description="Executing it twice does no harm, so that it may be tried again."),
    ] = False,
) -> SqlResult:
    """Execute one statement on a database and return its rows."""
    if mode == "execute" and not repeatable:
        context.refuse_repetition(
            "the statement of core.sql",
            "repeatable: true lets it be tried again, where executing it twice does no harm",
        )
    if "\x00" in statement or _has_nul(parameters):
        raise InvalidInput("statement and parameters of core.sql must not hold NUL characters")
    from flowkeep.definitions.builtin.sql_statement import SqlStatement

    work = SqlStatement(
        connection if isinstance(connection, str) else connection.model_dump(),
        statement,
        parameters,
        reads=mode == "rows",
        max_rows=max_rows,
        timeout=timeout,
        repeatable=repeatable or mode == "rows",
    )
    running = asyncio.ensure_future(context.run_blocking(work.execute))
    try:
        await asyncio.wait([running], timeout=timeout)
        if not running.done():
            raise ActionError(
                f"the statement of core.sql took longer than {timeout:g} s",
                code="SQL_TIMEOUT",
                retryable=work.repeatable,
            )
    finally:
        while not running.done():
            await context.run_blocking(work.interrupt)
            await asyncio.wait([running], timeout=_PATIENCE_SECONDS)
        error = running.exception()  # what it says of being stopped interests nobody
    if error is not None:
        raise error
    rows, count, truncated = running.result()
    return {"rows": rows, "count": count, "truncated": truncated}


def sql_action() -> Action:
    """Return the action `core.sql`."""
    return make_action("core.sql", sql, retry=IDEMPOTENT_RETRY, built_in=True)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    items = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, (Mapping, list)) and any(map(_has_nul, items))
