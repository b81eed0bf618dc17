"""`flowkeep run logs`: what the code of a run's tasks logged."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json

if TYPE_CHECKING:
    from flowkeep.clients.direct import DirectClient
    from flowkeep.clients.remote import AsyncRemoteClient
    from flowkeep.contracts.task_logs import LogLine

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)
_EVERY_SECONDS = 1.0
_SETTLED = timedelta(seconds=5)
"""Workers write behind, and not in one order: lines younger than this may yet get one before."""
_PAGE = 1000


@click.command()
@click.argument("run")
@click.option("--task", metavar="ACTIVITY_ID", help="Only this task's lines.")
@click.option("--attempt", type=click.IntRange(1, 2**31 - 1), help="Only this attempt's lines.")
@click.option("--level", type=_LEVELS, help="Only lines that are at least as grave.")
@click.option("--follow", is_flag=True, help="Go on until the run has ended.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Lines per page."
)
@click.option("--cursor", help="`next` of the page before.")
@common_options
@pass_invocation
def logs(
    invocation: Invocation,
    run: str,
    task: str | None,
    attempt: int | None,
    level: str | None,
    follow: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """Show what the code of a run's tasks logged.

    RUN is a run id, or a workflow id for its newest run. With --follow and -o json each line is one
    document.
    """
    given = {"activity_id": task, "attempt": attempt, "level": level}
    filters = {name: value for name, value in given.items() if value is not None}
    if follow:
        invocation.run(_follow(invocation, run, filters, cursor))
    else:
        invocation.run(_list(invocation, run, filters, limit, cursor))


async def _list(
    invocation: Invocation, name: str, filters: dict[str, Any], limit: int, cursor: str | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        run_id = (await client.runs.find(name)).id
        page = await client.run_logs.list(run_id, **_typed(filters), limit=limit, cursor=cursor)
    if invocation.json:
        print_json(page)
        return
    for line in page.data:
        click.echo(_text(line))
    if page.next:
        click.echo(f"More: add --cursor {page.next}", err=True)
    elif not page.data:
        click.echo("No lines.", err=True)


async def _follow(
    invocation: Invocation, name: str, filters: dict[str, Any], cursor: str | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        run_id, seen = (await client.runs.find(name)).id, set[int]()
        ended_at: datetime | None = None
        while True:
            run = await client.runs.get(run_id)
            cursor = await _show(invocation, client, run_id, filters, cursor, seen)
            if run.status.terminal:
                ended_at = ended_at or datetime.now(UTC)
                if datetime.now(UTC) - ended_at > timedelta(seconds=2 * _EVERY_SECONDS):
                    return
            await asyncio.sleep(_EVERY_SECONDS)


async def _show(
    invocation: Invocation,
    client: "DirectClient | AsyncRemoteClient",
    run_id: UUID,
    filters: dict[str, Any],
    cursor: str | None,
    seen: set[int],
) -> str | None:
    """Print the lines that were not seen yet; returns behind which one nothing can come any more.

    Args:
        invocation: The output format.
        client: The service.
        run_id: The run.
        filters: Which lines.
        cursor: Where to begin.
        seen: Lines behind the cursor that were printed; changed here.
    """
    settled, last = cursor, cursor
    old = datetime.now(UTC) - _SETTLED
    while True:
        page = await client.run_logs.list(run_id, **_typed(filters), limit=_PAGE, cursor=last)
        for line in page.data:
            if line.seq not in seen:
                seen.add(line.seq)
                if invocation.json:
                    click.echo(line.model_dump_json())
                else:
                    click.echo(_text(line))
            if settled == last and line.at < old:
                settled = str(line.seq)
            last = str(line.seq)
        if page.next is None:
            break
    if settled is not None:
        seen -= {one for one in seen if one <= int(settled)}
    return settled


def _typed(filters: dict[str, Any]) -> dict[str, Any]:
    from flowkeep.contracts.task_logs import LogLevel

    level = filters.get("level")
    return filters if level is None else {**filters, "level": LogLevel(level.upper())}


def _text(line: "LogLine") -> str:
    """Return a line for people: time, level, task and attempt, message, fields."""
    at = line.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = dict(line.fields or {})
    exception = fields.pop("exception", None)
    more = "".join(f" {name}={value}" for name, value in fields.items())
    told = "" if exception is None else f"\n{exception}"
    where = f"{line.activity_id}#{line.attempt}"
    return f"{at} {line.level.value:<8} {where} {line.message}{more}{told}"
