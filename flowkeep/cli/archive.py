"""`flowkeep archive`: runs that move to object storage and back."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "delete": (
            "flowkeep.cli.archive_write:delete",
            "Take the runs of verified bundles out of the tables.",
        ),
        "discard": (
            "flowkeep.cli.archive_write:discard",
            "Remove a bundle that no archived run needs.",
        ),
        "list": ("flowkeep.cli.archive_list:list_bundles", "List bundles, newest first."),
        "publish": (
            "flowkeep.cli.archive_write:publish",
            "Write ended runs into bundles in object storage.",
        ),
        "reindex": ("flowkeep.cli.archive_list:reindex", "Rebuild the catalogue of archived runs."),
        "restore": (
            "flowkeep.cli.archive_restore:restore",
            "Bring the runs of a bundle back into the tables.",
        ),
        "run": ("flowkeep.cli.archive_write:run_all", "Publish, verify and delete in a row."),
        "verify": (
            "flowkeep.cli.archive_write:verify",
            "Read bundles back and compare them with the ledger.",
        ),
    },
)
def archive() -> None:
    """Move ended runs to object storage and back.

    Three steps, each safe to repeat: publish writes bundles, verify reads them back, delete takes
    the rows out of the tables. Archived runs stay in lists and can be read as before.
    """
