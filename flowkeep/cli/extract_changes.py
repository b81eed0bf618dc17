"""How differences of extractions are shown: counts per kind, then each object, as they are read."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from flowkeep.cli.output import plain, print_table, show
from flowkeep.contracts.extraction import ScopeDiff

CHANGES = ("added", "changed", "removed", "withheld")
_COUNTS = ("added", "changed", "removed", "unchanged", "withheld")
_MOST_LINES = 100


@dataclass(frozen=True)
class Compared:
    """One scope and how it differs.

    Attributes:
        kind: Kind of the objects.
        database: Their database.
        diff: The counts, and why some are not known.
    """

    kind: str
    database: str
    diff: ScopeDiff


@dataclass(frozen=True)
class Shown:
    """What is to be shown.

    Attributes:
        run_id: The run that is compared.
        base: The run or runs that it is compared with.
        scopes: Its scopes.
        changes: Each object that differs, of the kinds and changes that are wanted.
    """

    run_id: str
    base: list[str]
    scopes: list[Compared]
    changes: Iterable[Mapping[str, Any]]

    def print_json(self, limit: int | None) -> None:
        """Print one JSON document, object by object, so that it may be of any length.

        Args:
            limit: Most objects; null for all.
        """
        head = {
            "run_id": self.run_id,
            "base_run_ids": self.base,
            "counts": self._totals(self.scopes),
            "scopes": [
                {
                    "kind": one.kind,
                    "database": one.database,
                    **one.diff.model_dump(mode="json", exclude={"parts"}),
                }
                for one in self.scopes
            ],
        }
        click.echo(json.dumps(plain(head), ensure_ascii=False)[:-1] + ', "changes": [', nl=False)
        rows = iter(self.changes)
        for number, row in enumerate(islice(rows, limit)):
            text = json.dumps(plain(row), ensure_ascii=False)
            click.echo(f"{',' if number else ''}\n{text}", nl=False)
        more = next(rows, None) is not None
        click.echo(f'], "truncated": {json.dumps(more)}}}')

    def print_lines(self, limit: int | None) -> None:
        """Print counts per kind, then a line per object.

        Args:
            limit: Most objects; null for 100.
        """
        if not self.base:
            reasons = {one.diff.reason for one in self.scopes if one.diff.reason}
            click.echo(
                f"run {self.run_id} was compared with no other: {'; '.join(sorted(reasons))}"
            )
            return
        click.echo(f"run {self.run_id} compared with {', '.join(self.base)}\n")
        print_table(("kind", *_COUNTS, "removals unknown"), self._by_kind())
        for reason in dict.fromkeys(_reason(one) for one in self.scopes if one.diff.reason):
            click.echo(f"Note: {show(reason)}", err=True)
        most = _MOST_LINES if limit is None else limit
        rows = iter(self.changes)
        for number, row in enumerate(islice(rows, most)):
            if not number:
                click.echo()
            click.echo(f"{row['change']:<9} {row['kind']:<17} {show(row['qualifiedName'])}")
        if next(rows, None) is not None:
            click.echo(f"more than {most} objects differ: add --limit, or -o json", err=True)

    def _by_kind(self) -> Iterator[tuple[Any, ...]]:
        for kind in dict.fromkeys(one.kind for one in self.scopes):
            scopes = [one for one in self.scopes if one.kind == kind]
            totals = self._totals(scopes)
            unknown = sum(one.diff.removed is None for one in scopes)
            yield (kind, *(totals[name] for name in _COUNTS), unknown or None)

    @staticmethod
    def _totals(scopes: Iterable[Compared]) -> dict[str, int]:
        diffs = [one.diff for one in scopes]
        return {name: sum(getattr(one, name) or 0 for one in diffs) for name in _COUNTS}


def _reason(one: Compared) -> str:
    return f"{one.kind} of {one.database}: {one.diff.reason}"
