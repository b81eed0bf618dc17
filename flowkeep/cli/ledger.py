"""`flowkeep ledger`: whether the ledger and Temporal agree."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "reconcile": (
            "flowkeep.cli.ledger_reconcile:reconcile",
            "Find out what nobody reported, and put it right.",
        ),
        "verify": (
            "flowkeep.cli.ledger_verify:verify",
            "Compare the ledger with Temporal both ways and print every difference.",
        ),
    },
)
def ledger() -> None:
    """Compare the ledger with Temporal.

    Temporal is the truth as long as it knows a run; the ledger is what stays of it.
    """
