"""`flowkeep run list`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from flowkeep.cli.arguments import Moment, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table, show_seconds

if TYPE_CHECKING:
    from flowkeep.contracts import Page, RunSummary, Stuck
    from flowkeep.statestore import Store

_STATUSES = (
    "pending",
    "running",
    "waiting",
    "succeeded",
    "failed",
    "cancelled",
    "timed_out",
    "unknown",
)
_ALONE = ("parent", "workflow_id", "paused", "stuck")
_HEADINGS = (
    "run id",
    "workflow id",
    "type",
    "status",
    "stuck",
    "kept",
    "trigger",
    "owner",
    "created",
    "took",
)


@click.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs in this status.")
@click.option("--type", "workflow_type", help="Only runs of this workflow type.")
@click.option("--app", help="Only runs of this app.")
@click.option("--definition", type=click.UUID, help="Only runs of this definition.")
@click.option("--triggered-from", multiple=True, help="Only runs of this trigger; repeatable.")
@click.option("--owner", help="Only runs of this owner.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="Only runs with this label.")
@click.option("--since", type=Moment(), help="Created then or later: ISO 8601, or an age like 2h.")
@click.option("--until", type=Moment(), help="Created before: ISO 8601, or an age like 7d.")
@click.option("--parent", type=click.UUID, help="What this run started; no other filter with it.")
@click.option("--workflow-id", help="Runs that used this id; no other filter with it.")
@click.option("--paused", is_flag=True, help="Paused runs; no other filter with it.")
@click.option("--stuck", is_flag=True, help="Runs that do not move; no other filter with it.")
@click.option("--chunks", is_flag=True, help="Show the chunks of large maps too.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Runs per page."
)
@click.option("--after", type=click.UUID, help="Run id that the page before ended with.")
@common_options
@pass_invocation
def list_runs(invocation: Invocation, /, limit: int, after: UUID | None, **filters: Any) -> None:
    """List runs, newest first."""
    invocation.run(_list(invocation, limit, after, **filters))


async def _list(invocation: Invocation, limit: int, after: UUID | None, **filters: Any) -> None:
    alone = {name: filters.pop(name) for name in _ALONE}
    given = [name for name, value in {**alone, **filters}.items() if value not in (None, (), False)]
    if len(given) > 1 and any(alone.values()):
        raise click.UsageError(
            f"{' and '.join(_option(name) for name in given)} exclude each other"
        )
    labels = split_pairs(filters["label"], "--label")

    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        runs, tenant = store.runs, invocation.tenant
        if alone["parent"] is not None:
            page = await runs.find_by_parent(tenant, alone["parent"], limit, after)
        elif alone["workflow_id"] is not None:
            page = await runs.find_by_workflow_id(
                tenant, alone["workflow_id"], limit=limit, last_id=after
            )
        elif alone["paused"]:
            page = await runs.find_paused(tenant, limit, after)
        elif alone["stuck"]:
            page = await runs.find_stuck(tenant, limit, after)
        else:
            page = await _filtered(store, tenant, limit, after, {**filters, "label": labels})
    _show(invocation, page)


async def _filtered(
    store: "Store", tenant: str, limit: int, after: UUID | None, filters: Mapping[str, Any]
) -> "Page[RunSummary]":
    from flowkeep.contracts import RunKind

    return await store.runs.get_paginated_runs(
        tenant,
        app_id=filters["app"],
        triggered_from=list(filters["triggered_from"]) or None,
        limit=limit,
        last_id=after,
        status=filters["status"],
        definition_id=filters["definition"],
        owner=filters["owner"],
        workflow_type=filters["workflow_type"],
        labels=filters["label"],
        since=filters["since"],
        until=filters["until"],
        kinds=tuple(RunKind) if filters["chunks"] else (RunKind.RUN,),
    )


def _option(name: str) -> str:
    return "--type" if name == "workflow_type" else f"--{name.replace('_', '-')}"


def _show(invocation: Invocation, page: "Page[RunSummary]") -> None:
    following = str(page.data[-1].id) if page.has_more else None
    if invocation.json:
        print_json(
            {"data": page.data, "limit": page.limit, "has_more": page.has_more, "next": following}
        )
        return
    print_table(
        _HEADINGS,
        (
            (
                run.id,
                "" if run.workflow_id == str(run.id) else run.workflow_id,
                run.workflow_type,
                run.status.value,
                _mark(run.stuck),
                "archived" if run.archived else "",
                run.triggered_from,
                run.owner,
                run.created_at,
                _took(run.started_at or run.created_at, run.finished_at),
            )
            for run in page.data
        ),
    )
    if following:
        click.echo(f"More: add --after {following}", err=True)
    elif not page.data:
        click.echo("No runs.", err=True)


def _mark(stuck: "Stuck | None") -> str:
    """Return why a run does not move in a word or two; the whole reason is shown by `run get`."""
    return "" if stuck is None else stuck.code.replace("_", " ").lower()


def _took(begin: datetime, end: datetime | None) -> str:
    return show_seconds((end - begin).total_seconds()) if end else ""
