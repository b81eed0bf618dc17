"""`flowkeep definition rollback|delete|enable|disable`: change a stored definition as a whole."""

import shlex

import click

from flowkeep.cli.confirm import confirm
from flowkeep.cli.definition_files import needing_definitions, print_problems
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json


@click.command()
@click.argument("definition")
@click.option("--to", "revision", type=click.IntRange(0), required=True, help="Revision to take.")
@common_options
@pass_invocation
def rollback(invocation: Invocation, definition: str, revision: int) -> None:
    """Make the content of an earlier version the newest version.

    DEFINITION is a definition id, or a ref. The versions in between stay, and so do the runs that
    pin them.
    """
    with needing_definitions():
        invocation.run(_rollback(invocation, definition, revision))


async def _rollback(invocation: Invocation, definition: str, revision: int) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        done = await client.definitions.rollback(definition, revision)
    found = done.definition
    if invocation.json:
        print_json(
            {
                "id": found.id,
                "ref": found.ref,
                "change": done.change,
                "revision": found.revision,
                "problems": done.problems,
            }
        )
        return
    print_problems(found.ref, done.problems, err=True)
    if done.change == "unchanged":
        click.echo(f"{found.ref} has the content of revision {revision} already.")
        return
    click.echo(
        f"{found.ref} is at revision {found.revision}, with the content of revision {revision}."
    )
    click.echo(f"See its versions: flowkeep definition versions {shlex.quote(found.ref)}", err=True)


@click.command()
@click.argument("definition")
@click.option("--force", is_flag=True, help="Unlink the actions that stand for it, don't refuse.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def delete(invocation: Invocation, definition: str, force: bool, yes: bool) -> None:
    """Delete a definition.

    DEFINITION is a definition id, or a ref. While there are runs of it, it is only hidden: they go
    on, and its versions can be read by its id. Deleting it again after the last of them removes
    it.
    """
    confirm(f"Delete the definition {definition}?", yes)
    with needing_definitions():
        invocation.run(_delete(invocation, definition, force))


async def _delete(invocation: Invocation, definition: str, force: bool) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        done = await client.definitions.delete(definition, force=force)
    if invocation.json:
        print_json({"id": done.id, "deleted": done.deleted.value})
    elif done.deleted.value == "removed":
        click.echo("The definition is removed.")
    else:
        click.echo("The definition is hidden, as there are runs of it.")
        click.echo(f"Read its versions: flowkeep definition versions {done.id}", err=True)


@click.command()
@click.argument("definition")
@common_options
@pass_invocation
def enable(invocation: Invocation, definition: str) -> None:
    """Let runs of a definition start.

    DEFINITION is a definition id, or a ref.
    """
    with needing_definitions():
        invocation.run(_enable(invocation, definition, enabled=True))


@click.command()
@click.argument("definition")
@common_options
@pass_invocation
def disable(invocation: Invocation, definition: str) -> None:
    """Refuse new runs of a definition; those that are open go on.

    DEFINITION is a definition id, or a ref.
    """
    with needing_definitions():
        invocation.run(_enable(invocation, definition, enabled=False))


async def _enable(invocation: Invocation, definition: str, *, enabled: bool) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        done = await client.definitions.set_enabled(definition, enabled)
    found = done.definition
    if invocation.json:
        print_json({"id": found.id, "ref": found.ref, "enabled": found.enabled})
        return
    already = " already" if done.change == "unchanged" else ""
    click.echo(f"{found.ref} is {'enabled' if enabled else 'disabled'}{already}.")
    if found.enabled and not found.draft:
        click.echo(f"Run it: flowkeep definition run {shlex.quote(found.ref)}", err=True)
