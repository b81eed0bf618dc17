"""Looking at webhooks."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.api.webhooks import Webhook

_STATES = click.Choice(["due", "started", "delivered", "failed", "dropped"])


@click.command("list")
@click.option("--app", "app_id", help="Only those of this app.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows per page."
)
@click.option("--cursor", type=click.UUID, help="`next` of the page before.")
@common_options
@pass_invocation
def list_webhooks(
    invocation: Invocation, app_id: str | None, limit: int, cursor: UUID | None
) -> None:
    """List webhooks, oldest first."""
    invocation.run(_list(invocation, app_id, limit, cursor))


async def _list(
    invocation: Invocation, app_id: str | None, limit: int, cursor: UUID | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.webhooks.list(app_id=app_id, limit=limit, cursor=cursor)
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("webhook id", "name", "url", "events", "enabled", "last delivery", "last error"),
        (
            (
                *(one.id, one.name, one.url, ", ".join(one.events)),
                *("yes" if one.enabled else "no", one.last_delivery_at, one.last_error),
            )
            for one in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --cursor {page.next}", err=True)


@click.command()
@click.argument("webhook_id", type=click.UUID)
@common_options
@pass_invocation
def show(invocation: Invocation, webhook_id: UUID) -> None:
    """Show the webhook WEBHOOK_ID, without its secret."""
    invocation.run(_show(invocation, webhook_id))


async def _show(invocation: Invocation, webhook_id: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.webhooks.get(webhook_id)
    print_webhook(invocation, found)


@click.command()
@click.argument("webhook_id", type=click.UUID)
@click.option("--state", type=_STATES, help="Only those in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows per page."
)
@click.option("--cursor", help="`next` of the page before.")
@common_options
@pass_invocation
def deliveries(
    invocation: Invocation, webhook_id: UUID, state: str | None, limit: int, cursor: str | None
) -> None:
    """List what was and is to be delivered to a webhook, newest first."""
    invocation.run(_deliveries(invocation, webhook_id, state, limit, cursor))


async def _deliveries(
    invocation: Invocation, webhook_id: UUID, state: str | None, limit: int, cursor: str | None
) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.webhooks import DeliveryState

    wanted = None if state is None else DeliveryState(state)
    async with open_service(invocation) as client:
        page = await client.webhooks.deliveries(
            webhook_id, state=wanted, limit=limit, cursor=cursor
        )
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("delivery id", "run id", "type", "state", "attempts", "answer", "at", "error"),
        (
            (
                *(one.id, one.run_id, one.type, one.state.value, one.attempts),
                *(one.status_code, one.created_at, one.error),
            )
            for one in page.data
        ),
    )
    if page.next:
        click.echo(f"More: add --cursor {page.next}", err=True)


def print_webhook(invocation: Invocation, found: "Webhook") -> None:
    """Print one webhook."""
    if invocation.json:
        print_json(found)
        return
    print_fields(
        {
            "webhook id": found.id,
            "name": found.name,
            "tenant": found.tenant_id,
            "url": found.url,
            "events": ", ".join(found.events),
            "app": found.app_id,
            "workflow type": found.workflow_type,
            "definition": found.definition_id,
            "labels": found.labels,
            "runs of": found.run_owner,
            "enabled": "yes" if found.enabled else "no",
            "owner": found.owner,
            "last delivery": found.last_delivery_at,
            "last error": found.last_error,
            "revision": found.revision,
        }
    )
