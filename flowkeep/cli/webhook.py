"""`flowkeep webhook`: who is told how runs end."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "create": (
            "flowkeep.cli.webhook_change:create",
            "Make a webhook called NAME that sends to URL.",
        ),
        "delete": ("flowkeep.cli.webhook_change:delete", "Remove the webhook WEBHOOK_ID."),
        "deliveries": (
            "flowkeep.cli.webhook_read:deliveries",
            "List what was and is to be delivered to a webhook, newest first.",
        ),
        "list": ("flowkeep.cli.webhook_read:list_webhooks", "List webhooks, oldest first."),
        "show": (
            "flowkeep.cli.webhook_read:show",
            "Show the webhook WEBHOOK_ID, without its secret.",
        ),
        "test": (
            "flowkeep.cli.webhook_change:test",
            "Have a message of the type `test` delivered.",
        ),
        "update": (
            "flowkeep.cli.webhook_change:update",
            "Change what is given of the webhook WEBHOOK_ID.",
        ),
    },
)
def webhook() -> None:
    """Have others told how runs end.

    Workers that serve `flowkeep.workflows.webhook` deliver.
    """
