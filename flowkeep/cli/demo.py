"""`flowkeep demo`: from nothing to an extracted database, in one command."""

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation


@click.command()
@common_options
@pass_invocation
def demo(invocation: Invocation) -> None:
    """Extract a sample database's metadata, from zero.

    Starts PostgreSQL and Temporal in ./.flowkeep (or uses those that a running `flowkeep dev` of
    this folder, or the environment, provides), creates a sample database, extracts its metadata
    with a worker and shows what was recorded. FLOWKEEP_DEMO_SOURCE=postgresql://… extracts a
    database of your own. The exit code is 0 only when the run succeeded and all counts agree.
    """
    from flowkeep.cli.demo_run import run_demo

    invocation.run(run_demo(invocation))
