"""The options that name a source and say which part of it is meant, and what they amount to."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from flowkeep.cli.extract_filters import read_filters
from flowkeep.cli.invocation import Invocation
from flowkeep.errors import ConfigurationError

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--source",
        metavar="URL",
        help="postgresql://user@host/database, mysql://… and others. Else FLOWKEEP_SOURCE_URL.",
    ),
    click.option(
        "--ask-password",
        is_flag=True,
        help="Ask for the password. Else FLOWKEEP_SOURCE_PASSWORD, else the URL's.",
    ),
    click.option(
        "--filter",
        "rules",
        multiple=True,
        metavar="RULE",
        help="ACTION LEVEL MATCH VALUE, for example 'exclude table regex tmp_.*'. Repeatable.",
    ),
    click.option("--filter-file", metavar="FILE", help="Rules, one per line, or as JSON."),
    click.option("--database", multiple=True, help="Database to read. Repeatable. Else the URL's."),
    click.option(
        "--source-namespace",
        metavar="NAME",
        help="First part of all qualified names. Else scheme, host and port of the source.",
    ),
    click.option("--exclude-views", is_flag=True, help="Leave views and materialised views out."),
    click.option("--system-schemas", is_flag=True, help="Read the server's own schemas too."),
    click.option(
        "--statement-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Longest a statement may run on the source; 600 when left out.",
    ),
)

_RUN_OPTIONS = (
    click.option(
        "--workflow-id",
        help="Idempotency key: the same one goes on with a run that is still open.",
    ),
    click.option("--app", help="App the run belongs to."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label. Repeatable."),
    click.option(
        "--task-queue",
        help="Leave the work to the workers of this queue. Else this command does it itself.",
    ),
    click.option(
        "--local",
        is_flag=True,
        help="Run PostgreSQL and Temporal in ./.flowkeep for this command, unless they are"
        " configured.",
    ),
    click.option(
        "--watch/--no-watch",
        default=True,
        help="Show the progress. With --task-queue, --no-watch does not wait for the end.",
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 when there are warnings."),
)


@dataclass(frozen=True)
class Chosen:
    """What is to be extracted.

    Attributes:
        credentials: As `SourceCredentials` takes them; checked.
        metadata: As `ExtractionOptions` takes it; checked.
        warnings: Where filters of the original SDK mean something else here.
    """

    credentials: dict[str, Any]
    metadata: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of a run."""
        return {"credentials": self.credentials, "metadata": self.metadata}


def source_options(command: Command) -> Command:
    """Add the options that name a source and say which part of it is meant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Add the options that say how a run is started and followed."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


def choose(invocation: Invocation, options: dict[str, Any]) -> Chosen:
    """Return what the options amount to, and check it before anything is connected to.

    Args:
        invocation: Settings.
        options: Values of `source_options`, and others that `metadata` has a field for.

    Raises:
        click.UsageError: If an option cannot be used.
        ConfigurationError: If there is no source, or it cannot be used.
        InvalidInput: If the filters or other fields do not fit.
    """
    from flowkeep.extraction.credentials import SourceCredentials
    from flowkeep.extraction.filters.text import parse_rule
    from flowkeep.extraction.options import ExtractionOptions

    filters = read_filters(options["rules"], options["filter_file"])
    for rule in filters.get("filters", ()):
        if isinstance(rule, str):
            parse_rule(rule)  # a typing error is told of its line alone
    given = {
        "databases": list(options["database"]) or None,
        "namespace": options["source_namespace"],
        "include_system_schemas": options["system_schemas"] or None,
        "statement_timeout_seconds": options["statement_timeout"],
        "exclude_views": options["exclude_views"] or None,
        "removal_threshold": options.get("removal_threshold"),
        "openlineage": options.get("openlineage") or None,
    }
    # What a file says stands where the command line says nothing.
    metadata = {**filters, **{name: one for name, one in given.items() if one is not None}}
    warnings = ExtractionOptions.read(metadata).warnings
    credentials = source_credentials(invocation, options["source"], ask=options["ask_password"])
    SourceCredentials.read(credentials)
    return Chosen(credentials, metadata, warnings)


def source_credentials(invocation: Invocation, url: str | None, *, ask: bool) -> dict[str, Any]:
    """Return the credentials of the source that an option, or the settings, name.

    Args:
        invocation: Settings.
        url: The option.
        ask: Whether to ask for the password.

    Raises:
        click.UsageError: If there is nobody to ask.
        ConfigurationError: If there is no source.
    """
    source = invocation.direct_settings().source
    if url is None and source.url is not None:
        url = source.url.get_secret_value()
    if not url:
        raise ConfigurationError(
            "no source is named",
            hint="add --source postgresql://user@host/database, or set FLOWKEEP_SOURCE_URL",
        )
    credentials = {"url": url}
    if ask:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "--ask-password needs a terminal; without one set FLOWKEEP_SOURCE_PASSWORD"
            )
        credentials["password"] = click.prompt("Password of the source", hide_input=True, err=True)
    elif source.password is not None:
        credentials["password"] = source.password.get_secret_value()
    return credentials
