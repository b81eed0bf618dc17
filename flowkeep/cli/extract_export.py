"""`flowkeep extract export`."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation

if TYPE_CHECKING:
    from flowkeep.cli.extract_place import Place

_BLOCK = 1024 * 1024


@click.command()
@click.argument("run")
@click.option(
    "--format",
    "form",
    type=click.Choice(["openlineage"]),
    default="openlineage",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--to", default="-", show_default=True, metavar="FILE", help="Where to; - is standard output."
)
@common_options
@pass_invocation
def export(invocation: Invocation, run: str, form: str, to: str) -> None:
    """Write what an extraction exported as plain lines.

    RUN is named as for `extract verify`, and was made with --openlineage: each line is one
    OpenLineage dataset event. A file appears whole or not at all.
    """
    invocation.run(_export(invocation, run, to))


async def _export(invocation: Invocation, run: str, to: str) -> None:
    from flowkeep.cli.extract_place import find_manifest
    from flowkeep.errors import NotFound

    place = await find_manifest(invocation, run)
    manifest = await place.read()
    keys = [part["key"] for part in manifest.get("exports") or ()]
    if not keys:
        raise NotFound(
            f"run {manifest['run_id']} exported no OpenLineage events",
            hint="extract with --openlineage, or metadata.openlineage = true",
            code="EXPORT_NOT_FOUND",
        )
    await asyncio.to_thread(_write, place, keys, to)


def _write(place: "Place", keys: list[str], to: str) -> None:
    import pyarrow as pa

    with _target(to) as target:
        for key in keys:
            packed = pa.BufferReader(place.storage.get(key))
            with pa.CompressedInputStream(packed, "zstd") as lines:
                while block := lines.read(_BLOCK):
                    target.write(block)


@contextmanager
def _target(name: str) -> Iterator[IO[bytes]]:
    """Open standard output, or a file that takes its name when it is complete.

    Raises:
        click.BadParameter: If the file cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    path = Path(name)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise click.BadParameter(f"cannot write {name}: {error}", param_hint="--to") from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
