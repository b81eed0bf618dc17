"""`flowkeep definition validate`."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.definition_files import (
    FILE,
    data_of,
    in_order_of_calls,
    needing_definitions,
    print_reports,
    read_files,
    validated,
)
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation

if TYPE_CHECKING:
    from flowkeep.contracts.api.definition_answers import DefinitionReport


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--offline", is_flag=True, help="Ask no ledger which actions and definitions exist.")
@common_options
@pass_invocation
def validate(invocation: Invocation, files: tuple[str, ...], offline: bool) -> None:
    """Check the definitions of FILEs; prints every problem.

    FILE is YAML or JSON; - is standard input. The exit code is 1 when there are errors; warnings
    keep nothing from being stored. Where a ledger is configured, actions and definitions that
    are called are looked up there.
    """
    from flowkeep.cli.service import names_server

    settings = invocation.settings()
    offline = offline or (settings.database.url is None and not names_server(settings.client))
    with needing_definitions():
        reports = invocation.run(_validate(invocation, files, offline))
    print_reports(invocation, reports)
    if any(one.errors for one in reports):
        raise click.exceptions.Exit(1)
    if offline:
        click.echo("No ledger was asked: whether actions exist is not checked.", err=True)
    elif not invocation.json:
        click.echo(f"Store it: flowkeep definition apply {' '.join(files)}", err=True)


async def _validate(
    invocation: Invocation, files: tuple[str, ...], offline: bool
) -> "list[DefinitionReport]":
    from flowkeep.cli.service import open_service
    from flowkeep.clients.authoring_known import Known
    from flowkeep.clients.authoring_report import examine
    from flowkeep.contracts.api.definition_answers import DefinitionReport

    texts = read_files(files)
    data = data_of(texts)
    in_order_of_calls(texts, data)
    beside = list(data.values())
    if offline:
        known = Known(beside)
        found = [await examine(text, name=name, known=known) for name, text in texts.items()]
        return [DefinitionReport.of(one.name, one.ref, one.problems) for one in found]
    async with open_service(invocation) as client:
        return await validated(client, list(texts), texts, beside)
