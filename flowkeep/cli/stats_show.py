"""The bodies of `flowkeep stats`. Heavy, imported late."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import click

from flowkeep.cli.app import CALL_FAILED, OK
from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import print_fields, print_json, print_table, show_seconds
from flowkeep.cli.service import open_service
from flowkeep.cli.session import open_store
from flowkeep.contracts.statistics import Counts, Durations, Figures
from flowkeep.contracts.status import RunStatus
from flowkeep.errors import InvalidInput

_STATUSES = tuple(status.value for status in RunStatus)
_PERCENTILES = ("mean", "p50", "p90", "p95", "p99")


async def show_summary(invocation: Invocation, window: str, app: str | None) -> None:
    """Print counts by status and durations of a window."""
    async with open_service(invocation) as client:
        found = await client.statistics.summary(window, app_id=app)
    if invocation.json:
        by_status = {status.value: number for status, number in found.by_status.items()}
        body = {"window": window, "by_status": by_status, "durations": found.durations}
        print_json({**body, "as_of": found.as_of})
        return
    print_table(
        ("status", "runs"),
        [
            *((status.value, number) for status, number in found.by_status.items() if number),
            ("all", sum(found.by_status.values())),
        ],
    )
    if found.durations.count:
        click.echo()
        _print_durations(found.durations)
    _tell(found.as_of)


async def show_days(
    invocation: Invocation,
    *,
    time_zone: str,
    definition: Any,
    workflow_type: str | None,
    all_tenants: bool,
    app: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print runs by day."""
    filters = _filters(all_tenants, app=app, definition=definition, type=workflow_type)
    async with open_service(invocation) as client:
        figures = await client.statistics.per_day(
            time_zone, since, until, all_tenants=all_tenants, **filters
        )
    _print_counts(invocation, figures, ("day",), {"time_zone": time_zone})


async def show_durations(
    invocation: Invocation,
    *,
    definition: Any,
    workflow_type: str | None,
    all_tenants: bool,
    app: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print how long runs took."""
    filters = _filters(all_tenants, app=app, definition=definition, type=workflow_type)
    async with open_service(invocation) as client:
        figures = await client.statistics.durations(
            since, until, all_tenants=all_tenants, **filters
        )
    if invocation.json:
        print_json({"data": figures.data, "as_of": figures.as_of})
        return
    _print_durations(figures.data)
    _tell(figures.as_of)


async def show_top(
    invocation: Invocation,
    *,
    by: str,
    limit: int,
    all_tenants: bool,
    app: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print what has most runs."""
    name: Literal["definition", "workflow_type"]
    name = "definition" if by == "definition" else "workflow_type"
    filters = _filters(all_tenants, app=app)
    async with open_service(invocation) as client:
        figures = await client.statistics.most_executed(
            limit, since, until, by=name, all_tenants=all_tenants, **filters
        )
    _print_counts(invocation, figures, ("definition_id" if name == "definition" else name,))


async def show_usage(
    invocation: Invocation,
    *,
    by: Literal["module", "step"],
    limit: int,
    all_tenants: bool,
    app: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print what definitions use."""
    filters = _filters(all_tenants, app=app)
    async with open_service(invocation) as client:
        figures = await client.statistics.usage(
            limit, since, until, by=by, all_tenants=all_tenants, **filters
        )
    names = ("module", "definitions") if by == "module" else ("module", "step", "definitions")
    _print_counts(invocation, figures, names)


async def show_tenants(
    invocation: Invocation,
    limit: int,
    after: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print a page of tenants."""
    async with open_service(invocation) as client:
        page = await client.statistics.tenants(since, until, limit=limit, cursor=after)
    rows = Figures(page.data, page.as_of)
    paging = {"limit": limit, "has_more": page.has_more, "next": page.next}
    _print_counts(invocation, rows, ("tenant_id",), paging)
    if page.next and not invocation.json:
        click.echo(f"More: add --after {page.next}", err=True)


async def run_rebuild(invocation: Invocation) -> int:
    """Count all runs anew; returns the exit code."""
    async with open_store(invocation) as store:
        done = await store.system.fold_rollups(rebuild=True)
    if invocation.json:
        print_json({"complete": done})
    else:
        click.echo("All runs are counted." if done else "Another process counts just now.")
    return OK if done else CALL_FAILED


def _filters(all_tenants: bool, *, app: str | None, **further: Any) -> dict[str, Any]:
    """Return the filters of a tenant's statistics.

    Raises:
        InvalidInput: If one is given although all tenants are meant.
    """
    given = {"app": app, **further}
    if all_tenants:
        names = [f"--{name}" for name, value in given.items() if value is not None]
        if names:
            raise InvalidInput(
                f"{' and '.join(names)} cannot be used with --all-tenants",
                hint="apps and definitions belong to a tenant",
            )
        return {}
    columns = {"app": "app_id", "definition": "definition_id", "type": "workflow_type"}
    return {columns[name]: value for name, value in given.items()}


def _print_counts(
    invocation: Invocation,
    figures: Figures[Any],
    names: tuple[str, ...],
    further: Mapping[str, Any] | None = None,
) -> None:
    rows: Sequence[Counts] = figures.data
    if invocation.json:
        print_json({"data": rows, **(further or {}), "as_of": figures.as_of})
        return
    seen = [s for s in _STATUSES if any(RunStatus(s) in row.by_status for row in rows)]
    headings = (*(name.removesuffix("_id").replace("_", " ") for name in names), "runs", *seen)
    print_table(
        headings,
        (
            (
                *(getattr(row, name) for name in names),
                row.runs,
                *(row.by_status.get(RunStatus(status), "") for status in seen),
            )
            for row in rows
        ),
    )
    if not rows:
        click.echo("No runs.", err=True)
    _tell(figures.as_of)


def _print_durations(found: Durations) -> None:
    values = {name: show_seconds(getattr(found, name)) for name in _PERCENTILES}
    print_fields({"ended": found.count, **values})


def _tell(as_of: datetime | None) -> None:
    """Say up to when the figures are complete."""
    if as_of is None:
        click.echo("Runs are still being counted for the first time: ask again.", err=True)
    else:
        moment = as_of.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"Changes since {moment} UTC may be missing.", err=True)
