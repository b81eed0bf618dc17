"""The bodies of `flowkeep retention plan|apply`. Heavy, imported late."""

import time

import click

from flowkeep.cli.invocation import Invocation
from flowkeep.cli.retention_report import counted, print_report, progress, together
from flowkeep.cli.service import open_service
from flowkeep.clients.direct import DirectClient
from flowkeep.contracts.api.retention import RetentionSlice

_SLICE_SECONDS = 5.0
"""How long one call works: as often, it is told how far the work has come."""


async def plan_all(invocation: Invocation) -> None:
    """Count what the policies would remove, and print it."""
    async with open_service(invocation) as client:
        if isinstance(client, DirectClient):  # the ledger itself tells how far it has come
            report = await client.store.retention.plan(
                invocation.tenant, on_progress=progress("counted", quiet=invocation.json)
            )
        else:
            report = await client.retention.plan()
    print_report(report, as_json=invocation.json)
    if invocation.json:
        return
    if not report.done:
        click.echo("There is more: the service stopped counting when its time was up.", err=True)
    if counted(report):
        click.echo("Remove them: flowkeep retention apply", err=True)


async def apply_all(
    invocation: Invocation,
    batch_size: int,
    max_runs_per_second: float | None,
    max_seconds: float | None,
) -> None:
    """Remove what the policies say, slice by slice, and print what went."""
    tell = progress("removed", quiet=invocation.json)
    end = None if max_seconds is None else time.monotonic() + max_seconds
    part = RetentionSlice(
        batch_size=batch_size,
        max_runs_per_second=max_runs_per_second,
        max_seconds=min(_SLICE_SECONDS, max_seconds or _SLICE_SECONDS),
    )
    async with open_service(invocation) as client:
        report = await client.retention.apply(part)
        while report.resume is not None and (end is None or time.monotonic() < end):
            tell(report)
            left = _SLICE_SECONDS if end is None else max(end - time.monotonic(), 0.001)
            part = part.evolve(resume=report.resume, max_seconds=min(_SLICE_SECONDS, left))
            report = together(report, await client.retention.apply(part))
    print_report(report, as_json=invocation.json)
    if not invocation.json and not report.done:
        click.echo("There is more to remove. Go on: flowkeep retention apply", err=True)
