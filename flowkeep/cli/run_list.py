"""`flowkeep run list`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from flowkeep.cli.arguments import Moment, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table, show_seconds

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
_HEADINGS = ("run id", "workflow id", "type", "status", "trigger", "owner", "created", "took")


@click.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs in this status.")
@click.option("--type", "workflow_type", help="Only runs of this workflow type.")
@click.option("--app", help="Only runs of this app.")
@click.option("--triggered-from", multiple=True, help="Only runs of this trigger; repeatable.")
@click.option("--owner", help="Only runs of this owner.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="Only runs with this label.")
@click.option("--since", type=Moment(), help="Created then or later: ISO 8601, or an age like 2h.")
@click.option("--until", type=Moment(), help="Created before: ISO 8601, or an age like 7d.")
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


async def _list(
    invocation: Invocation,
    limit: int,
    after: UUID | None,
    *,
    status: str | None,
    workflow_type: str | None,
    app: str | None,
    triggered_from: tuple[str, ...],
    owner: str | None,
    label: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    chunks: bool,
) -> None:
    labels: Mapping[str, str] = split_pairs(label, "--label")

    from flowkeep.cli.session import open_store
    from flowkeep.contracts import RunKind

    async with open_store(invocation) as store:
        page = await store.runs.get_paginated_runs(
            invocation.tenant,
            app_id=app,
            triggered_from=list(triggered_from) or None,
            limit=limit,
            last_id=after,
            status=status,
            owner=owner,
            workflow_type=workflow_type,
            labels=labels or None,
            since=since,
            until=until,
            kinds=tuple(RunKind) if chunks else (RunKind.RUN,),
        )
    following = str(page.data[-1].id) if page.has_more else None
    if invocation.json:
        print_json(
            {"data": page.data, "limit": limit, "has_more": page.has_more, "next": following}
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


def _took(begin: datetime, end: datetime | None) -> str:
    return show_seconds((end - begin).total_seconds()) if end else ""
