"""`flowkeep definition run`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.arguments import merge_arguments, split_pairs
from flowkeep.cli.definition_files import FILE, needing_definitions, read_files
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.run_started import ServiceRun, show_started, start_options, wait_options

if TYPE_CHECKING:
    from flowkeep.contracts.api.definition_answers import DefinitionAnswer


@click.command("run")
@click.argument("definition")
@click.option(
    "--param",
    "-p",
    multiple=True,
    metavar="KEY=VALUE",
    help="One parameter; a value that is JSON is taken as such, else as text. Repeatable.",
)
@click.option("--parameters", type=FILE, help="All parameters: a YAML or JSON file; -p wins.")
@click.option("--revision", type=click.IntRange(0), help="Version; the newest when left out.")
@start_options
@wait_options
@common_options
@pass_invocation
def run_definition(
    invocation: Invocation,
    /,
    definition: str,
    param: tuple[str, ...],
    parameters: str | None,
    label: tuple[str, ...],
    wait: bool,
    watch: bool,
    **options: Any,
) -> None:
    """Start a run of a definition.

    DEFINITION is a definition id, or a ref. The run keeps the version that it starts with.
    """
    options["labels"] = split_pairs(label, "--label")
    with needing_definitions():
        given = {
            **({} if parameters is None else _read(parameters)),
            **merge_arguments(param, None, option="--param"),
        }
        invocation.run(_run(invocation, definition, given, options, wait=wait, watch=watch))


def _read(name: str) -> dict[str, Any]:
    from flowkeep.definitions.document import read
    from flowkeep.errors import InvalidInput

    try:
        return read(read_files([name])[name], name=Path(name).name).data
    except InvalidInput as error:  # its hint is for definitions
        raise click.BadParameter(error.message, param_hint="--parameters") from None


async def _run(
    invocation: Invocation,
    name: str,
    parameters: dict[str, Any],
    options: dict[str, Any],
    *,
    wait: bool,
    watch: bool,
) -> None:
    from flowkeep.cli.requests import made
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.definitions import ExecuteRequest

    request = made(ExecuteRequest, parameters=parameters, triggered_from="cli", **options)
    async with open_service(invocation) as client:
        found = await client.definitions.get(name)
        _refuse_draft(found)
        started = await client.definitions.execute(found.id, request)
        await show_started(invocation, ServiceRun(client, started), wait=wait, watch=watch)


def _refuse_draft(found: "DefinitionAnswer") -> None:
    """Say what is wrong with a draft, as the one who starts it did not write it.

    Raises:
        InvalidInput: If it is a draft.
    """
    from flowkeep.errors import InvalidInput

    if not found.draft:
        return
    first = f": {found.errors[0]}" if found.errors else ""
    more = f"; and {len(found.errors) - 1} more" if len(found.errors) > 1 else ""
    raise InvalidInput(
        f"definition {found.ref!r} is a draft{first}{more}",
        hint=f"`flowkeep definition get {shlex.quote(found.ref)}` lists its errors; "
        "correct it, and apply it without --draft",
    )
