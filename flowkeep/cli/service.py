"""The service's nouns for a command: of a server, or on ledger and Temporal. Imported late."""

import getpass
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation
from flowkeep.errors import InvalidInput

if TYPE_CHECKING:
    from flowkeep.clients.direct import DirectClient
    from flowkeep.clients.profiles import Profile, Profiles
    from flowkeep.clients.remote import AsyncRemoteClient
    from flowkeep.contracts.api.access import Caller
    from flowkeep.settings import ClientSettings

    ServiceClient = DirectClient | AsyncRemoteClient


@asynccontextmanager
async def open_service(invocation: Invocation) -> AsyncIterator["ServiceClient"]:
    """Open what a command works against: the server that is named, else ledger and Temporal.

    Raises:
        ConfigurationError: If neither is configured, or the set-up is wrong.
        InvalidInput: If the options name two servers.
        NotFound: If there is no profile of the name.
        ServiceUnavailable: Later, if the server cannot be reached.
    """
    settings = invocation.settings()
    options = server_options(invocation, settings.client)
    if options is not None:
        from flowkeep.clients.remote import AsyncRemoteClient

        async with AsyncRemoteClient(**options) as client:
            yield client
        return
    from flowkeep.clients.backend import Backend
    from flowkeep.clients.direct import DirectClient

    async with Backend(settings) as backend:
        await backend.store.check()
        caller = local_caller(invocation)
        yield DirectClient(backend.store, backend.temporal, settings, caller)


def server_options(invocation: Invocation, client: "ClientSettings") -> dict[str, Any] | None:
    """Return the arguments of the client of a server; None if no server is named.

    What names it, from the strongest: `--server` or `--profile`, FLOWKEEP_SERVER, FLOWKEEP_PROFILE,
    the profile in use. A profile's key goes to the profile's server alone.

    Raises:
        InvalidInput: If both options are given.
        NotFound: If there is no such profile.
        ConfigurationError: If the file of profiles cannot be used.
    """
    flags = invocation.flags
    if "client__server" in flags and "client__profile" in flags:
        raise InvalidInput("--server and --profile both name a server", hint="give one of them")
    key = None if client.api_key is None else client.api_key.get_secret_value()
    if client.server is not None and "client__profile" not in flags:
        found: dict[str, Any] = {"url": client.server, "api_key": key}
    else:
        profile = _profile(client)
        if profile is None:
            return None
        found = profile.options()
        found["api_key"] = found["api_key"] or key
    if "tenant" in invocation.named:
        found["tenant"] = invocation.tenant
    return found | {
        "ca_file": client.ca_file or found.get("ca_file"),
        "timeout_seconds": client.timeout_seconds,
        "patience_seconds": client.patience_seconds,
    }


def names_server(client: "ClientSettings") -> bool:
    """Return whether anything names a server; no program is asked for its key.

    Raises:
        ConfigurationError: If the file of profiles cannot be used.
    """
    named = (client.server, client.profile)
    return any(named) or read_profiles(client.config).profile is not None


def _profile(client: "ClientSettings") -> "Profile | None":
    profiles = read_profiles(client.config)
    if client.profile is None and profiles.profile is None:
        return None
    return profiles.get(client.profile)


def read_profiles(path: Path | None) -> "Profiles":
    """Read the file of profiles; that others can read it is told on standard error.

    Args:
        path: The file; the user's own when left out.

    Raises:
        ConfigurationError: If it cannot be read or understood.
    """
    from flowkeep.clients.profiles import Profiles

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        profiles = Profiles.read(path)
    for one in told:
        click.echo(f"Warning: {one.message}", err=True)
    return profiles


def local_caller(invocation: Invocation) -> "Caller":
    """Return who uses the ledger directly: this machine's user, whom nothing is denied."""
    from uuid import uuid4

    from flowkeep.contracts.api.access import Caller, Principal

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = "local"
    return Caller(principal=Principal.local(invocation.tenant, user), request_id=f"cli-{uuid4()}")
