"""`flowkeep definition schema`."""

import click

from flowkeep.cli.definition_files import needing_definitions
from flowkeep.cli.invocation import common_options
from flowkeep.cli.output import print_json


@click.command()
@common_options
def schema() -> None:
    """Print the JSON Schema of definitions, for editors.

    It knows the shape of a definition; what its fields mean together, `definition validate` checks.
    """
    with needing_definitions():
        from flowkeep.definitions.published_schema import definition_schema

        print_json(definition_schema())
