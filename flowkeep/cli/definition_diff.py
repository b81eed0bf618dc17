"""`flowkeep definition diff`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowkeep.cli.definition_files import needing_definitions, read_files, source_of
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, show

if TYPE_CHECKING:
    from flowkeep.contracts.api.definition_answers import DefinitionDifferences

_ENDINGS = (".yaml", ".yml", ".json")


@click.command()
@click.argument("target", metavar="FILE|DEFINITION")
@click.option(
    "--revision",
    "revisions",
    multiple=True,
    type=click.IntRange(0),
    help="Version to compare with; of a stored one, a second one is the newer. Repeatable.",
)
@common_options
@pass_invocation
def diff(invocation: Invocation, target: str, revisions: tuple[int, ...]) -> None:
    """Show what applying a file would change, or what versions changed.

    FILE is compared with what is stored under its ref, or with a version of it. DEFINITION, an id
    or a ref, needs a version: it is compared with the next one given, else with what is stored.
    The exit code is 1 when something differs.
    """
    is_file = target == "-" or target.endswith(_ENDINGS) or Path(target).is_file()
    most = 1 if is_file else 2
    if len(revisions) > most:
        raise click.UsageError(f"name at most {most} --revision")
    if not is_file and not revisions:
        raise click.UsageError(f"there is no file {target}; for a definition add --revision")
    with needing_definitions():
        found = invocation.run(_diff(invocation, target, revisions, is_file))
    if invocation.json:
        print_json({"ref": found.ref, "changes": found.changes})
    else:
        for one in found.changes:
            click.echo(show(str(one)))
        if not found.changes:
            click.echo(f"{found.ref}: nothing differs.", err=True)
        elif found.stored is None:
            click.echo(f"{found.ref} is not stored yet.", err=True)
    if found.changes:
        raise click.exceptions.Exit(1)


async def _diff(
    invocation: Invocation, target: str, revisions: tuple[int, ...], is_file: bool
) -> "DefinitionDifferences":
    from flowkeep.cli.service import open_service

    source = source_of(target, read_files([target])[target]) if is_file else None
    async with open_service(invocation) as client:
        if source is not None:
            before = revisions[0] if revisions else None
            return await client.definitions.diff(source, revision=before)
        return await client.definitions.diff_revisions(target, *revisions)
