"""`flowkeep extract metadata`."""

from typing import Any

import click

from flowkeep.cli.extract_options import choose, run_options, source_options
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation


@click.command()
@source_options
@click.option("--openlineage", is_flag=True, help="Write OpenLineage events of the schemas too.")
@click.option(
    "--removal-threshold",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Largest share of a scope that may be reported as removed; 0.25, and 1 for no limit.",
)
@run_options
@common_options
@pass_invocation
def metadata(invocation: Invocation, /, **options: Any) -> None:
    """Extract the metadata of a database.

    Reads the catalogue (databases, schemas, tables, columns, routines, constraints, indexes and
    more) into Parquet and JSON lines, proves the counts by a manifest, and compares with the last
    complete extraction of the same scope. It only reads, and never user data.

    A rule of --filter is ACTION (include, exclude) LEVEL (database, schema, table, procedure)
    [database=NAME] [schema=NAME] [insensitive] MATCH (exact, glob, regex) VALUE. It always matches
    the whole name; an exclude beats an include. What could not be read, or was held back, is a
    warning; --strict makes warnings exit with 1.
    """
    from flowkeep.cli.arguments import split_pairs

    labels = split_pairs(options.pop("label"), "--label")
    chosen = choose(invocation, options)
    for warning in chosen.warnings:
        click.echo(f"Warning: {warning}", err=True)

    from flowkeep.cli.extract_run import Extraction

    invocation.run(
        Extraction(
            invocation,
            chosen.arguments,
            labels=labels,
            workflow_id=options["workflow_id"],
            app=options["app"],
            task_queue=options["task_queue"],
            local=options["local"],
            watch=options["watch"],
            strict=options["strict"],
        ).run()
    )
