"""`flowkeep profile`: services by name."""

import sys
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.confirm import confirm
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from flowkeep.clients.profiles import Profile, Profiles


@click.group()
def profile() -> None:
    """Name services, and choose the one to work against."""


@profile.command("list")
@common_options
@pass_invocation
def list_profiles(invocation: Invocation) -> None:
    """List the profiles, by name; the one in use is marked."""
    found, _ = _read(invocation)
    shown = [_shown(found, name) for name in sorted(found.profiles)]
    if invocation.json:
        print_json({"data": shown})
        return
    columns = ("profile", "server", "tenant", "key", "in use")
    print_table(columns, (tuple(one[name] for name in columns) for one in shown))


@profile.command()
@click.argument("name", required=False)
@common_options
@pass_invocation
def show(invocation: Invocation, name: str | None) -> None:
    """Show the profile NAME, or the one in use, without its key."""
    found, _ = _read(invocation)
    found.get(name)
    one = _shown(found, str(found.profile if name is None else name))
    if invocation.json:
        print_json(one)
    else:
        print_fields(one)


@profile.command()
@click.argument("name")
@click.option("--api-key-command", help="Program that prints the key; none is stored then.")
@click.option("--ca-file", help="PEM file of the authorities that may have signed for the server.")
@click.option("--no-key", is_flag=True, help="The service is open: ask for no key.")
@common_options
@pass_invocation
def add(
    invocation: Invocation,
    name: str,
    api_key_command: str | None,
    ca_file: str | None,
    no_key: bool,
) -> None:
    """Store the profile NAME of the service that --server names, in the place of one before.

    The key is asked for, or read from standard input; it is never an argument, which others could
    see. With --tenant, the profile acts in that tenant.
    """
    server = invocation.flags.get("client__server")
    if server is None:
        raise click.UsageError("add --server URL: what the profile is to name")
    if no_key and api_key_command:
        raise click.UsageError("give --no-key or --api-key-command, not both")
    key = None if no_key or api_key_command else _asked()
    made = _checked(
        server=server,
        api_key=key,
        api_key_command=api_key_command,
        tenant=invocation.tenant if "tenant" in invocation.named else None,
        ca_file=ca_file,
    )
    found, path = _read(invocation)
    place = found.with_profile(name, made).write(path)
    click.echo(f"The profile {name!r} is stored in {place}.", err=True)


@profile.command()
@click.argument("name", required=False)
@click.option("--none", "nothing", is_flag=True, help="Use none: ledger and Temporal directly.")
@common_options
@pass_invocation
def use(invocation: Invocation, name: str | None, nothing: bool) -> None:
    """Let commands work against the service of the profile NAME, unless they are told otherwise."""
    if (name is None) != nothing:
        raise click.UsageError("give the NAME of a profile, or --none")
    found, path = _read(invocation)
    if name is not None:
        found.get(name)
    found.model_copy(update={"profile": name}).write(path)
    click.echo(f"In use: {name or 'no profile'}.", err=True)


@profile.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_invocation
def remove(invocation: Invocation, name: str, yes: bool) -> None:
    """Remove the profile NAME, and the key in it."""
    found, path = _read(invocation)
    found.get(name)
    confirm(f"Remove the profile {name!r} and its key?", yes)
    found.with_profile(name, None).write(path)
    click.echo(f"The profile {name!r} is gone.", err=True)


def _read(invocation: Invocation) -> "tuple[Profiles, Path | None]":
    from flowkeep.cli.service import read_profiles

    path = invocation.settings().client.config
    return read_profiles(path), path


def _shown(found: "Profiles", name: str) -> dict[str, Any]:
    one = found.get(name)
    return {
        "profile": name,
        "server": one.server,
        "tenant": one.tenant,
        "key": one.masked_key,
        "ca_file": None if one.ca_file is None else str(one.ca_file),
        "in use": name == found.profile,
    }


def _checked(**fields: Any) -> "Profile":
    from pydantic import ValidationError

    from flowkeep.clients.profiles import Profile
    from flowkeep.clients.remote.connecting import checked_url
    from flowkeep.clients.remote.headers import own_headers

    own_headers(fields["api_key"], fields["tenant"])
    try:
        return Profile.model_validate({**fields, "server": checked_url(fields["server"])})
    except ValidationError as error:
        raise click.UsageError("; ".join(one["msg"] for one in error.errors())) from None


def _asked() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Key", hide_input=True)
        return asked.strip()
    return sys.stdin.read().strip()
