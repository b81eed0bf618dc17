"""`flowkeep extract preflight`."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.extract_options import Chosen, choose, source_options
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts import PreflightResult


@click.command()
@source_options
@common_options
@pass_invocation
def preflight(invocation: Invocation, /, **options: Any) -> None:
    """Check a source and its filters without starting a run.

    Connects to the source and does what a run does first: login, version, rights, what each filter
    rule matches, whether the storage can be written to. Needs neither ledger nor Temporal. The
    exit code is 1 when a check failed; warnings do not count.
    """
    chosen = choose(invocation, options)
    result = invocation.run(_check(invocation, chosen))
    if invocation.json:
        print_json(result)
    else:
        print_table(
            ("check", "result", "message"),
            ((one.name, _word(one.ok, one.level), one.message) for one in result.checks),
        )
    if result.failures:
        names = ", ".join(one.name for one in result.failures)
        click.echo(f"a run would not start: {names}", err=True)
        raise click.exceptions.Exit(1)


async def _check(invocation: Invocation, chosen: Chosen) -> "PreflightResult":
    from flowkeep.extraction.handler import SQLHandler
    from flowkeep.storage import Storage

    settings = invocation.direct_settings()
    handler = SQLHandler(
        Storage(settings.storage.url),
        max_connections=settings.worker.max_connections_per_source,
    )
    handler.load(chosen.credentials)
    return await asyncio.to_thread(handler.preflight_check, chosen.arguments)


def _word(ok: bool, level: str) -> str:
    if ok:
        return "ok"
    return "warning" if level == "warning" else "failed"
