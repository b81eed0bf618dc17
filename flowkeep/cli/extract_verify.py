"""`flowkeep extract verify`."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, show


@click.command()
@click.argument("manifest")
@common_options
@pass_invocation
def verify(invocation: Invocation, manifest: str) -> None:
    """Compare the files of an extraction with its manifest.

    MANIFEST is a run id or workflow id, the key of a manifest in the configured storage, or the
    URL or file of one (its folder is enough). Each file is read: sizes, hashes, rows, sums per
    scope, names that come twice. The exit code is 1 when something differs.
    """
    differences = invocation.run(_verify(invocation, manifest))
    if differences:
        raise click.exceptions.Exit(1)


async def _verify(invocation: Invocation, name: str) -> list[str]:
    from flowkeep.cli.extract_place import find_manifest
    from flowkeep.extraction.metadata.verify import verify_manifest

    place = await find_manifest(invocation, name)
    manifest = await place.read()
    parts = list(_parts(manifest))
    with _progress(invocation, sum(part["bytes"] for part in parts)) as checked:
        differences = await asyncio.to_thread(verify_manifest, place.storage, place.key, checked)
    if invocation.json:
        print_json(
            {
                "run_id": manifest["run_id"],
                "manifest": place.shown,
                "files": len(parts),
                "agree": not differences,
                "differences": differences,
            }
        )
        return differences
    for difference in differences:
        click.echo(show(difference))
    if differences:
        click.echo(f"{len(differences)} differences in {place.shown}", err=True)
    else:
        click.echo(f"{len(parts)} files agree with {place.shown}")
    return differences


def _parts(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from manifest.get("exports") or ()
    for scope in manifest["scopes"]:
        for holder in (scope, scope["assets"], scope.get("diff")):
            yield from holder["parts"] if holder else ()


@contextmanager
def _progress(invocation: Invocation, size: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar on a terminal while files are compared; elsewhere nothing.

    Args:
        invocation: The output format.
        size: Bytes of all files.
    """
    if invocation.json or not sys.stderr.isatty():
        yield lambda _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("comparing files"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=size)
        yield lambda count: bar.advance(task, count)
