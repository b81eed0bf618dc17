"""Stores the definitions of this folder and runs one of them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from examples.definitions.actions import SHOP
from examples.definitions.catalogue import CATALOGUE
from examples.source import source_url
from flowkeep import Settings, Worker, WorkflowClient
from flowkeep.clients.authoring import Authoring
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

FOLDER = Path(__file__).parent
ACTIONS = [*SHOP, *CATALOGUE]


def worker(client: WorkflowClient) -> dict[str, Any]:
    """Return what a worker of these definitions serves."""
    extraction = BaseSQLMetadataExtractionWorkflow
    return {
        "actions": ACTIONS,
        "workflow_classes": [extraction],
        "workflow_activities": extraction.get_activities(extraction.activities_cls()),
    }


async def main(ref: str, parameters: dict[str, Any], settings: Settings | None = None) -> Any:
    async with await WorkflowClient.connect(settings) as client:
        authoring = Authoring(client.store)
        for path in sorted(FOLDER.glob("*.yaml")):
            await authoring.apply("default", path.read_bytes(), name=path.name)
        if ref == "nightly-catalogue" and "credentials" not in parameters:
            source = await asyncio.to_thread(source_url, client.settings)
            parameters = {**parameters, "credentials": {"url": source}}
        async with Worker(client, **worker(client)):
            run = await client.definitions.run(ref, parameters)
            print(f"run {run.run_id}")
            result = await run.result()
        print(json.dumps(result, indent=2))
        return result


if __name__ == "__main__":
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "hello", given))
