"""Dockerfile and compose.yaml: pinned, without secrets, and made of commands that exist."""

import re
import shlex
import tomllib
from typing import Any

import click
import yaml

from flowkeep.cli.app import cli
from flowkeep.local_engine.temporal_binary import VERSION
from flowkeep.settings import variables
from tests.documents import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("migrate", "api", "worker")


def check_command(words: list[str]) -> None:
    """Check that the command line knows a command and its options."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, words
        command = found
    known = {option for given in command.params for option in given.opts}
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= known, words


def test_services_run_commands_that_exist() -> None:
    """Each of flowkeep's services runs a command of the command line, with options it knows."""
    for name in OURS:
        check_command(COMPOSE["services"][name]["command"])
    check_command(yaml.safe_load(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1]))


def test_images_are_pinned() -> None:
    """No image floats, and Temporal's is the version that the local engine runs."""
    services = COMPOSE["services"]
    for name in ("postgres", "temporal"):
        assert re.search(r":\d", services[name]["image"])
    assert services["temporal"]["image"].endswith(f":{VERSION.removeprefix('v')}")
    assert re.search(r"ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    pinned = re.search(r"ARG UV_VERSION=(\S+)", DOCKERFILE)
    assert pinned is not None
    assert f"UV_VERSION={pinned[1]}\n" in (ROOT / "tools" / "setup").read_text()
    assert "--constraints requirements.lock" in DOCKERFILE


def test_secrets_come_from_outside() -> None:
    """Passwords and keys are demanded from the environment; no file holds one."""
    text = (ROOT / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "FLOWKEEP_SECRET_KEY"):
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses
        assert all(":?" in use for use in uses)
    assert not re.search(r"(PASSWORD|SECRET|_KEY)=", DOCKERFILE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert "**/.env*" in ignored


def test_variables_are_ours() -> None:
    """Every variable that services of ours get is one that flowkeep reads."""
    given = {name for one in OURS for name in COMPOSE["services"][one]["environment"]}
    given |= set(re.findall(r"\b(FLOWKEEP_\w+)=", DOCKERFILE))
    assert given
    assert given <= set(variables())


def test_services_wait_for_each_other() -> None:
    """Nothing of ours starts before the ledger is migrated, and what is waited for can be seen."""
    services = COMPOSE["services"]
    conditions = {
        "service_healthy": lambda one: "healthcheck" in one,
        "service_completed_successfully": lambda one: one.get("restart") == "no",
    }
    for name in OURS:
        for other, how in services[name]["depends_on"].items():
            assert conditions[how["condition"]](services[other]), (name, other)
    for name in ("api", "worker"):
        assert "migrate" in services[name]["depends_on"]
    named = {mount.partition(":")[0] for one in services.values() for mount in one["volumes"]}
    assert named == set(COMPOSE["volumes"])


def test_nobody_is_root() -> None:
    """The image runs as a user without rights, with a root that services mount read-only."""
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "10001:10001"
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_extras_exist() -> None:
    """The image installs extras of the project: all but the local servers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r"ARG EXTRAS=(\S+)", DOCKERFILE)
    assert extras is not None
    assert set(extras[1].split(",")) == set(project["optional-dependencies"]) - {"local"}


def test_what_is_copied_exists() -> None:
    """Each file that the image copies is there, and is not left out of the build's context."""
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        copied |= {word.removeprefix("./") for word in shlex.split(line)[:-1]}
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
