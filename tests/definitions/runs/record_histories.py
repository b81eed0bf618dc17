"""Records the histories that `test_histories.py` replays, one file per family of features.

Run it when a release changes what runs do: `python -m tests.definitions.runs.record_histories`.
Histories of earlier releases stay beside the new ones: give the family another name for them.
"""

import asyncio
import gzip
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client

from flowkeep.activities import definition as loading
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade
from flowkeep.worker import Worker
from tests.definitions.runs import actions, coded
from tests.definitions.runs.families import FAMILIES
from tests.definitions.runs.support import Stage

FOLDER = Path(__file__).parent / "histories"
_EMPTY = {"identity", "stackTrace", "binaryChecksum", "buildId"}
"""Fields that tell of a machine, and that no replay reads."""

_PROCESS = re.compile(r"\d+@")


async def executions(client: Client, workflow_id: str) -> list[dict[str, Any]]:
    """Return the histories of all executions of a run, in order, without traces of a machine."""
    found: list[dict[str, Any]] = []
    description = await client.get_workflow_handle(workflow_id).describe()
    run_id: str | None = description.raw_description.workflow_execution_info.first_run_id
    while run_id:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        found.append({"workflow_id": workflow_id, **_plain(history.to_json_dict())})
        run_id = (
            history.events[
                -1
            ].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            or None
        )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "" if name in _EMPTY and isinstance(item, str) else _plain(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "worker" if isinstance(value, str) and _PROCESS.match(value) else value


async def main(names: list[str]) -> None:
    """Record families, all when none is named."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with LocalEngine(Path(folder)) as engine:
            await upgrade(engine.database_url)
            async with (
                await WorkflowClient.connect(engine.settings()) as client,
                Worker(
                    client,
                    workflow_classes=[coded.Adds],
                    workflow_activities=coded.Adds.get_activities(coded.Numbers()),
                    actions=actions.ALL,
                    action_tenants=[],
                ),
            ):
                for name in names or list(FAMILIES):
                    loading.MOST_EVENTS = 20 if name == "long" else 10_000
                    handle = await FAMILIES[name](Stage(client))
                    found = await executions(client.temporal, handle.workflow_id)
                    data = json.dumps(found, separators=(",", ":")).encode()
                    path = FOLDER / f"{name}.json.gz"
                    path.write_bytes(gzip.compress(data, mtime=0))
                    print(f"{path.name}: {len(found)} executions, {len(data):,} bytes")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
