"""`flowkeep extract diff`."""

import asyncio

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation


@click.command()
@click.argument("runs", nargs=-1, metavar="[BASE] [NEW]")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of object. Repeatable.")
@click.option(
    "--change",
    "changes",
    multiple=True,
    type=click.Choice(["added", "changed", "removed", "withheld"]),
    help="Only this change. Repeatable.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    help="Most objects to list: 100 for people and all for programs when left out.",
)
@common_options
@pass_invocation
def diff(
    invocation: Invocation,
    runs: tuple[str, ...],
    kinds: tuple[str, ...],
    changes: tuple[str, ...],
    limit: int | None,
) -> None:
    """Show what changed between two extractions.

    With one run: what it recorded when it ended, compared with the last complete run before it.
    With two: NEW compared with BASE, from their files. With none: the newest extraction that this
    command line started. Runs are named as for `extract verify`.
    """
    if len(runs) > 2:
        raise click.UsageError("name at most two runs: BASE and NEW")
    invocation.run(_diff(invocation, runs, set(kinds), set(changes), limit))


async def _diff(
    invocation: Invocation,
    names: tuple[str, ...],
    kinds: set[str],
    changes: set[str],
    limit: int | None,
) -> None:
    from flowkeep.cli.extract_compare import compare, recorded
    from flowkeep.cli.extract_place import find_manifest, newest_manifest

    places = [await find_manifest(invocation, name) for name in names]
    if not places:
        places = [await newest_manifest(invocation)]
    manifests = [await place.read() for place in places]
    if len(places) == 2:
        shown = await asyncio.to_thread(compare, places[0], places[1], kinds, changes)
    else:
        shown = recorded(places[0], manifests[0], kinds, changes)
    if invocation.json:
        await asyncio.to_thread(shown.print_json, limit)
    else:
        await asyncio.to_thread(shown.print_lines, limit)
