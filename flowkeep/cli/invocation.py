"""What every command knows of its call: output format, tenant and the flags that are settings."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from flowkeep.settings import Settings

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Invocation:
    """One call of the command line.

    Attributes:
        output: `table` for people, `json` for programs.
        tenant: Owner boundary of everything the command touches.
        debug: Whether an unexpected error shows its traceback.
        flags: Settings given as options, as `Settings.load` takes them.
    """

    output: str = "table"
    tenant: str = "default"
    debug: bool = False
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        """Whether output is for programs."""
        return self.output == "json"

    def settings(self) -> "Settings":
        """Return the settings: flag, then environment, then file, then default.

        Raises:
            ConfigurationError: If a value does not fit.
        """
        from flowkeep.settings import Settings

        return Settings.load(**self.flags)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the asynchronous body of a command; Ctrl-C cancels it and lets it clean up."""
        import asyncio

        return asyncio.run(work)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _store(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Invocation), attribute, value)

    return callback


def _store_setting(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.ensure_object(Invocation).flags[name] = value

    return callback


_COMMON = (
    click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        callback=_store("output"),
        expose_value=False,
        is_eager=True,
        help="Output for people (table, the default) or for programs (json).",
    ),
    click.option(
        "--tenant",
        callback=_store("tenant"),
        expose_value=False,
        help="Tenant to act for; `default` when left out.",
    ),
    click.option(
        "--database-url",
        callback=_store_setting("database__url"),
        expose_value=False,
        help="Ledger: postgresql://user@host/database. Else FLOWKEEP_DATABASE_URL.",
    ),
    click.option(
        "--temporal-address",
        callback=_store_setting("temporal__address"),
        expose_value=False,
        help="Temporal server: host:port. Else TEMPORAL_ADDRESS.",
    ),
    click.option(
        "--namespace",
        callback=_store_setting("temporal__namespace"),
        expose_value=False,
        help="Temporal namespace. Else TEMPORAL_NAMESPACE.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        default=None,
        callback=_store("debug"),
        expose_value=False,
        is_eager=True,
        help="Show the traceback of an unexpected error.",
    ),
)


def common_options(command: Command) -> Command:
    """Add the options that every command takes, before or after its name."""
    for option in reversed(_COMMON):
        command = option(command)
    return command
