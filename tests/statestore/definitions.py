"""Definitions, actions and canvases with everything filled in that a test does not care for."""

from typing import Any
from uuid import UUID

from flowkeep.contracts import Definition, NewDefinition, Page
from flowkeep.statestore import Store
from tests.statestore.records import TENANT, new_run

CANVAS: dict[str, Any] = {
    "zoom": 1.5,
    "nodes": [
        {
            "id": "n2",
            "type": "molecule",
            "position": {"y": 2, "x": 1},
            "data": {"molecule": "data-loader", "atoms": ["csv-reader", {"name": "excel-reader"}]},
        },
        {"id": "n1", "data": {"module": "data-processor", "steps": ["clean-data"]}},
        {"id": "note", "data": {"text": "only a note"}},
    ],
    "edges": [{"source": "n2", "target": "n1"}],
    "a": None,
}
"""A canvas whose keys are in no order, so that a test sees whether they keep theirs."""


def new_definition(name: str = "Sales report", **fields: Any) -> NewDefinition:
    return NewDefinition(**{"name": name, "spec": {"tasks": []}, **fields})


async def stored(store: Store, name: str = "Sales report", **fields: Any) -> Definition:
    return await store.definitions.create(TENANT, new_definition(name, **fields))


async def execute(store: Store, definition_id: UUID, tenant: str = TENANT, **fields: Any) -> UUID:
    run = await store.runs.create(tenant, new_run(definition_id=definition_id, **fields))
    return run.id


def names_of(page: Page[Any]) -> list[str]:
    return [row.name for row in page]
