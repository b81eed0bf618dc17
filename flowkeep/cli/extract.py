"""`flowkeep extract`: metadata of a source, and what finished extractions left."""

import click

from flowkeep.cli.lazy import LazyGroup

_VERBS = {
    "diff": (
        "flowkeep.cli.extract_diff:diff",
        "Show what changed between two extractions.",
    ),
    "export": (
        "flowkeep.cli.extract_export:export",
        "Write what an extraction exported as plain lines.",
    ),
    "logs": (
        "flowkeep.cli.extract_logs:logs",
        "Extract the statements of a query log.",
    ),
    "metadata": (
        "flowkeep.cli.extract_metadata:metadata",
        "Extract the metadata of a database.",
    ),
    "preflight": (
        "flowkeep.cli.extract_preflight:preflight",
        "Check a source and its filters without starting a run.",
    ),
    "schema": (
        "flowkeep.cli.extract_schema:schema",
        "Print the JSON Schema of the entities.",
    ),
    "verify": (
        "flowkeep.cli.extract_verify:verify",
        "Compare the files of an extraction with its manifest.",
    ),
}


@click.group(cls=LazyGroup, lazy=_VERBS)
def extract() -> None:
    """Extract metadata and query logs, compare and verify them."""
