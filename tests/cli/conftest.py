"""Command lines on real servers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flowkeep.cli.app import cli as root
from flowkeep.settings import Settings
from tests.cli.calling import Ask, Call
from tests.cli.extracting import Extract


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that uses the test's engine and ledger, and no profile."""
    assert settings.database.secret_key is not None
    return {
        "FLOWKEEP_DATABASE_URL": settings.database_url(),
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
        "TEMPORAL_ADDRESS": str(settings.temporal.address),
        "TEMPORAL_NAMESPACE": str(settings.temporal.namespace),
        "FLOWKEEP_CONFIG": str(tmp_path / "config.toml"),
    }


@pytest.fixture
def call(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command line in an empty folder; its loop is its own, so it runs in a thread."""
    monkeypatch.chdir(tmp_path)

    async def run(*words: str, stdin: str | None = None) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, root, words, input=stdin, env=environment, prog_name="flowkeep"
        )

    return run


@pytest.fixture
def ask(call: Call) -> Ask:
    """Run a command line with JSON output that must succeed, and return what it printed."""

    async def run(*words: str, stdin: str | None = None) -> Any:
        done = await call(*words, "-o", "json", stdin=stdin)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def extract(tmp_path: Path, environment: dict[str, str]) -> Extract:
    """Extractions on the test's servers."""
    return Extract(tmp_path, environment)
