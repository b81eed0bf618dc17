"""`flowkeep definition get|versions`: one definition, read from the ledger."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts import Definition
    from flowkeep.statestore import Store


@click.command()
@click.argument("definition")
@click.option("--revision", type=click.IntRange(0), help="Show this version's content instead.")
@common_options
@pass_invocation
def get(invocation: Invocation, definition: str, revision: int | None) -> None:
    """Show one definition.

    DEFINITION is a definition id, or a ref. Spec, canvas and schemas are shown with `-o json`.
    """
    invocation.run(_get(invocation, definition, revision))


async def _get(invocation: Invocation, name: str, revision: int | None) -> None:
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        if revision is not None:
            found_id = await _id(store, invocation.tenant, name)
            version = await store.definitions.version(invocation.tenant, found_id, revision)
            print_json(version)
            return
        found = await _find(store, invocation.tenant, name)
    if invocation.json:
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
    from flowkeep.cli.session import open_store

    async with open_store(invocation) as store:
        found_id = await _id(store, invocation.tenant, name)
        page = await store.definitions.versions(
            invocation.tenant, found_id, limit=limit, before=before
        )
    following = page.data[-1].revision if page.has_more else None
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


async def _find(store: "Store", tenant: str, name: str) -> "Definition":
    """Return the definition with this id or ref."""
    from flowkeep.errors import NotFound

    try:
        return await store.definitions.get(tenant, UUID(name))
    except (ValueError, NotFound):
        return await store.definitions.get_by_ref(tenant, name)


async def _id(store: "Store", tenant: str, name: str) -> UUID:
    """Return an id as given, since versions outlive their definition; else that of the ref."""
    try:
        return UUID(name)
    except ValueError:
        return (await store.definitions.get_by_ref(tenant, name)).id


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
