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
        named: Which of the attributes above were given as options.
    """

    output: str = "table"
    tenant: str = "default"
    debug: bool = False
    flags: dict[str, Any] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

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

    def direct_settings(self) -> "Settings":
        """Return the settings of a command that works on ledger and Temporal themselves.

        FLOWKEEP_SERVER, and a profile of the environment or in use, do not concern it.

        Raises:
            InvalidInput: If an option names a server.
            ConfigurationError: If a value does not fit.
        """
        self.refuse_server()
        return self.settings()

    def refuse_server(self) -> None:
        """Refuse an option that names a server: nothing of the command could be done there.

        Raises:
            InvalidInput: If there is one.
        """
        for name in ("server", "profile"):
            if f"client__{name}" in self.flags:
                from flowkeep.errors import InvalidInput

                raise InvalidInput(
                    f"--{name}: this command works on ledger and Temporal themselves",
                    hint=f"leave --{name} out, where both can be reached",
                )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the asynchronous body of a command; Ctrl-C cancels it and lets it clean up."""
        import asyncio

        return asyncio.run(work)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _store(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            invocation = ctx.ensure_object(Invocation)
            setattr(invocation, attribute, value)
            invocation.named.add(attribute)

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
        help="Tenant to act for; when left out, `default`, or the one of the key.",
    ),
    click.option(
        "--server",
        callback=_store_setting("client__server"),
        expose_value=False,
        help="URL of a service to work against. Else FLOWKEEP_SERVER, else ledger and Temporal.",
    ),
    click.option(
        "--profile",
        callback=_store_setting("client__profile"),
        expose_value=False,
        help="Service and key by the name of a profile. Else FLOWKEEP_PROFILE.",
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
