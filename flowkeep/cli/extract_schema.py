"""`flowkeep extract schema`."""

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json


@click.command()
@common_options
@pass_invocation
def schema(invocation: Invocation) -> None:
    """Print the JSON Schema of the entities.

    Each line of the JSON lines of an extraction is one entity.
    """
    from flowkeep.extraction.metadata.entity_schema import entity_schema

    print_json(entity_schema())
