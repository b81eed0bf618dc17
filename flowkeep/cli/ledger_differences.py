"""How differences between ledger and Temporal are printed."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import plain, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.truth import Difference
    from flowkeep.contracts.verification import VerificationCounts

MOST_SHOWN = 1000
"""Rows of a table; JSON has them all."""

_HEADINGS = (
    "kind",
    "tenant",
    "workflow id",
    "run id",
    "task",
    "ledger",
    "temporal",
    "repaired",
)
_WHY = {
    "past_retention": "ended, and Temporal has forgotten them",
    "not_adopted": "not adopted by the setting `adopt`",
    "gone": "of runs that were deleted or archived",
    "other_tenant": "of other tenants",
    "just_started": "began moments ago",
}


class Report(ABC):
    """Takes differences as they are found, prints them, and sums up."""

    @abstractmethod
    def add(self, difference: "Difference") -> None:
        """Take one difference."""

    @abstractmethod
    def done(self, counts: "VerificationCounts") -> None:
        """Take what was looked at, when everything was."""

    @abstractmethod
    def close(self) -> None:
        """Print what is left to print, also after an error."""


@contextmanager
def reporting(
    invocation: Invocation, namespace: str, options: Mapping[str, Any]
) -> Iterator[Report]:
    """Open a report in the format that was asked for.

    Args:
        invocation: The output format.
        namespace: Which was compared.
        options: What was asked for.
    """
    report: Report = _Json(namespace, options) if invocation.json else _Table(options)
    try:
        yield report
    finally:
        report.close()


class _Json(Report):
    """One document, written piece by piece: it may be long."""

    def __init__(self, namespace: str, options: Mapping[str, Any]) -> None:
        self._asked = {"namespace": namespace, **options}
        self._summary: dict[str, Any] = {}
        self._count = 0
        click.echo('{"differences": [', nl=False)

    def add(self, difference: "Difference") -> None:
        comma = "," if self._count else ""
        self._count += 1
        text = json.dumps(plain(difference), ensure_ascii=False)
        click.echo(f"{comma}\n  {text}", nl=False)

    def done(self, counts: "VerificationCounts") -> None:
        self._summary = {
            "agree": counts.agree,
            "repaired": counts.repaired,
            "compared": counts.compared,
            "listed": counts.listed,
            "requests": counts.requests,
            "skipped": dict(sorted((+counts.skipped).items())),
            "by_kind": {kind: counts.differences[kind] for kind in sorted(counts.differences)},
        }

    def close(self) -> None:
        summary = {
            **self._asked,
            "complete": bool(self._summary),
            "found": self._count,
            **self._summary,
        }
        text = json.dumps(plain(summary), ensure_ascii=False)
        click.echo(f'{chr(10) if self._count else ""}], "summary": {text}}}')


class _Table(Report):
    """A table, a line that sums up, and what to do next."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._rows: list[tuple[Any, ...]] = []
        self._count = 0
        self._counts: VerificationCounts | None = None

    def add(self, difference: "Difference") -> None:
        self._count += 1
        if len(self._rows) < MOST_SHOWN:
            self._rows.append(_row(difference))

    def done(self, counts: "VerificationCounts") -> None:
        self._counts = counts

    def close(self) -> None:
        if self._rows:
            print_table(_HEADINGS, self._rows)
        if self._count > len(self._rows):
            click.echo(f"and {self._count - len(self._rows):,} more; `-o json` has them all")
        if self._counts is not None:
            for line in sum_up(self._counts, self._options):
                click.echo(line)


def _row(one: "Difference") -> tuple[Any, ...]:
    task = None
    if one.activity_id is not None:
        task = one.activity_id if one.attempt is None else f"{one.activity_id} #{one.attempt}"
    run_id = None if one.run_id is None else str(one.run_id)
    return (
        one.kind.value,
        one.tenant_id,
        one.workflow_id,
        run_id,
        task,
        one.ledger,
        one.temporal,
        one.repaired,
    )


def sum_up(counts: "VerificationCounts", options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say what was compared, what was found and what to do next."""
    yield (
        f"{counts.compared:,} executions of the ledger compared with Temporal, "
        f"{counts.listed:,} of Temporal looked up in the ledger, {counts.requests:,} open requests"
    )
    skipped = [f"{number:,} {_WHY[why]}" for why, number in sorted((+counts.skipped).items())]
    if skipped:
        yield f"not compared: {', '.join(skipped)}"
    found = counts.differences.total()
    if not found:
        yield (
            "no difference" if options["deep"] else "no difference; `--deep` compares attempts too"
        )
        return
    kinds = ", ".join(f"{number:,} {kind.value}" for kind, number in counts.differences.items())
    yield f"{found:,} differences: {kinds}; {counts.repaired:,} repaired"
    if counts.agree:
        yield "the ledger is corrected; a running reconciler keeps it so"
    elif options["repair"]:
        yield "what is left could not be repaired: see docs/guides/truth.md for each kind"
    else:
        yield "`--repair` corrects the ledger; see docs/guides/truth.md for each kind"
