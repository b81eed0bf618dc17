"""The command line: `flowkeep <noun> <verb>`, one file per noun.

Nothing heavy is imported before a command runs, so help is instant: a command's file holds its
options, and its body imports what it needs.
"""


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    from flowkeep.cli.app import cli

    cli.main(prog_name="flowkeep")
