"""`flowkeep key`: API keys, which say who calls the service."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "create": (
            "flowkeep.cli.key_change:create",
            "Make a key called NAME and print its secret.",
        ),
        "list": (
            "flowkeep.cli.key_read:list_keys",
            "List keys, newest first, ended ones included.",
        ),
        "revoke": (
            "flowkeep.cli.key_change:revoke",
            "End the key KEY_ID, within five seconds everywhere.",
        ),
        "show": ("flowkeep.cli.key_read:show", "Show the key KEY_ID, without its secret."),
    },
)
def key() -> None:
    """Make, list and revoke API keys."""
