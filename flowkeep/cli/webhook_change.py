"""Making, changing and trying webhooks."""

from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from flowkeep.cli.arguments import split_pairs
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json
from flowkeep.cli.webhook_read import print_webhook

if TYPE_CHECKING:
    from flowkeep.contracts.record import Record

    R = TypeVar("R", bound=Record)

_EVENTS = click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(["succeeded", "failed", "cancelled", "timed_out", "unknown", "waiting"]),
    help="A status that is told; may be given several times. Else all ends.",
)
_LABELS = click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only runs with this label."
)
_TYPE = click.option("--workflow-type", help="Only runs of this type.")
_DEFINITION = click.option("--definition-id", type=click.UUID, help="Only runs of this definition.")


@click.command()
@click.argument("name")
@click.argument("url")
@_EVENTS
@click.option("--app", "app_id", help="Only runs of this app.")
@_TYPE
@_DEFINITION
@_LABELS
@click.option("--run-owner", help="Only runs of this owner.")
@common_options
@pass_invocation
def create(invocation: Invocation, /, **fields: Any) -> None:
    """Make a webhook called NAME that sends to URL.

    Printed is the secret that signs its messages, this once.
    """
    invocation.run(_create(invocation, _given(fields)))


async def _create(invocation: Invocation, fields: dict[str, Any]) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.webhooks import NewWebhook

    new = _checked(NewWebhook, fields)
    async with open_service(invocation) as client:
        made = await client.webhooks.create(new)
    if invocation.json:
        print_json(made)
        return
    click.echo(made.secret)
    click.echo(f"This is the secret of webhook {made.id}; it is not shown again.", err=True)


@click.command()
@click.argument("webhook_id", type=click.UUID)
@click.option("--name", help="What people call it.")
@click.option("--url", help="Where messages are sent.")
@_EVENTS
@_TYPE
@_DEFINITION
@_LABELS
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is told at all.")
@common_options
@pass_invocation
def update(invocation: Invocation, /, webhook_id: UUID, **fields: Any) -> None:
    """Change what is given of the webhook WEBHOOK_ID."""
    invocation.run(_update(invocation, webhook_id, _given(fields)))


async def _update(invocation: Invocation, webhook_id: UUID, fields: dict[str, Any]) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.webhooks import WebhookPatch

    patch = _checked(WebhookPatch, fields)
    async with open_service(invocation) as client:
        changed = await client.webhooks.update(webhook_id, patch)
    print_webhook(invocation, changed)


@click.command()
@click.argument("webhook_id", type=click.UUID)
@common_options
@pass_invocation
def delete(invocation: Invocation, webhook_id: UUID) -> None:
    """Remove the webhook WEBHOOK_ID; what is due is not sent any more."""
    invocation.run(_delete(invocation, webhook_id))


async def _delete(invocation: Invocation, webhook_id: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        await client.webhooks.delete(webhook_id)
    if invocation.json:
        print_json({"deleted": webhook_id})
    else:
        click.echo(f"Webhook {webhook_id} is removed.")


@click.command()
@click.argument("webhook_id", type=click.UUID)
@common_options
@pass_invocation
def test(invocation: Invocation, webhook_id: UUID) -> None:
    """Have a message of the type `test` delivered.

    It goes to the webhook WEBHOOK_ID, as others do.
    """
    invocation.run(_test(invocation, webhook_id))


async def _test(invocation: Invocation, webhook_id: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        due = await client.webhooks.test(webhook_id)
    if invocation.json:
        print_json(due)
    else:
        click.echo(f"Delivery {due.id} is due.")
        click.echo(f"What becomes of it: flowkeep webhook deliveries {webhook_id}", err=True)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if "labels" in given:
        given["labels"] = split_pairs(given["labels"], "--label")
    return given


def _checked(kind: "type[R]", fields: dict[str, Any]) -> "R":
    from pydantic import ValidationError

    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        said = "; ".join(
            ": ".join([*map(str, one["loc"][:1]), one["msg"].removeprefix("Value error, ")])
            for one in error.errors()
        )
        raise click.UsageError(said) from None
