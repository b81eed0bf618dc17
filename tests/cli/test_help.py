"""Help: instant, complete and documented."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flowkeep.cli.app import cli

HEAVY = ("temporalio", "sqlalchemy", "pydantic", "rich", "psycopg", "pyarrow", "polars", "alembic")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command, groups included, with its words after `flowkeep`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands(cli))


def test_every_noun_is_there() -> None:
    """The commands are those that the product promises."""
    assert set(ALL) >= {
        "demo",
        "dev",
        "worker start",
        *(f"run {verb}" for verb in ("start", "list", "get", "tasks", "events", "watch")),
        *(f"run {verb}" for verb in ("pause", "resume", "cancel")),
        "state get",
        "state set",
        "db upgrade",
        "db current",
    }


@pytest.mark.parametrize("words", [[], *(name.split() for name in ALL)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """Asking for help, at any depth, loads none of the libraries that take time to load."""
    code = (
        "import sys, json\n"
        "from flowkeep.cli.app import cli\n"
        "try:\n"
        f"    cli.main({[*words, '--help']!r})\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("name", list(ALL))
def test_every_command_and_option_has_help(name: str) -> None:
    """Each command says what it does, and so does each of its options."""
    command = ALL[name]
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_group_help_repeats_the_command() -> None:
    """The line that a group shows of a lazily imported command is the command's own first line."""
    groups = [cli, *(one for one in ALL.values() if isinstance(one, click.Group))]
    for group in groups:
        for name, (_, line) in getattr(group, "lazy", {}).items():
            command = group.get_command(click.Context(group), name)
            assert command is not None
            assert command.name == name
            assert (command.help or "").replace("\n", " ").startswith(line[:-1]), name


@pytest.mark.parametrize("name", list(ALL))
def test_every_command_is_in_the_reference(name: str) -> None:
    """The reference page has a heading for each command and names each of its own options."""
    command = ALL[name]
    text = REFERENCE.read_text()
    assert f"`flowkeep {name}" in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            longest = max(parameter.opts, key=len)
            assert f"`{longest}" in text, f"{name} {longest}"


def test_version() -> None:
    """`--version` prints the program's name and version."""
    done = CliRunner().invoke(cli, ["--version"], prog_name="flowkeep")
    assert done.exit_code == 0
    assert done.output.split()[0] == "flowkeep"
