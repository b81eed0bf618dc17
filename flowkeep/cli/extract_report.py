"""What an extraction leaves, for people and for programs."""

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import click

from flowkeep.cli.demo_report import program_name
from flowkeep.cli.extract_place import Place
from flowkeep.cli.output import plain, print_fields, print_table, show, show_bytes, show_seconds
from flowkeep.contracts import Run
from flowkeep.contracts.extraction import ExtractionResult
from flowkeep.contracts.query_extraction import QueryExtractionResult
from flowkeep.errors import NotFound
from flowkeep.storage import Storage

CHANGES = ("added", "changed", "removed", "unchanged")


@dataclass
class Report:
    """The outcome of an extraction.

    Attributes:
        run: The run as the ledger has it.
        result: What it returned; null unless it succeeded.
        place: Where its manifest lies; null when it wrote none.
        manifest: The manifest; null when it wrote none.
        missing: Whether there should be a manifest and is none.
    """

    run: Run
    result: ExtractionResult | QueryExtractionResult | None = None
    place: Place | None = None
    manifest: dict[str, Any] | None = None
    missing: bool = False

    result_model: ClassVar[type[ExtractionResult | QueryExtractionResult]] = ExtractionResult
    verbs: ClassVar[tuple[str, ...]] = ("diff", "verify")
    """Commands of `flowkeep extract` to try next."""

    @classmethod
    async def read(cls, run: Run, storage_url: str) -> Self:
        """Read the manifest of a run that has ended.

        Args:
            run: The run.
            storage_url: The configured storage.
        """
        if run.status.value != "succeeded" or not isinstance(run.outputs, dict):
            return cls(run)
        result = cls.result_model.model_validate(run.outputs)
        if result.key is None:
            return cls(run, result)
        place = Place(await asyncio.to_thread(Storage, storage_url), result.key)
        try:
            return cls(run, result, place, await place.read())
        except NotFound:
            return cls(run, result, place, missing=True)

    @property
    def warnings(self) -> list[str]:
        """What is not complete or was held back."""
        return self.result.warnings if self.result is not None else []

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "run": plain(self.run),
            "manifest": self.place.shown if self.place is not None else None,
            "result": plain(self.result) if self.result is not None else None,
            "kinds": [dict(zip(_HEADINGS, row, strict=True)) for row in by_kind(self.manifest)],
            "warnings": self.warnings,
        }

    def show(self, *, by_run: bool = True) -> None:
        """Print it for people; warnings go to standard error.

        Args:
            by_run: Whether the commands to try next can find the run in the ledger.
        """
        run = self.run
        begin = run.started_at or run.created_at
        took = (run.finished_at - begin).total_seconds() if run.finished_at else None
        print_fields({"run id": run.id, "status": run.status.value, "took": show_seconds(took)})
        if self.result is None or self.place is None:
            return
        if self.manifest is not None:
            click.echo()
            self.show_counts(self.manifest)
        click.echo(f"\nmanifest: {self.place.shown}")
        for line in self.warnings:
            click.echo(f"Warning: {show(line)}", err=True)
        if self.missing:
            click.echo(
                f"the manifest is not in the storage of this command: {self.result.url} "
                "(set FLOWKEEP_STORAGE_URL to the storage of the workers)",
                err=True,
            )
            return
        program = program_name()
        name = str(run.id) if by_run else shlex.quote(_short(self.place.folder))
        click.echo("\nnext:")
        for verb in self.verbs:
            click.echo(f"  {program} extract {verb} {name}")

    def show_counts(self, manifest: dict[str, Any]) -> None:
        """Print what the manifest counts.

        Args:
            manifest: The manifest.
        """
        print_table(_HEADINGS, (_readable(row) for row in by_kind(manifest)))
        absent = manifest.get("not_applicable")
        if absent:
            click.echo(f"\nnot known to this source: {', '.join(absent)}")


_HEADINGS = ("kind", "scopes", "rows", *CHANGES, "size")


def by_kind(manifest: dict[str, Any] | None) -> list[tuple[Any, ...]]:
    """Return one row per kind: scopes, rows, changes where they are known, bytes of all files.

    Args:
        manifest: A manifest.
    """
    rows: dict[str, list[Any]] = {}
    for scope in (manifest or {"scopes": []})["scopes"]:
        row = rows.setdefault(scope["kind"], [0, 0, None, None, None, None, 0])
        row[0] += 1
        row[1] += scope["written"]
        for number, change in enumerate(CHANGES, 2):
            count = (scope.get("diff") or {}).get(change)
            if count is not None:
                row[number] = (row[number] or 0) + count
        assets = scope["assets"] or {"parts": []}
        row[-1] += sum(part["bytes"] for part in (*scope["parts"], *assets["parts"]))
    return [(kind, *row) for kind, row in rows.items()]


def _readable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    kind, *counts, size = row
    return (kind, *(None if one is None else f"{one:,}" for one in counts), show_bytes(size))


def _short(path: str) -> str:
    """Return a path below the working directory as relative."""
    here = Path.cwd()
    given = Path(path)
    return str(given.relative_to(here)) if given.is_relative_to(here) else path
