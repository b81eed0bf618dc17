"""Plans on a filled table: lists of definitions and actions read indexes, and no content."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts.sight import Sight
from flowkeep.statestore import Store, connect
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.plans import plans
from tests.statestore.records import TENANT, new_run

FILL = """
INSERT INTO flowkeep.definition (id, tenant_id, app_id, ref, slug, name, description, tags, enabled,
    owner, visibility, created_at, updated_at, execution_count)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 't' || n % 50 END, 'app' || n % 40,
    'r' || n, 's' || n, 'Definition ' || n, repeat('what it does ', 20), ARRAY['t' || n % 100],
    n % 10 <> 0, 'o' || n % 30, CASE WHEN n % 100 = 1 THEN 'shared' ELSE 'tenant' END,
    timestamptz '2026-01-01' + n * interval '1 second', now(), n % 700
FROM generate_series(1, 5000) AS n
"""
VERSIONS = """
INSERT INTO flowkeep.definition_version (definition_id, revision, tenant_id, spec, param_schema,
    out_schema, created_at)
SELECT d.id, v, d.tenant_id, '{}', '{}', '{}', now()
FROM flowkeep.definition AS d, generate_series(0, 3) AS v
"""
COMPONENTS = """
INSERT INTO flowkeep.definition_component (definition_id, position, tenant_id, module, step)
SELECT d.id, p, d.tenant_id, 'm' || (d.execution_count + p) % 100, 's' || p
FROM flowkeep.definition AS d, generate_series(0, 3) AS p
"""
ACTIONS = """
INSERT INTO flowkeep.action (id, tenant_id, app_id, ref, label, param_schema, out_schema,
    definition_id, created_at, updated_at)
SELECT gen_random_uuid(), d.tenant_id, d.app_id, 'a' || d.ref, 'Label', '{}', '{}',
    CASE WHEN d.execution_count % 7 = 0 THEN d.id END, d.created_at, now()
FROM flowkeep.definition AS d
"""
EXECUTIONS = """
INSERT INTO flowkeep.definition_execution (tenant_id, definition_id, at)
SELECT d.tenant_id, d.id, now() FROM flowkeep.definition AS d, generate_series(1, 3)
"""
WATCHED = {
    "definition",
    "definition_version",
    "definition_component",
    "definition_execution",
    "action",
    "run",
    "run_archive",
}
CONTENT = ("spec", "canvas", "param_schema", "out_schema")


@pytest.fixture(scope="module")
async def filled(engine: Any, ledger_template: str) -> AsyncIterator[Store]:
    """A ledger of 5,000 definitions, 20,000 versions and components, 5,000 actions, analysed."""
    url = await engine.create_database("ledger_definitions", template=ledger_template)
    async with await connect(settings=settings_for(url, pool_size=1)) as store:
        async with store.transaction() as tx:
            for statement in (FILL, VERSIONS, COMPONENTS, ACTIONS, EXECUTIONS, "ANALYZE"):
                await tx.connection.execute(text(statement))
        yield store
    await drop_database(engine, "ledger_definitions")


def check(found: list[list[dict[str, Any]]], index: str | None, *, content: bool = False) -> None:
    """Fail unless the plans read the index, never a whole table, and no content unless said."""
    assert found
    used = set()
    for plan in found:
        for node in plan:
            whole = node["Node Type"] == "Seq Scan" and node.get("Relation Name") in WATCHED
            assert not whole, node
            if node.get("Relation Name", "").startswith("definition") and not content:
                read = " ".join(node.get("Output", []))
                assert not [name for name in CONTENT if f".{name}" in read], node
            if "Index Name" in node and node["Index Name"].startswith(("definition", "action")):
                # Without a condition only where the order of a partial index is all that is asked.
                assert node.get("Index Cond") or node["Index Name"] == "definition_shared_ix", node
            used.add(node.get("Index Name"))
    assert index is None or index in used, used


MEMBER = Sight(subject="o2")
OF_APPS = Sight(subject="o2", apps=("app2", "app4"), staff_apps=("app2",))

LISTS: list[tuple[dict[str, Any], str | None]] = [
    ({}, "definition_by_tenant_ix"),
    ({"app_id": "app2"}, "definition_by_app_ix"),
    ({"app_name": "Sales"}, "app_pk"),
    ({"owner": "o2"}, "definition_by_tenant_ix"),
    ({"enabled": True}, "definition_by_tenant_ix"),
    ({"tag": "t2"}, None),
    ({"text": "definition 44"}, "definition_by_tenant_ix"),
    ({"module": "m3"}, "definition_component_by_module_ix"),
    ({"step": "s2"}, "definition_component_by_step_ix"),
    ({"step": "s2", "module": "m4"}, "definition_component_by_step_ix"),
    ({"include_shared": True}, "definition_shared_ix"),
    ({"include_shared": True, "module": "m3"}, "definition_shared_ix"),
    ({"visible_to": MEMBER}, "definition_by_tenant_ix"),
    ({"visible_to": OF_APPS}, "definition_by_tenant_ix"),
    ({"visible_to": OF_APPS, "include_shared": True}, "definition_shared_ix"),
]


@pytest.mark.parametrize("generic", [False, True])
async def test_lists_read_indexes(filled: Store, generic: bool) -> None:
    """Each list, first page or deep, is a range of an index or a look-up, whoever prepares it."""
    for filters, index in LISTS:
        first = await filled.definitions.list(TENANT, limit=20, **filters)
        last_ids = [None, first.data[-1].id] if first.data else [None]
        for last_id in last_ids:
            found = await plans(
                filled,
                partial(filled.definitions.list, TENANT, last_id=last_id, **filters),
                generic=generic,
            )
            check(found, index)


@pytest.mark.parametrize("generic", [False, True])
async def test_reads_and_finders_are_look_ups(filled: Store, generic: bool) -> None:
    """One definition, its versions, the most executed, and every list of actions."""
    made = (await filled.definitions.list(TENANT, limit=1)).data[0]
    action = (await filled.actions.find_workflows(TENANT, limit=1)).data[0]
    assert action.definition_id is not None
    linked = action.definition_id
    for call, index, content in [
        (lambda: filled.definitions.get(TENANT, made.id), "definition_version_pk", True),
        (lambda: filled.definitions.get_by_ref(TENANT, made.ref), "definition_ref_uq", True),
        (lambda: filled.definitions.versions(TENANT, made.id), "definition_version_pk", False),
        (lambda: filled.definitions.version(TENANT, made.id, 1), "definition_version_pk", True),
        (lambda: filled.definitions.most_executed(TENANT, 10), "definition_execution_pk", False),
        (
            lambda: filled.definitions.most_executed(TENANT, 10, visible_to=OF_APPS),
            "definition_execution_pk",
            False,
        ),
        (lambda: filled.actions.list(TENANT), "action_by_tenant_ix", False),
        (lambda: filled.actions.list(TENANT, apps=["app2"]), "action_by_tenant_ix", False),
        (lambda: filled.actions.list(TENANT, last_id=action.id), "action_by_tenant_ix", False),
        (lambda: filled.actions.find_workflows(TENANT), "action_workflow_ix", False),
        (
            lambda: filled.actions.find_by_definition(TENANT, linked),
            "action_by_definition_ix",
            False,
        ),
        (lambda: filled.actions.get_by_ref(TENANT, action.ref), "action_ref_uq", False),
    ]:
        check(await plans(filled, call, generic=generic), index, content=content)


@pytest.mark.parametrize("generic", [False, True])
async def test_starting_a_run_looks_up_its_definition(filled: Store, generic: bool) -> None:
    """What a definition adds to a run's creation is two look-ups by key."""
    made = (await filled.definitions.find_enabled(TENANT, limit=1)).data[0]
    found = await plans(
        filled,
        lambda: filled.runs.create(TENANT, new_run(definition_id=made.id)),
        generic=generic,
    )
    check(found, "definition_pk", content=True)
