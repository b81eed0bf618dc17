"""Asking before something is gone for good."""

import sys

import click


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal; elsewhere `--yes` must have been given.

    Args:
        question: What is about to happen.
        yes: Whether `--yes` was given.

    Raises:
        click.UsageError: If there is nobody to ask.
        click.Abort: If the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes, or --dry-run to only look")
    click.confirm(question, abort=True, err=True)
