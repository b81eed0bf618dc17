"""`flowkeep definition import-canvas|export-canvas`: definitions that were drawn."""

import shlex
from pathlib import Path
from typing import Any

import click

from flowkeep.cli.arguments import split_pairs
from flowkeep.cli.definition_files import FILE, needing_definitions, print_problems, read_files
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json

_DEFAULT = "{app}.{step}"


@click.command("import-canvas")
@click.argument("file", type=FILE)
@click.option("--ref", help="Ref of the definition; the file's name when left out.")
@click.option("--label", help="Name for people; the one in the canvas when left out.")
@click.option("--app", help="App; its state entry actions/APP maps steps to actions.")
@click.option(
    "--action",
    "actions",
    multiple=True,
    metavar="[MODULE.]STEP=ACTION",
    help="Action of a step; wins over those of the app. Repeatable.",
)
@click.option(
    "--default-action",
    default=_DEFAULT,
    show_default=True,
    help="Action of other steps; {app}, {module} and {step} stand for names.",
)
@click.option("--draft", is_flag=True, help="Store with errors, too; a draft cannot be run.")
@common_options
@pass_invocation
def import_canvas(
    invocation: Invocation,
    file: str,
    ref: str | None,
    label: str | None,
    app: str | None,
    actions: tuple[str, ...],
    default_action: str,
    draft: bool,
) -> None:
    """Store what a canvas draws as a definition.

    FILE is JSON with nodes and edges; - is standard input. It is kept as it is beside the
    definition. With errors nothing is stored, and the exit code is 1.
    """
    if ref is None and file == "-":
        raise click.UsageError("standard input has no name: add --ref")
    mapping = split_pairs(actions, "--action")
    options: dict[str, Any] = {
        "label": label,
        "app_id": app,
        "default_action": default_action,
        "draft": draft,
    }
    with needing_definitions():
        work = _import(invocation, file, ref or Path(file).stem, mapping, options)
        invocation.run(work)


async def _import(
    invocation: Invocation,
    file: str,
    ref: str,
    actions: dict[str, str],
    options: dict[str, Any],
) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts.api.definitions import CanvasImport
    from flowkeep.definitions.document import read
    from flowkeep.errors import InvalidInput

    canvas = read(read_files([file])[file], name=file).data
    try:
        new = CanvasImport(canvas=canvas, ref=ref, actions=actions, **options)
    except ValueError as error:
        raise click.UsageError(f"{ref}: {error}") from None
    async with open_service(invocation) as client:
        try:
            done = await client.definitions.import_canvas(new)
        except InvalidInput as error:
            problems = getattr(error, "problems", ())
            if error.code != "INVALID_DEFINITION":
                raise
            if invocation.json:
                print_json({"ref": ref, "valid": False, "problems": problems})
            else:
                print_problems(file, problems, err=True)
                click.echo("Nothing is stored: correct it, or add --draft", err=True)
            raise click.exceptions.Exit(1) from None
    found = done.definition
    shown = {
        "id": found.id,
        "ref": found.ref,
        "change": done.change,
        "revision": found.revision,
        "draft": found.draft,
    }
    if invocation.json:
        print_json({**shown, "problems": done.problems})
        return
    print_problems(file, done.problems, err=True)
    print_fields({**shown, "tasks": len(found.spec.get("tasks") or ())})
    click.echo(f"See it: flowkeep definition get {shlex.quote(found.ref)} -o yaml", err=True)


@click.command("export-canvas")
@click.argument("definition")
@click.option("--revision", type=click.IntRange(0), help="Version; the newest when left out.")
@common_options
@pass_invocation
def export_canvas(invocation: Invocation, definition: str, revision: int | None) -> None:
    """Print the canvas that a definition was made from, unchanged.

    DEFINITION is a definition id, or a ref. The output is JSON, with keys in the order drawn.
    """
    with needing_definitions():
        invocation.run(_export(invocation, definition, revision))


async def _export(invocation: Invocation, definition: str, revision: int | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        print_json(await client.definitions.canvas(definition, revision=revision))
