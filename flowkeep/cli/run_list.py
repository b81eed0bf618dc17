"""`flowkeep run list`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from flowkeep.cli.arguments import Moment, split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table, show_seconds

if TYPE_CHECKING:
    from flowkeep.contracts import RunSummary, Stuck
    from flowkeep.contracts.api.listing import Listing

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
_FIELDS = {"app": "app_id", "definition": "definition_id", "parent": "parent_run_id"}
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
    split_pairs(filters["label"], "--label")

    from flowkeep.cli.requests import made
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.run_query import RunQuery

    renamed = {_FIELDS.get(name, name): value for name, value in {**alone, **filters}.items()}
    several = {name: list(renamed.pop(name)) for name in ("label", "triggered_from")}
    cursor = None if after is None else str(after)
    query = made(RunQuery, limit=limit, cursor=cursor, **several, **renamed)
    async with open_service(invocation) as client:
        _show(invocation, await client.runs.list(query))


def _option(name: str) -> str:
    return "--type" if name == "workflow_type" else f"--{name.replace('_', '-')}"


def _show(invocation: Invocation, page: "Listing[RunSummary]") -> None:
    if invocation.json:
        print_json(page)
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
    if page.next:
        click.echo(f"More: add --after {page.next}", err=True)
    elif not page.data:
        click.echo("No runs.", err=True)


def _mark(stuck: "Stuck | None") -> str:
    """Return why a run does not move in a word or two; the whole reason is shown by `run get`."""
    return "" if stuck is None else stuck.code.replace("_", " ").lower()


def _took(begin: datetime, end: datetime | None) -> str:
    return show_seconds((end - begin).total_seconds()) if end else ""
