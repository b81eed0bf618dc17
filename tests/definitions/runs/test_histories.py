"""What earlier releases have recorded replays on this code."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from flowkeep.definitions.plan import Plan
from flowkeep.recording.plugin import Plugin
from flowkeep.workflows.definition import DefinitionWorkflow
from tests.definitions.runs.families import FAMILIES

FOLDER = Path(__file__).parent / "histories"
FILES = sorted(FOLDER.glob("*.json.gz"))


def read(path: Path) -> list[WorkflowHistory]:
    """The histories of a file."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    return [WorkflowHistory.from_json(one.pop("workflow_id"), one) for one in data]


async def replay(path: Path) -> None:
    """Replay the histories of a file."""
    for history in read(path):
        await Replayer(workflows=[DefinitionWorkflow], plugins=[Plugin()]).replay_workflow(history)


def test_every_family_has_one() -> None:
    """Each family of features has a recorded history."""
    assert set(FAMILIES) <= {path.name.removesuffix(".json.gz") for path in FILES}
    assert len(read(FOLDER / "long.json.gz")) > 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".json.gz"))
async def test_it_replays(path: Path) -> None:
    """A recorded history replays on the current code."""
    await replay(path)


@pytest.mark.parametrize("name", ["graph", "items", "parallel", "long"])
async def test_another_order_does_not_replay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that asks for the same in another order is found out."""
    for method in ("begin", "ended"):
        original = getattr(Plan, method)

        def backwards(*args: Any, _original: Any = original, **more: Any) -> Any:
            return _original(*args, **more)[::-1]

        monkeypatch.setattr(Plan, method, backwards)
    with pytest.raises(workflow.NondeterminismError):
        await replay(FOLDER / f"{name}.json.gz")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_it_tells_of_no_machine(path: Path) -> None:
    """No host, no process and no folder shows in a recorded history, in payloads neither."""
    text = gzip.decompress(path.read_bytes()).decode()
    shown = [text]
    for found in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text):
        shown.append(base64.b64decode(found).decode(errors="replace"))
    for one in shown:
        assert not re.search(r"\d+@\w|/root|/home|/work|/tmp|127\.0\.0\.1|localhost", one)
