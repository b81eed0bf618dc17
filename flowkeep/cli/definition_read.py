"""`flowkeep definition get|versions`: one definition, read from the ledger."""

from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.definition_files import needing_definitions
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts import Definition


def _also_yaml(command: click.Command) -> click.Command:
    """Let a command print YAML, too; its own `-o` counts, as it stands behind its name."""
    [option] = [one for one in command.params if one.name == "output"]
    option.type = click.Choice(["table", "json", "yaml"])
    return command


@_also_yaml
@click.command()
@click.argument("definition")
@click.option("--revision", type=click.IntRange(0), help="Show this version's content instead.")
@common_options
@pass_invocation
def get(invocation: Invocation, definition: str, revision: int | None) -> None:
    """Show one definition.

    DEFINITION is a definition id, or a ref. Spec, canvas and schemas are shown with `-o json`; with
    `-o yaml` the document is printed as `definition apply` takes it.
    """
    with needing_definitions():
        invocation.run(_get(invocation, definition, revision))


async def _get(invocation: Invocation, name: str, revision: int | None) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        if revision is not None:
            version = await client.definitions.version(name, revision)
            if invocation.output == "yaml":
                _print_document(version.spec)
            else:
                print_json(version)
            return
        found = (await client.definitions.get(name)).stored
    if invocation.output == "yaml":
        _print_document(found.spec)
    elif invocation.json:
        print_json(found)
    else:
        _print(found)


@click.command()
@click.argument("definition")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Versions per page."
)
@click.option("--before", type=click.IntRange(0), help="Revision that the page before ended with.")
@common_options
@pass_invocation
def versions(invocation: Invocation, definition: str, limit: int, before: int | None) -> None:
    """List the versions of a definition, newest first.

    DEFINITION is a definition id, or a ref.
    """
    invocation.run(_versions(invocation, definition, limit, before))


async def _versions(invocation: Invocation, name: str, limit: int, before: int | None) -> None:
    from flowkeep.cli.service import open_service

    cursor = None if before is None else str(before)
    async with open_service(invocation) as client:
        page = await client.definitions.versions(name, limit=limit, cursor=cursor)
    following = None if page.next is None else int(page.next)
    if invocation.json:
        print_json(
            {"data": page.data, "limit": limit, "has_more": page.has_more, "next": following}
        )
        return
    print_table(
        ("revision", "version", "draft", "created by", "created"),
        ((v.revision, v.version, v.draft, v.created_by, v.created_at) for v in page.data),
    )
    if following is not None:
        click.echo(f"More: add --before {following}", err=True)


def _print_document(spec: dict[str, Any]) -> None:
    from flowkeep.definitions.document import dump

    click.echo(dump(spec), nl=False)


def _print(found: "Definition") -> None:
    state = "draft" if found.draft else "enabled" if found.enabled else "disabled"
    print_fields(
        {
            "id": found.id,
            "ref": found.ref,
            "name": found.name,
            "slug": found.slug,
            "app": found.app_id,
            "description": found.description,
            "version": found.version,
            "state": state,
            "errors": "; ".join(str(problem) for problem in found.errors),
            "owner": found.owner,
            "visibility": found.visibility.value,
            "tags": ", ".join(found.tags),
            "modules and steps": found.steps_in_modules,
            "revision": found.revision,
            "newest version": found.version_revision,
            "runs": found.execution_count,
            "last run": found.last_executed_at,
            "created by": found.created_by,
            "created": found.created_at,
            "changed": found.updated_at,
        }
    )
