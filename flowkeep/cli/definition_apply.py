"""`flowkeep definition apply`."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.definition_files import (
    FILE,
    data_of,
    in_order_of_calls,
    needing_definitions,
    print_problems,
    print_reports,
    read_files,
    source_of,
    validated,
)
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table, show

if TYPE_CHECKING:
    from flowkeep.cli.service import ServiceClient
    from flowkeep.contracts.api.definition_answers import (
        AppliedDefinition,
        DefinitionDifferences,
        DefinitionReport,
    )


@dataclass(frozen=True)
class _Wanted:
    """What the command line asks for."""

    files: tuple[str, ...]
    draft: bool
    app: str | None
    dry_run: bool


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--draft", is_flag=True, help="Store with errors, too; a draft cannot be run.")
@click.option("--app", help="App that the definitions belong to.")
@click.option("--dry-run", is_flag=True, help="Only check, and show what would change.")
@common_options
@pass_invocation
def apply(
    invocation: Invocation, files: tuple[str, ...], draft: bool, app: str | None, dry_run: bool
) -> None:
    """Store the definitions of FILEs; those that are called come first.

    FILE is YAML or JSON; - is standard input. A definition is found by its ref: a new one is made,
    or a new version of it; one without changes is left alone. With errors in any of the files
    nothing is stored, and the exit code is 1.
    """
    with needing_definitions():
        invocation.run(_apply(invocation, _Wanted(files, draft, app, dry_run)))


async def _apply(invocation: Invocation, wanted: _Wanted) -> None:
    from flowkeep.cli.service import open_service

    texts = read_files(wanted.files)
    data = data_of(texts)
    order = in_order_of_calls(texts, data)
    beside = list(data.values())
    async with open_service(invocation) as client:
        reports = await validated(client, order, texts, beside)
        if any(one.ref is None or (one.errors and not wanted.draft) for one in reports):
            print_reports(invocation, reports, err=True)
            if not invocation.json:
                way = "a draft needs a ref" if wanted.draft else "correct it, or add --draft"
                click.echo(f"Nothing is stored: {way}", err=True)
            raise click.exceptions.Exit(1)
        if wanted.dry_run:
            await _preview(invocation, client, reports, texts, wanted)
            return
        placed: dict[str, Any] = {"draft": wanted.draft, "app_id": wanted.app, "beside": beside}
        applied = [
            await client.definitions.apply(source_of(name, texts[name], **placed)) for name in order
        ]
    _print(invocation, order, applied)


async def _preview(
    invocation: Invocation,
    client: "ServiceClient",
    reports: "list[DefinitionReport]",
    texts: dict[str, bytes],
    wanted: _Wanted,
) -> None:
    """Print what applying would change."""
    rows = []
    for report in reports:
        found = await client.definitions.diff(source_of(report.name, texts[report.name]))
        rows.append((report, _change(found, wanted), found.changes))
    if invocation.json:
        data = [
            {
                "file": report.name,
                "ref": report.ref,
                "change": change,
                "changes": changes,
                "problems": report.problems,
            }
            for report, change, changes in rows
        ]
        print_json({"data": data, "dry_run": True})
        return
    for report, change, changes in rows:
        print_problems(report.name, report.problems, err=True)
        click.echo(f"{report.ref}: would be {change}")
        for one in changes if change == "updated" else ():
            click.echo(f"  {show(str(one))}")


def _change(found: "DefinitionDifferences", wanted: _Wanted) -> str:
    if found.stored is None:
        return "created"
    moved = wanted.app is not None and wanted.app != found.stored.app_id
    return (
        "updated" if found.changes or moved or found.stored.draft != wanted.draft else "unchanged"
    )


def _print(invocation: Invocation, order: list[str], applied: "list[AppliedDefinition]") -> None:
    if invocation.json:
        data: list[dict[str, Any]] = [
            {
                "file": name,
                "id": one.definition.id,
                "ref": one.definition.ref,
                "change": one.change,
                "revision": one.definition.revision,
                "draft": one.definition.draft,
                "problems": one.problems,
            }
            for name, one in zip(order, applied, strict=True)
        ]
        print_json({"data": data, "dry_run": False})
        return
    for name, one in zip(order, applied, strict=True):
        print_problems(name, one.problems, err=True)
    print_table(
        ("ref", "change", "revision", "version", "state"),
        (
            (found.ref, one.change, found.revision, found.version, state)
            for one in applied
            for found in [one.definition]
            for state in ["draft" if found.draft else "enabled" if found.enabled else "disabled"]
        ),
    )
    last = applied[-1].definition
    if last.draft:
        click.echo("A draft cannot be run: correct it, and apply it without --draft", err=True)
    elif last.enabled:
        click.echo(f"Run it: flowkeep definition run {shlex.quote(last.ref)}", err=True)
    else:
        click.echo(f"Enable it: flowkeep definition enable {shlex.quote(last.ref)}", err=True)
