"""`flowkeep state`: named state that outlives runs."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.arguments import read_object
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json

if TYPE_CHECKING:
    from flowkeep.contracts import StateEntry

_KIND = click.option(
    "--kind",
    type=click.Choice(["state", "workflows", "credentials"]),
    default="state",
    show_default=True,
    help="Kind of state; `workflows` holds arguments of runs, by run id or workflow id.",
)


@click.group()
def state() -> None:
    """Read and write named state."""


@state.command()
@click.argument("key")
@_KIND
@common_options
@pass_invocation
def get(invocation: Invocation, key: str, kind: str) -> None:
    """Show the value stored under KEY."""
    invocation.run(_get(invocation, key, kind))


async def _get(invocation: Invocation, key: str, kind: str) -> None:
    from flowkeep.cli.service import open_service
    from flowkeep.contracts import StateType

    async with open_service(invocation) as client:
        entry = await client.state.get(key, StateType(kind))
    _print(invocation, entry)


@state.command("set")
@click.argument("key")
@click.argument("value")
@_KIND
@click.option("--merge", is_flag=True, help="Keep the keys of the stored value that VALUE lacks.")
@click.option(
    "--expect-revision",
    type=click.IntRange(0),
    help="Fail unless the stored revision is this one; 0: unless there is no entry yet.",
)
@common_options
@pass_invocation
def set_value(
    invocation: Invocation,
    key: str,
    value: str,
    kind: str,
    merge: bool,
    expect_revision: int | None,
) -> None:
    """Store VALUE, a JSON object, under KEY.

    VALUE may be @FILE, or @- for standard input.
    """
    invocation.run(_set(invocation, key, value, kind, merge, expect_revision))


async def _set(
    invocation: Invocation,
    key: str,
    value: str,
    kind: str,
    merge: bool,
    expect_revision: int | None,
) -> None:
    document = read_object(value, "VALUE")

    from flowkeep.cli.service import open_service
    from flowkeep.contracts import StateType

    async with open_service(invocation) as client:
        entry = await client.state.put(
            key, document, StateType(kind), merge=merge, expected_revision=expect_revision
        )
    _print(invocation, entry)


def _print(invocation: Invocation, entry: "StateEntry") -> None:
    if invocation.json:
        print_json(entry)
        return
    print_fields(
        {
            "key": entry.key,
            "kind": entry.kind.value,
            "revision": str(entry.revision),
            "updated": entry.updated_at,
            "value": entry.value,
        }
    )
