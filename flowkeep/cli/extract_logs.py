"""`flowkeep extract logs`."""

import json
from typing import Any

import click

from flowkeep.cli.extract_options import run_options, source_credentials
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.extraction.logs.sources.registry import SOURCE_KINDS

_SERVERS = frozenset({"history", "pg_stat_statements"})
"""Kinds that are read from a server."""


@click.command()
@click.argument("log", type=click.Choice(SOURCE_KINDS), metavar="LOG")
@click.option(
    "--location", metavar="PATH", help="Folder, file or URL (file, s3, gs, az) of log files."
)
@click.option("--table", metavar="NAME", help="History table, with its schema.")
@click.option(
    "--source",
    metavar="URL",
    help="Server of a history table or pg_stat_statements. Else FLOWKEEP_SOURCE_URL.",
)
@click.option(
    "--ask-password",
    is_flag=True,
    help="Ask for the password. Else FLOWKEEP_SOURCE_PASSWORD, else the URL's.",
)
@click.option(
    "--option",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the log, for example pattern=*.log or timestamp_column=at. Repeatable.",
)
@click.option("--dialect", metavar="NAME", help="SQL of the statements, as sqlglot names it.")
@click.option("--database", metavar="NAME", help="Database of statements whose log names none.")
@click.option(
    "--search-path",
    multiple=True,
    metavar="SCHEMA",
    help="Schema in which names without one are looked for. Repeatable.",
)
@click.option(
    "--catalogue",
    metavar="RUN",
    help="Metadata extraction of the same server; makes lineage exact.",
)
@click.option(
    "--source-namespace",
    metavar="NAME",
    help="First part of all qualified names. Else scheme, host and port of the source.",
)
@click.option("--openlineage", is_flag=True, help="Write OpenLineage events of the lineage too.")
@click.option(
    "--raw-text", is_flag=True, help="Keep one statement per shape as logged, literals included."
)
@run_options
@common_options
@pass_invocation
def logs(invocation: Invocation, /, **options: Any) -> None:
    """Extract the statements of a query log: what ran, how often, for whom, on which tables.

    LOG is csvlog, jsonlog (PostgreSQL's log files), jsonl (JSON lines), history (a table) or
    pg_stat_statements. Each run goes on where the last one ended. Literals are dropped before
    anything is stored. Statements that cannot be parsed are counted and listed with the reason.
    """
    from flowkeep.cli.arguments import split_pairs
    from flowkeep.cli.extract_log_report import LogReport
    from flowkeep.cli.extract_run import Extraction
    from flowkeep.workflows.query_extraction.sql import SQLQueryExtractionWorkflow

    invocation.run(
        Extraction(
            invocation,
            _arguments(invocation, options),
            labels=split_pairs(options["label"], "--label"),
            workflow_id=options["workflow_id"],
            app=options["app"],
            task_queue=options["task_queue"],
            local=options["local"],
            watch=options["watch"],
            strict=options["strict"],
            workflow_class=SQLQueryExtractionWorkflow,
            report_class=LogReport,
        ).run()
    )


def _arguments(invocation: Invocation, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the run, checked."""
    from flowkeep.extraction.logs.options import LogOptions

    kind = options["log"]
    given = {
        "options": _source_options(options),
        "dialect": options["dialect"],
        "database": options["database"],
        "search_path": list(options["search_path"]) or None,
        "catalogue": options["catalogue"],
        "namespace": options["source_namespace"],
        "openlineage": options["openlineage"] or None,
        "raw_text": options["raw_text"] or None,
    }
    chosen = {
        "source": kind,
        **{name: value for name, value in given.items() if value is not None},
    }
    LogOptions.read(chosen)
    if kind not in _SERVERS:
        return {"logs": chosen}
    credentials = source_credentials(invocation, options["source"], ask=options["ask_password"])
    return {"logs": chosen, "credentials": credentials}


def _source_options(options: dict[str, Any]) -> dict[str, Any]:
    from flowkeep.cli.arguments import split_pairs

    found: dict[str, Any] = {
        name: _value(text) for name, text in split_pairs(options["pairs"], "--option").items()
    }
    for name in ("location", "table"):
        if options[name] is not None:
            found[name] = options[name]
    return found


def _value(text: str) -> Any:
    """Return what is JSON as such, and everything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
