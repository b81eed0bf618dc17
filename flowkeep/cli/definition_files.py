"""Files with definitions: read, checked, and what is wrong with them told line by line."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation
from flowkeep.cli.output import print_json, show

if TYPE_CHECKING:
    from flowkeep.cli.service import ServiceClient
    from flowkeep.contracts import Problem
    from flowkeep.contracts.api.definition_answers import DefinitionReport
    from flowkeep.contracts.api.definitions import DefinitionSource

_LONGEST = 200
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
"""A file, or `-` for standard input."""


@contextmanager
def needing_definitions() -> Iterator[None]:
    """Say which extra to install where a library of definitions is missing.

    Raises:
        ConfigurationError: If one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        from flowkeep.errors import ConfigurationError

        if error.name is None or error.name.startswith("flowkeep"):
            raise
        raise ConfigurationError(
            f"definitions need {error.name}", hint="install flowkeep[definitions]"
        ) from error


def read_files(names: Sequence[str]) -> dict[str, bytes]:
    """Return the contents of files, each once, by name.

    Raises:
        click.UsageError: If one cannot be read.
    """
    found = {}
    for name in dict.fromkeys(names):
        try:
            found[name] = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise click.UsageError(f"cannot read {name}: {error.strerror}") from None
    return found


def data_of(texts: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return what texts say by name; those that cannot be read are left out."""
    from flowkeep.definitions.document import read
    from flowkeep.errors import InvalidInput

    found = {}
    for name, text in texts.items():
        try:
            found[name] = read(text, name=name).data
        except InvalidInput:  # told when it is examined
            continue
    return found


def source_of(name: str, text: bytes, **fields: Any) -> "DefinitionSource":
    """Return the text of a file, and where it is to belong.

    Raises:
        InvalidInput: If it is not UTF-8, or a field does not fit.
    """
    from pydantic import ValidationError

    from flowkeep.contracts.api.definitions import DefinitionSource
    from flowkeep.errors import InvalidInput

    try:
        return DefinitionSource(text=text.decode(), name=name[-_LONGEST:], **fields)
    except UnicodeDecodeError:
        from flowkeep.definitions.document import read

        read(text, name=name)  # names the line
        raise
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False)
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(f"{where}: {first['msg']}") from None


async def validated(
    client: "ServiceClient",
    names: Sequence[str],
    texts: Mapping[str, bytes],
    beside: Sequence[dict[str, Any]],
) -> "list[DefinitionReport]":
    """Return what is wrong with some texts, in the order of their names.

    Args:
        client: Knows the actions and definitions that are called.
        names: Which texts.
        texts: By name.
        beside: Definitions that count as stored.
    """
    from flowkeep.clients.authoring_known import Known
    from flowkeep.clients.authoring_report import examine
    from flowkeep.contracts.api.definition_answers import DefinitionReport

    found = []
    for name in names:
        try:
            texts[name].decode()
        except UnicodeDecodeError:  # a text that cannot be sent is told about here
            told = await examine(texts[name], name=name, known=Known())
            report = DefinitionReport.of(name, None, told.problems)
        else:
            source = source_of(name, texts[name], beside=beside)
            report = await client.definitions.validate(source)
        found.append(report.evolve(name=name))
    return found


def in_order_of_calls(texts: Mapping[str, bytes], data: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the names of texts so that those that are called stand before those that call them.

    Raises:
        click.UsageError: If two texts are of one definition.
    """
    by_ref: dict[str, str] = {}
    for name, one in data.items():
        other = by_ref.setdefault(str(one.get("ref")), name)
        if other != name and one.get("ref"):
            raise click.UsageError(f"{other} and {name} are both of {show(one['ref'])}")
    ordered: dict[str, None] = {}
    began: set[str] = set()
    ahead = [(name, False) for name in reversed(list(texts))]
    while ahead:
        name, followed = ahead.pop()
        if followed:
            ordered[name] = None
        elif name not in began:
            began.add(name)
            ahead.append((name, True))
            called = [by_ref[ref] for ref in _called(data.get(name, {})) if ref in by_ref]
            ahead += [(one, False) for one in reversed(called)]
    return list(ordered)


def _called(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the refs that the tasks of a document call, whatever else is wrong with it."""
    tasks = data.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, Mapping):
            yield from (
                task[key] for key in ("workflow", "action") if isinstance(task.get(key), str)
            )
            yield from _called(task)


def problem_line(name: str, problem: "Problem") -> str:
    """Return a problem as `file:line: path: message (hint)`."""
    line = "" if problem.line is None else f":{problem.line}"
    level = "" if problem.level == "error" else "warning: "
    advice = "" if problem.hint is None else f" ({problem.hint})"
    return show(f"{name}{line}: {level}{problem.path}: {problem.message}{advice}")


def print_problems(name: str, problems: Iterable["Problem"], *, err: bool = False) -> None:
    """Print problems, one on a line."""
    for one in problems:
        click.echo(problem_line(name, one), err=err)


def print_reports(
    invocation: Invocation, reports: Sequence["DefinitionReport"], *, err: bool = False
) -> None:
    """Print what is wrong with files, and which are right.

    Args:
        invocation: The output format.
        reports: One of each file.
        err: Whether lines for people go to standard error.
    """
    if invocation.json:
        data = [
            {"file": one.name, "ref": one.ref, "valid": not one.errors, "problems": one.problems}
            for one in reports
        ]
        print_json({"data": data, "valid": not any(one.errors for one in reports)})
        return
    for one in reports:
        print_problems(one.name, one.problems, err=err)
    for one in reports:
        warnings = len(one.problems) - len(one.errors)
        more = f", with {_counted(warnings, 'warning')}" if warnings else ""
        told = f"{_counted(len(one.errors), 'error')}{more}" if one.errors else f"is valid{more}"
        click.echo(show(f"{one.name}: {'' if one.ref is None else f'{one.ref}: '}{told}"), err=err)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
