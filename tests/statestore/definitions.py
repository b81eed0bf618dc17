"""Definitions, actions and canvases with everything filled in that a test does not care for."""

from typing import Any
from uuid import UUID

from flowkeep.contracts import (
    Action,
    ActionPatch,
    App,
    AppPatch,
    Definition,
    DefinitionPatch,
    NewAction,
    NewApp,
    NewDefinition,
    Page,
)
from flowkeep.errors import Forbidden, NotFound
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, new_run

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


def foreign_calls(store: Store, made: Definition, linked: Action, app: App) -> dict[str, Any]:
    """Return, by method, a call with a foreign tenant and what must come of it.

    An error is raised; "absent" is the answer of a read that finds nothing.
    """
    definitions, actions, apps = store.definitions, store.actions, store.apps
    patch, action = DefinitionPatch(name="x"), NewAction(ref=linked.ref, id=linked.id)
    return {
        "definitions.create": (
            definitions.create(OTHER, new_definition(id=made.id)),
            Forbidden,
        ),
        "definitions.get": (definitions.get(OTHER, made.id), NotFound),
        "definitions.get_by_ref": (
            definitions.get_by_ref(OTHER, made.ref, of_tenant=made.tenant_id),
            NotFound,
        ),
        "definitions.list": (definitions.list(OTHER, include_shared=True), "absent"),
        "definitions.find_by_app": (definitions.find_by_app(OTHER, "app"), "absent"),
        "definitions.find_enabled": (definitions.find_enabled(OTHER), "absent"),
        "definitions.find_by_tag": (definitions.find_by_tag(OTHER, "t"), "absent"),
        "definitions.find_by_module": (
            definitions.find_by_module(OTHER, "data-loader"),
            "absent",
        ),
        "definitions.find_by_step": (definitions.find_by_step(OTHER, "csv-reader"), "absent"),
        "definitions.update": (
            definitions.update(OTHER, made.id, patch, expected_revision=made.revision),
            Forbidden,
        ),
        "definitions.delete": (definitions.delete(OTHER, made.id), Forbidden),
        "definitions.versions": (definitions.versions(OTHER, made.id), NotFound),
        "definitions.version": (definitions.version(OTHER, made.id, 0), NotFound),
        "definitions.most_executed": (definitions.most_executed(OTHER), "absent"),
        "definitions.fold_executions": (definitions.fold_executions(OTHER), "absent"),
        "actions.create": (actions.create(OTHER, action), Forbidden),
        "actions.register": (
            actions.register(OTHER, [NewAction(ref=linked.ref, label="x")], worker="w"),
            None,
        ),
        "actions.get": (actions.get(OTHER, linked.id), NotFound),
        "actions.get_by_ref": (actions.get_by_ref("third", linked.ref), NotFound),
        "actions.list": (actions.list("third"), "absent"),
        "actions.find_workflows": (actions.find_workflows(OTHER), "absent"),
        "actions.find_by_definition": (actions.find_by_definition(OTHER, made.id), "absent"),
        "actions.update": (
            actions.update(OTHER, linked.id, ActionPatch(label="x"), expected_revision=0),
            Forbidden,
        ),
        "actions.link_definition": (actions.link_definition(OTHER, linked.id, None), Forbidden),
        "actions.delete": (actions.delete(OTHER, linked.id), Forbidden),
        "apps.get": (apps.get(OTHER, app.id), NotFound),
        "apps.get_by_ref": (apps.get_by_ref(OTHER, app.ref), NotFound),
        "apps.list": (apps.list(OTHER), "absent"),
        "apps.update": (apps.update(OTHER, app.id, AppPatch(name="x")), NotFound),
        "apps.delete": (apps.delete(OTHER, app.id), NotFound),
        "apps.create": (apps.create(OTHER, NewApp(id=app.id, name="x")), None),
    }


def names_of(page: Page[Any]) -> list[str]:
    return [row.name for row in page]
