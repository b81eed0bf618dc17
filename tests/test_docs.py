"""What the pages say is checked against the project: links, programs, names, values."""

import asyncio
import importlib.util
import os
import pkgutil
import re
import shlex
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import flowkeep
from flowkeep.contracts import EventKind, FailureReason, RunStatus, TaskStatus
from flowkeep.errors import FlowkeepError
from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.settings import Settings, variables
from tests.documents import ROOT, Page, page, pages

pytestmark = pytest.mark.slow

PROGRAM_SECONDS = 90


@pytest.mark.parametrize("one", pages(), ids=str)
def test_links_lead_somewhere(one: Page) -> None:
    """Every link of a page leads to a file of the project, and to a heading in it."""
    for target in one.links:
        name, _, anchor = target.partition("#")
        path = (one.path.parent / name).resolve() if name else one.path
        assert path.is_relative_to(ROOT), target
        assert path.exists(), f"{one}: {target}"
        if anchor:
            assert anchor in Page(path).anchors, f"{one}: {target}"


def test_every_page_is_linked() -> None:
    """From README every page of docs and examples is reached by links."""
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        targets = [target.partition("#")[0] for target in Page(path).links]
        linked = [(path.parent / target).resolve() for target in targets if target]
        ahead += [file for one in linked for file in (one.glob("*.md") if one.is_dir() else [one])]
    assert {one.path for one in pages()} - reached == set()


PROGRAMS = [one for one in pages() if one.fences("python")]


@pytest.mark.parametrize("one", PROGRAMS, ids=str)
async def test_programs_of_pages_run(one: Page, settings: Settings, tmp_path: Path) -> None:
    """The Python blocks of a page are one program; it prints what the page says it prints."""
    source = await asyncio.to_thread(create_sample_database, settings.database_url())
    program = tmp_path / "program.py"
    program.write_text("\n".join(one.fences("python")))
    assert settings.database.secret_key is not None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", program.name),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "TEMPORAL_ADDRESS": settings.temporal.address or "",
            "FLOWKEEP_DATABASE_URL": settings.database_url(),
            "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
            "FLOWKEEP_STORAGE_URL": settings.storage.url,
            "FLOWKEEP_DEMO_SOURCE": source,
        },
    )
    async with asyncio.timeout(PROGRAM_SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode() == "".join(one.fences("output"))


def documented_commands() -> list[tuple[Page, list[str]]]:
    """Every call of the command line in a shell block."""
    found = []
    for one in pages():
        for block in one.fences("sh"):
            for line in block.splitlines():
                call = re.search(r"(?:^|[\s/])flowkeep( .*)?$", line.split("  #")[0].rstrip())
                if call is not None and not line.lstrip().startswith("#"):
                    found.append((one, shlex.split(call[1] or "")))
    return found


def test_commands_of_pages_exist() -> None:
    """Every command that a page tells people to type exists, with its options."""
    from flowkeep.cli.app import cli

    calls = documented_commands()
    assert calls
    for one, words in calls:
        command: click.Command = cli
        context = click.Context(command)
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            assert found is not None, f"{one}: flowkeep {' '.join(words)}"
            command, rest = found, rest[1:]
            context = click.Context(command, parent=context)
        known = {option for given in command.params for option in given.opts} | {"--help"}
        options = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert options <= known, f"{one}: flowkeep {' '.join(words)}"


def test_modules_of_shell_blocks_exist() -> None:
    """Every module that a page tells people to run with `python -m` exists."""
    blocks = "\n".join(block for one in pages() for block in one.fences("sh"))
    modules = re.findall(r"python -m (\S+)", blocks) + re.findall(r"worker start (\S+)", blocks)
    assert [name for name in modules if importlib.util.find_spec(name.split(":")[0]) is None] == []


def test_settings_are_documented() -> None:
    """The reference lists every variable with its default, and no other."""
    rows = page("docs/reference/settings.md").table("variable")
    documented = {row[0].strip("`"): row[2] for row in rows}
    defaults = {}
    for variable, (group, field) in variables().items():
        value = getattr(getattr(Settings(), group), field)
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, float):
            value = f"{value:g}"
        defaults[variable] = "none" if value is None else f"`{value}`"
    assert documented == defaults


def all_errors() -> dict[str, type[FlowkeepError]]:
    """Every error class of the package by its name."""
    for module in pkgutil.walk_packages(flowkeep.__path__, "flowkeep."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            import_module(module.name)
    found: dict[str, type[FlowkeepError]] = {}
    ahead = [FlowkeepError]
    while ahead:
        one = ahead.pop()
        if one.__module__.startswith("flowkeep."):
            found[one.__name__] = one
        ahead += one.__subclasses__()
    return found


def test_errors_are_documented() -> None:
    """The reference lists every error class with its code and whether it is retried."""
    rows = page("docs/reference/errors.md").table("class")
    documented = {row[0].strip("`"): (row[1].strip("`"), row[2] == "yes") for row in rows}
    assert documented == {name: (one.code, one.retryable) for name, one in all_errors().items()}


def test_names_of_the_founding_document_are_there() -> None:
    """Every name that the table of the founding document leads to can be imported."""
    rows = page("docs/reference/founding-workflows.md").table("founding document")
    paths = [path for row in rows for path in re.findall(r"`(flowkeep(?:\.\w+)+)`", row[1])]
    assert len(paths) >= len(rows)
    for path in paths:
        resolve(path)


def resolve(path: str) -> Any:
    """Import a dotted path: a module, then attributes of it."""
    words = path.split(".")
    value: Any = import_module(words[0])
    for number, word in enumerate(words[1:], 2):
        try:
            value = getattr(value, word)
        except AttributeError:
            value = import_module(".".join(words[:number]))
    return value


def test_every_import_of_the_founding_document_is_mapped() -> None:
    """The table has a row for every import line of the founding document's code."""
    rows = page("docs/reference/founding-workflows.md").table("founding document")
    mapped = " ".join(row[0] for row in rows)
    for block in (ROOT / "tests" / "examples" / "original").glob("*.txt"):
        for module, names in re.findall(
            r"^from ((?:application_sdk|temporalio\.worker)\S*) import ([\w, ]+)",
            block.read_text(),
            re.MULTILINE,
        ):
            for name in names.split(","):
                assert f"`{module}.{name.strip()}`" in mapped


def test_layers_of_the_picture_are_those_enforced() -> None:
    """The architecture page draws exactly the layers that the import linter enforces."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [contract] = [
        one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    ]
    assert page("docs/architecture.md").fences("layers") == ["\n".join(contract["layers"]) + "\n"]


def test_tables_are_documented() -> None:
    """The page of the ledger lists every table, and no other."""
    from flowkeep.statestore.tables import metadata

    rows = page("docs/concepts/ledger.md").table("table")
    assert {row[0].strip("`") for row in rows} == set(metadata.tables)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docs/glossary.md", [*RunStatus, *TaskStatus]),
        ("docs/concepts/ledger.md", [*EventKind, *FailureReason]),
        ("docs/guides/write-a-workflow.md", flowkeep.__all__),
    ],
)
def test_words_are_documented(name: str, words: list[str]) -> None:
    """Every status, event, reason and public name stands on the page that explains it."""
    text = page(name).text
    assert [str(word) for word in words if f"`{word}`" not in text] == []


def test_make_targets_are_documented() -> None:
    """The guide for contributors names every target of the Makefile."""
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = page("CONTRIBUTING.md").text
    assert [target for target in targets if f"`make {target}`" not in text] == []
