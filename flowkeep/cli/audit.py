"""`flowkeep audit`: who did what."""

from datetime import datetime

import click

from flowkeep.cli.arguments import Moment
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

_OUTCOMES = ("begun", "done", "failed", "denied")


@click.group()
def audit() -> None:
    """Read the audit log: every write through the service, and every denied access."""


@audit.command("list")
@click.option("--subject", help="Only what this one did.")
@click.option("--action", help="Only this action, for example run.cancel.")
@click.option("--kind", help="Only objects of this kind, for example run.")
@click.option("--object", "object_id", help="Only this object; with --kind.")
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only what ended so.")
@click.option("--since", type=Moment(), help="Then or later: ISO 8601, or an age like 2h.")
@click.option("--until", type=Moment(), help="Before then: ISO 8601, or an age like 2h.")
@click.option("--all-tenants", is_flag=True, help="Of every tenant, and what belongs to none.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Lines per page."
)
@click.option("--after", type=click.UUID, help="Id that the page before ended with.")
@common_options
@pass_invocation
def list_audit(
    invocation: Invocation,
    /,
    **filters: str | int | bool | datetime | None,
) -> None:
    """List the audit log, newest first."""
    invocation.run(_list(invocation, filters))


async def _list(
    invocation: Invocation, filters: dict[str, str | int | bool | datetime | None]
) -> None:
    from flowkeep.cli.service import open_service

    after, kind = filters.pop("after"), filters.pop("kind")
    asked = filters | {"object_kind": kind, "cursor": None if after is None else str(after)}
    async with open_service(invocation) as client:
        page = await client.audit.list(**asked)  # type: ignore[arg-type]  # click checked them
    if invocation.json:
        print_json(page)
        return
    across = bool(filters["all_tenants"])
    print_table(
        ("at", *(("tenant",) if across else ()), "subject", "action", "object", "status", "code"),
        (
            (
                one.at,
                *((one.tenant_id,) if across else ()),
                one.subject,
                one.action if one.times == 1 else f"{one.action} ({one.times} times)",
                " ".join(part for part in (one.object_kind, one.object_id) if part),
                one.outcome.value,
                one.code,
            )
            for one in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --after {page.next}", err=True)
    elif not page.data:
        click.echo("Nothing is in the audit log.", err=True)
