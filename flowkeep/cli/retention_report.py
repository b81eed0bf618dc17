"""What retention removed or would remove, printed, and how far it has come."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.retention import RetentionReport

_EVERY_SECONDS = 2.0


def counted(report: "RetentionReport") -> int:
    """Return how many runs were removed or archived."""
    return report.removed.runs + sum(step.archived for step in report.steps)


def progress(verb: str, *, quiet: bool) -> Callable[["RetentionReport"], None]:
    """Return what tells on standard error, every two seconds, how far long work has come.

    Args:
        verb: What is done with runs.
        quiet: Tell nothing.
    """
    told = time.monotonic()

    def tell(report: "RetentionReport") -> None:
        nonlocal told
        if not quiet and time.monotonic() - told >= _EVERY_SECONDS:
            told = time.monotonic()
            click.echo(f"{counted(report):,} runs {verb} so far", err=True)

    return tell


def print_report(report: "RetentionReport", *, as_json: bool) -> None:
    """Print what was removed, per policy."""
    if as_json:
        print_json(report)
        return
    if not report.steps:
        click.echo("There is no policy: runs are kept for ever.")
        click.echo("Set one: flowkeep retention set --days 90", err=True)
        return
    names = list(type(report.removed).model_fields)
    print_table(
        ("scope", "created before", *names, "archived"),
        [
            (
                step.policy.scope,
                step.before or ("held" if step.policy.legal_hold else "kept"),
                *(getattr(step.removed, name) for name in names),
                step.archived,
            )
            for step in report.steps
        ],
    )


def together(before: "RetentionReport", after: "RetentionReport") -> "RetentionReport":
    """Return what two slices of the same work did."""
    steps = {step.policy.id: step for step in before.steps}
    for step in after.steps:
        known = steps.get(step.policy.id)
        if known is not None:
            sums = {
                "removed": known.removed + step.removed,
                "archived": known.archived + step.archived,
            }
            steps[step.policy.id] = step.model_copy(update=sums)
        else:
            steps[step.policy.id] = step
    return after.model_copy(
        update={
            "steps": tuple(steps.values()),
            "payloads": before.payloads + after.payloads,
            "tombstones": before.tombstones + after.tombstones,
        }
    )
