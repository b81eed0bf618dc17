"""`flowkeep definition`: what is stored of definitions."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "get": ("flowkeep.cli.definition_read:get", "Show one definition."),
        "list": (
            "flowkeep.cli.definition_list:list_definitions",
            "List definitions, newest first.",
        ),
        "versions": (
            "flowkeep.cli.definition_read:versions",
            "List the versions of a definition, newest first.",
        ),
    },
)
def definition() -> None:
    """List and show stored definitions.

    A definition is named by its id or by its ref.
    """
