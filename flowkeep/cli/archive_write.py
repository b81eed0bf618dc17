"""`flowkeep archive publish|verify|delete|discard|run`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from flowkeep.cli.arguments import Moment
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.cli.service import ServiceClient
    from flowkeep.contracts.archive import Bundle

_BEFORE = click.option(
    "--before",
    type=Moment(),
    required=True,
    help="Only runs created before: ISO 8601, or an age like 90d.",
)
_APP = click.option("--app", help="Only runs of this app.")
_DEFINITION = click.option("--definition", type=click.UUID, help="Only runs of this definition.")
_LIMIT = click.option("--limit", type=click.IntRange(1, 1_000_000_000), help="Most runs in all.")
_SIZE = click.option(
    "--bundle-runs",
    type=click.IntRange(1, 1_000_000),
    default=20_000,
    show_default=True,
    help="Most runs per bundle.",
)
_SLICE_SECONDS = 5.0
"""How long one call publishes: as often, it is told how far the work has come."""
_BUNDLES = click.argument("bundles", metavar="[BUNDLE]...", type=click.UUID, nargs=-1)


@click.command()
@_BEFORE
@_APP
@_DEFINITION
@_LIMIT
@_SIZE
@common_options
@pass_invocation
def publish(invocation: Invocation, /, **options: Any) -> None:
    """Write ended runs into bundles in object storage.

    The tables keep them until they are deleted.
    """
    invocation.run(_publish(invocation, **options))


async def _publish(invocation: Invocation, **options: Any) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        done = [one async for one in _published(client, **options)]
    if invocation.json:
        print_json({"bundles": done, "runs": sum(one.runs for one in done)})
        return
    print_table(
        ("bundle", "month", "runs", "rows", "bytes"),
        ((one.id, f"{one.month:%Y-%m}", one.runs, one.rows, one.bytes) for one in done),
    )
    if done:
        click.echo("Next: flowkeep archive verify", err=True)
    else:
        click.echo("No run can be archived: none has ended before then, or all are held.", err=True)


async def _published(
    client: "ServiceClient",
    *,
    before: datetime,
    app: str | None,
    definition: UUID | None,
    limit: int | None,
    bundle_runs: int,
) -> "AsyncIterator[Bundle]":
    """Publish, a few seconds at a time; yields the bundles as they come."""
    from flowkeep.contracts.api.archive import BundlePublishing

    runs, more = 0, True
    while more and (limit is None or runs < limit):
        wanted = BundlePublishing(
            before=before,
            app_id=app,
            definition_id=definition,
            limit=None if limit is None else limit - runs,
            bundle_runs=bundle_runs,
            max_seconds=_SLICE_SECONDS,
        )
        done = await client.archive.publish(wanted)
        more = done.more
        for bundle in done.bundles:
            runs += bundle.runs
            click.echo(f"published {runs} runs", err=True)
            yield bundle


@click.command()
@_BUNDLES
@common_options
@pass_invocation
def verify(invocation: Invocation, /, bundles: tuple[UUID, ...]) -> None:
    """Read bundles back and compare them with the ledger.

    Without BUNDLE all published ones are meant.
    """
    invocation.run(_verify(invocation, bundles))


async def _verify(invocation: Invocation, bundles: tuple[UUID, ...]) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        wanted = bundles or await _standing(client, "published")
        checks = [await client.archive.verify(one) for one in wanted]
    if invocation.json:
        print_json({"bundles": checks})
        return
    print_table(
        ("bundle", "status", "runs", "changed", "gone"),
        ((one.bundle.id, one.bundle.status, one.runs, one.changed, one.gone) for one in checks),
    )
    click.echo(
        "Next: flowkeep archive delete" if checks else "No bundle waits to be verified.", err=True
    )


@click.command()
@_BUNDLES
@common_options
@pass_invocation
def delete(invocation: Invocation, /, bundles: tuple[UUID, ...]) -> None:
    """Take the runs of verified bundles out of the tables.

    Without BUNDLE all verified ones are meant. Runs that changed or are held since they were
    published stay.
    """
    invocation.run(_delete(invocation, bundles))


async def _delete(invocation: Invocation, bundles: tuple[UUID, ...]) -> None:
    from flowkeep.cli.service import open_service

    done = []
    async with open_service(invocation) as client:
        wanted = bundles
        if not wanted:
            wanted = await _standing(client, "deleting")
            wanted += await _standing(client, "verified")
        for one in wanted:
            moved = await client.archive.delete(one)
            click.echo(f"deleted {moved.archived} runs", err=True)
            done.append(moved)
    if invocation.json:
        print_json({"bundles": done})
        return
    print_table(
        ("bundle", "archived", "before", "kept", "gone"),
        ((one.bundle.id, one.archived, one.before, one.kept, one.gone) for one in done),
    )
    if any(one.kept for one in done):
        click.echo("Kept runs changed or are held; publish again to archive them.", err=True)
    elif not done:
        click.echo("No bundle waits for deletion: verify one first.", err=True)
    else:
        click.echo("Done: archived runs answer to `run list` and `run get` as before.", err=True)


async def _standing(client: "ServiceClient", status: str) -> tuple[UUID, ...]:
    """Return the bundles that stand at a status, oldest first."""
    from flowkeep.contracts.archive import BundleStatus

    found: list[UUID] = []
    while True:
        page = await client.archive.list(
            status=BundleStatus(status), limit=100, cursor=found[-1] if found else None
        )
        found += [one.id for one in page.data]
        if not page.has_more:
            return tuple(reversed(found))


@click.command("run")
@_BEFORE
@_APP
@_DEFINITION
@_LIMIT
@_SIZE
@common_options
@pass_invocation
def run_all(invocation: Invocation, /, **options: Any) -> None:
    """Publish, verify and delete in a row."""
    invocation.run(_run_all(invocation, **options))


async def _run_all(invocation: Invocation, **options: Any) -> None:
    from flowkeep.cli.service import open_service

    archived = kept = 0
    async with open_service(invocation) as client:
        done = [one async for one in _published(client, **options)]
        for bundle in done:
            await client.archive.verify(bundle.id)
            moved = await client.archive.delete(bundle.id)
            archived, kept = archived + moved.archived, kept + moved.kept
            click.echo(f"archived {archived} runs", err=True)
    if invocation.json:
        print_json({"bundles": len(done), "archived": archived, "kept": kept})
        return
    click.echo(f"Archived {archived} runs in {len(done)} bundles; kept {kept}.")


@click.command()
@click.argument("bundle", type=click.UUID)
@common_options
@pass_invocation
def discard(invocation: Invocation, /, bundle: UUID) -> None:
    """Remove a bundle that no archived run needs.

    Its objects go with it.
    """
    invocation.run(_discard(invocation, bundle))


async def _discard(invocation: Invocation, bundle: UUID) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        await client.archive.discard(bundle)
    if invocation.json:
        print_json({"discarded": bundle})
    else:
        click.echo(f"Bundle {bundle} is gone.")
