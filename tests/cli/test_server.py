"""Commands work against a server as they do on ledger and Temporal themselves."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner, Result
from uuid_utils.compat import uuid7

from flowkeep.api import build_app
from flowkeep.cli.app import CALL_FAILED, OK, USAGE, cli
from flowkeep.contracts import NewApp, NewDefinition, NewRun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.support import eventually

RUN = uuid7()
READS = {
    "run": [
        ["run", "list"],
        ["run", "list", "--status", "succeeded", "--limit", "1"],
        ["run", "get", str(RUN)],
        ["run", "get", "daily"],
        ["run", "tasks", str(RUN)],
        ["run", "events", str(RUN)],
    ],
    "definition": [
        ["definition", "list"],
        ["definition", "list", "--app", "sales"],
        ["definition", "get", "report"],
        ["definition", "versions", "report"],
    ],
    "others": [
        ["state", "get", "mark"],
        ["stats", "summary"],
        ["stats", "top"],
        ["question", "list"],
        ["schedule", "list"],
        ["key", "list"],
        ["retention", "list"],
        ["archive", "list"],
    ],
    "errors": [
        ["run", "get", "nothing"],
        ["run", "list", "--limit", "0"],
        ["run", "list", "--cursor", "nonsense"],
        ["run", "cancel", str(RUN)],
        ["definition", "get", "nothing"],
        ["state", "get", "nothing"],
        ["state", "set", "mark", "{}", "--expect-revision", "7"],
        ["schedule", "pause", "nothing"],
    ],
}
"""Commands that change nothing, by what they are about."""


Environment = dict[str, str | None]
"""Variables of a command; None is one that is not set."""


@dataclass
class Both:
    """The two ways of a command: on the servers themselves, and through a service."""

    direct: Environment
    remote: Environment
    store: Store
    url: str
    key: str

    async def call(self, environment: Environment, *words: str) -> Result:
        """Run a command line in a thread, because its loop is its own."""
        return await asyncio.to_thread(
            CliRunner().invoke, cli, words, env=environment, prog_name="flowkeep"
        )


@pytest.fixture
async def both(
    environment: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Both]:
    """A service on a port of its own, whose callers need a key, and a ledger with something."""
    monkeypatch.chdir(tmp_path)
    config = uvicorn.Config(build_app(settings), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    async with await connect(settings=settings) as store:
        await fill(store)
        new = NewApiKey(name="cli", subject="ana", role=Role.ADMIN)
        issued = await store.api_keys.create("default", new, subject="ana")
        serving = asyncio.create_task(server.serve())
        try:
            await eventually(lambda: _started(server))
            url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            away: Environment = dict.fromkeys(environment)
            named: Environment = {"FLOWKEEP_SERVER": url, "FLOWKEEP_API_KEY": issued.secret}
            config_file: Environment = {"FLOWKEEP_CONFIG": environment["FLOWKEEP_CONFIG"]}
            remote = away | config_file | named
            yield Both(dict(environment), remote, store, url, issued.secret)
        finally:
            server.should_exit = True
            await serving


def _started(server: uvicorn.Server) -> None:
    assert server.started


async def fill(store: Store) -> None:
    """Put an app, a definition, runs and state into the ledger."""
    await store.apps.create("default", NewApp(id="sales"))
    made = await store.definitions.create(
        "default", NewDefinition(name="Report", ref="report", app_id="sales", spec={"tasks": []})
    )
    for run_id, workflow_id in ((RUN, "daily"), (uuid7(), "weekly"), (uuid7(), "weekly")):
        fields = {"workflow_id": workflow_id, "workflow_type": "Hello", "task_queue": "q"}
        new = NewRun(id=run_id, definition_id=made.id, inputs={"name": "Ada"}, **fields)
        await store.runs.create("default", new)
        await store.runs.mark_running("default", run_id)
        await store.runs.finish("default", run_id, outputs={"greeting": "Hello"})
    await store.state.save_state("default", "mark", {"a": [1, "ü"]})


@pytest.mark.parametrize("about", READS)
async def test_reads_and_errors_are_the_same(both: Both, about: str) -> None:
    """Output, words of errors and exit codes are the same directly and through a server."""
    for words in READS[about]:
        for form in ("table", "json"):
            line = (*words, "-o", form)
            here, there = await both.call(both.direct, *line), await both.call(both.remote, *line)
            assert (here.exit_code == OK) is (about != "errors"), f"{line}: {here.output}"
            assert there.exit_code == here.exit_code, f"{line}: {there.output}"
            assert steady(there.stdout) == steady(here.stdout), line
            assert steady(there.stderr) == steady(here.stderr), line


async def test_writes_are_the_same(both: Both) -> None:
    """What a command writes through a server is what it writes directly, and is told alike."""
    lines = [
        ["state", "set", "other", '{"b": 1}'],
        ["key", "create", "robot", "--subject", "bot", "--role", "viewer"],
        ["definition", "disable", "report"],
        ["definition", "enable", "report"],
    ]
    for words in lines:
        line = (*words, "-o", "json")
        here, there = await both.call(both.direct, *line), await both.call(both.remote, *line)
        assert (here.exit_code, there.exit_code) == (OK, OK), f"{line}: {here.output}{there.output}"
        assert changing(there.stdout) == changing(here.stdout), line
    assert (await both.store.state.get_state("default", "other")).revision == 2


async def test_what_names_the_server(both: Both, tmp_path: Path) -> None:
    """A flag beats the environment, that beats the profile in use, and that beats the ledger."""

    async def list_runs(environment: Environment, *words: str) -> Result:
        return await both.call(environment, "run", "list", *words, "-o", "json")

    nowhere: Environment = {
        "FLOWKEEP_CLIENT_PATIENCE_SECONDS": "0",
        "FLOWKEEP_SERVER": "http://127.0.0.1:9",
    }
    key: Environment = {"FLOWKEEP_API_KEY": both.key}
    here: Environment = {"FLOWKEEP_PROFILE": "here"}
    keyed = both.direct | key
    assert (await list_runs(keyed | nowhere)).exit_code == CALL_FAILED
    assert (await list_runs(keyed | nowhere, "--server", both.url)).exit_code == OK
    (tmp_path / "config.toml").write_text(
        'profile = "away"\n[profiles.away]\nserver = "http://127.0.0.1:9"\n'
        f'[profiles.here]\nserver = "{both.url}"\napi_key = "{both.key}"\n'
    )
    (tmp_path / "config.toml").chmod(0o600)
    patience: Environment = {"FLOWKEEP_CLIENT_PATIENCE_SECONDS": "0"}
    assert (await list_runs(both.direct | patience)).exit_code == CALL_FAILED
    found = await list_runs(both.direct | here)
    assert found.exit_code == OK, found.output
    assert (await list_runs(both.direct | nowhere, "--profile", "here")).exit_code == OK
    assert (await list_runs(both.remote)).exit_code == OK
    # The key of a profile is not told to a server that something else names.
    alone = await list_runs(both.direct | here, "--server", both.url)
    assert "UNAUTHENTICATED" in alone.stderr
    assert (await list_runs(both.direct, "--profile", "none")).exit_code == CALL_FAILED
    twice = await list_runs(both.direct, "--server", both.url, "--profile", "here")
    assert twice.exit_code == USAGE


async def test_tenant_is_sent_only_when_given(both: Both) -> None:
    """Without --tenant the key's own tenant counts; with one, the service decides."""
    new = NewApiKey(name="other", subject="bo", role=Role.ADMIN)
    issued = await both.store.api_keys.create("acme", new, subject="bo")
    key: Environment = {"FLOWKEEP_API_KEY": issued.secret}
    theirs = both.remote | key
    made = await both.call(theirs, "state", "set", "own", "{}")
    assert made.exit_code == OK, made.output
    assert (await both.store.state.get_state("acme", "own")).revision == 1
    refused = await both.call(theirs, "--tenant", "default", "run", "list")
    assert refused.exit_code == CALL_FAILED
    assert "default" in refused.stderr


@pytest.mark.parametrize(
    "line", ["db current", "ledger verify", "worker start some.module", "extract metadata", "dev"]
)
async def test_what_a_server_cannot_do_is_refused(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """A command that works on the servers themselves refuses the option and names it."""
    monkeypatch.chdir(tmp_path)
    words = ("--server", "http://127.0.0.1:9", *line.split())
    done = await asyncio.to_thread(
        CliRunner().invoke, cli, words, env=environment, prog_name="flowkeep"
    )
    assert done.exit_code == USAGE, done.output
    assert "--server" in done.stderr


async def test_a_server_of_the_environment_does_not_concern_the_ledger(both: Both) -> None:
    """FLOWKEEP_SERVER leaves commands on the ledger what they are."""
    named: Environment = {"FLOWKEEP_SERVER": "http://127.0.0.1:9"}
    done = await both.call(both.direct | named, "db", "current")
    assert done.exit_code == OK, done.output


def steady(text: str) -> str:
    """Output without what passes by itself: ages of things."""
    return re.sub(r"\b\d+(\.\d+)? ?(ms|s|min|h)\b( ago)?", "AGE", text)


def changing(text: str) -> str:
    """Output without what every write makes anew: ids, times, revisions, secrets, who did it."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "TIME", text)
    text = re.sub(r"fk_[\w-]+", "SECRET", text)
    text = re.sub(r'"(created_by|updated_by)": ("[^"]*"|null)', r'"\1": WHO', text)
    return re.sub(r'"(revision|version)": \d+', r'"\1": N', text)
