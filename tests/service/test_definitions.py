"""Definitions, directly and over HTTP."""

from typing import Any

import pytest

from flowkeep.contracts import Deleted, Visibility
from flowkeep.contracts.api.definitions import (
    CanvasImport,
    DefinitionChange,
    DefinitionSource,
    DrawnDefinition,
)
from flowkeep.errors import Conflict, InvalidInput, NotFound, RevisionMismatch
from tests.service.conftest import ServiceClient

TEXT = "ref: report\nlabel: Report\ntasks:\n  - name: load\n    action: shop.load\n"
OTHER = TEXT.replace("shop.load", "shop.fetch")
BROKEN = "ref: broken\ntasks:\n  - name: load\n    action: shop.load\n    retry: {count: -1}\n"
CANVAS: dict[str, Any] = {
    "zoom": 1.0,
    "nodes": [
        {"id": "b", "data": {"molecule": "clean", "atoms": ["trim"]}},
        {"id": "a", "data": {"molecule": "load", "atoms": ["csv", "excel"]}},
    ],
    "edges": [{"source": "a", "target": "b"}],
    "a": None,
}

DRAWN: dict[str, Any] = {"dag_spec": CANVAS, "project_id": 7}


def source(text: str = TEXT, **fields: Any) -> DefinitionSource:
    return DefinitionSource(text=text, **fields)


async def test_a_definition_lives(client: ServiceClient) -> None:
    """A definition is made, found by id and ref, changed, switched off and on, and removed."""
    made = await client.definitions.create(source(app_id="crm"))
    assert (made.ref, made.name, made.slug, made.app_id) == ("report", "Report", "report", "crm")
    assert await client.definitions.get(made.id) == await client.definitions.get("report") == made
    change = DefinitionChange(description="Daily", visibility=Visibility.SHARED)
    changed = await client.definitions.update("report", change)
    assert (changed.description, changed.visibility, changed.name) == ("Daily", "shared", "Report")
    off = await client.definitions.set_enabled("report", False)
    again = await client.definitions.set_enabled("report", False)
    assert (off.change, off.definition.is_active, again.change) == ("updated", False, "unchanged")
    assert (await client.definitions.set_enabled("report", True)).definition.enabled
    assert (await client.definitions.delete("report")).deleted is Deleted.REMOVED
    with pytest.raises(NotFound, match="report"):
        await client.definitions.get("report")


async def test_a_document_is_applied_in_versions(client: ServiceClient) -> None:
    """The same ref twice is a new version; versions are listed, read, compared, taken back."""
    first = await client.definitions.apply(source())
    assert (first.change, (await client.definitions.apply(source())).change) == (
        "created",
        "unchanged",
    )
    told = await client.definitions.diff(source(OTHER))
    assert [str(one) for one in told.changes] == [
        'changed tasks.load.action: "shop.load" → "shop.fetch"'
    ]
    second = await client.definitions.apply(source(OTHER), first.definition.id)
    assert (second.change, second.definition.revision) == ("updated", 1)
    page = await client.definitions.versions("report", limit=1)
    rest = await client.definitions.versions("report", cursor=page.next)
    assert [one.revision for one in (*page.data, *rest.data)] == [1, 0]
    kept = await client.definitions.version("report", 0)
    assert kept.spec["tasks"][0]["action"] == "shop.load"
    between = await client.definitions.diff_revisions("report", 0, 1)
    assert between.changes == told.changes
    back = await client.definitions.rollback("report", 0)
    assert back.definition.spec == kept.spec
    with pytest.raises(RevisionMismatch):
        await client.definitions.apply(source(OTHER), expected_revision=1)
    with pytest.raises(InvalidInput, match="report"):
        await client.definitions.apply(source(BROKEN, draft=True), "report")
    with pytest.raises(NotFound):
        await client.definitions.apply(source(), "gone")


async def test_problems_are_listed(client: ServiceClient) -> None:
    """All that is wrong is told with its path and line; only a draft is stored with errors."""
    report = await client.definitions.validate(source(BROKEN, name="broken.yaml"))
    [error] = report.errors
    assert (report.valid, report.ref, error.path, error.line) == (
        False,
        "broken",
        "tasks[0].retry.count",
        5,
    )
    for write in (client.definitions.create, client.definitions.apply):
        with pytest.raises(InvalidInput, match=r"retry\.count") as refused:
            await write(source(BROKEN))
        assert refused.value.code == "INVALID_DEFINITION"
        assert "tasks[0].retry.count" in [one.path for one in vars(refused.value)["problems"]]
    draft = await client.definitions.create(source(BROKEN, draft=True))
    assert (draft.draft, [one.path for one in draft.errors]) == (True, ["tasks[0].retry.count"])
    with pytest.raises(InvalidInput, match="draft"):
        await client.definitions.execute(draft.id)
    beside = {"ref": "called", "tasks": [{"name": "t", "action": "shop.load"}]}
    calls = "ref: calls\ntasks:\n  - name: go\n    workflow: called\n"
    [told] = (await client.definitions.validate(source(calls))).problems
    assert (told.level, told.path) == ("warning", "tasks[0].workflow")
    assert not (await client.definitions.validate(source(calls, beside=(beside,)))).problems


async def test_lists_filter_and_page(client: ServiceClient) -> None:
    """Each filter leaves what it describes; pages follow each other; an order goes by itself."""
    drawing = {**DRAWN, "project_name": "Sales", "app_name": "Suite"}
    await client.definitions.create(DrawnDefinition(name="drawn", tags=("t",), **drawing))
    await client.definitions.create(source())
    await client.definitions.create(source(BROKEN, draft=True, owner="ann"))

    async def refs(**filters: Any) -> list[str]:
        return [one.ref for one in (await client.definitions.list(**filters)).data]

    assert await refs() == ["broken", "report", "drawn"]
    for filters in (
        {"app_id": "7"},
        {"app_name": "Sales"},
        {"parent": "Suite"},
        {"tag": "t"},
        {"module": "load"},
        {"step": "csv"},
        {"step": "trim", "module": "clean"},
    ):
        assert await refs(**filters) == ["drawn"], filters
    assert await refs(owner="ann") == await refs(draft=True) == ["broken"]
    assert await refs(text="REPO") == ["report"]
    assert await refs(enabled=False) == await refs(step="trim", module="load") == []
    page = await client.definitions.list(limit=2)
    assert [one.ref for one in (await client.definitions.list(cursor=page.next)).data] == ["drawn"]
    assert len(await refs(order="most_executed")) == 3
    with pytest.raises(InvalidInput, match="tag"):
        await client.definitions.list(order="most_executed", tag="t")
    with pytest.raises(InvalidInput, match="cursor"):
        await client.definitions.list(cursor="nothing")


async def test_canvases_come_back_unchanged(client: ServiceClient) -> None:
    """What was drawn is exported key by key, of the newest version and of an earlier one."""
    new = CanvasImport(canvas=CANVAS, ref="drawn", actions={"csv": "files.csv"}, app_id="7")
    done = await client.definitions.import_canvas(new)
    assert (done.change, done.definition.molecules_used) == ("created", ("clean", "load"))
    assert "files.csv" in [task["action"] for task in done.definition.spec["tasks"]]
    moved = {**CANVAS, "zoom": 2.5}
    await client.definitions.import_canvas(new.evolve(canvas=moved))
    for revision, drawn in ((None, moved), (0, CANVAS)):
        exported = await client.definitions.canvas("drawn", revision=revision)
        assert (exported, list(exported)) == (drawn, list(CANVAS))
    await client.definitions.create(source())
    with pytest.raises(NotFound, match="canvas"):
        await client.definitions.canvas("report")


async def test_drawings_are_changed(client: ServiceClient) -> None:
    """A new drawing makes a new version; what it is said to use must agree with it."""
    made = await client.definitions.create(DrawnDefinition(name="Größe 1", **DRAWN))
    assert (made.ref, made.slug) == ("grosse-1", "grosse-1")
    twin = await client.definitions.create(DrawnDefinition(name="Größe 1", **DRAWN))
    assert (twin.ref, twin.slug) == ("grosse-1-2", "grosse-1-2")
    with pytest.raises(Conflict, match="grosse-1"):
        await client.definitions.create(DrawnDefinition(name="x", slug="grosse-1", **DRAWN))
    less = {**CANVAS, "nodes": CANVAS["nodes"][:1], "edges": []}
    wrong = DefinitionChange(dag_spec=less, molecules_used=("load",))
    with pytest.raises(InvalidInput, match="modules_used"):
        await client.definitions.update(made.id, wrong)
    right = DefinitionChange(
        dag_spec=less, molecules_used=("clean",), atoms_in_molecules={"clean": ("trim",)}
    )
    changed = await client.definitions.update(made.id, right, expected_revision=0)
    assert (changed.molecules_used, changed.dag_spec, changed.name) == (
        ("clean",),
        less,
        "Größe 1",
    )
    with pytest.raises(RevisionMismatch):
        await client.definitions.update(made.id, DefinitionChange(name="y"), expected_revision=0)
    unconnected = {**CANVAS, "edges": [{"source": "a", "target": "gone"}]}
    with pytest.raises(InvalidInput, match="edges"):
        await client.definitions.create(
            DrawnDefinition(name="z", project_id=7, dag_spec=unconnected)
        )
    draft = DrawnDefinition(name="z", dag_spec=unconnected, draft=True)
    assert (await client.definitions.create(draft)).errors


async def test_usage_of_nothing_is_empty(client: ServiceClient) -> None:
    """Figures of modules and steps are there without any run, and then have no rows."""
    await client.definitions.create(DrawnDefinition(name="drawn", **DRAWN))
    for by in ("module", "step"):
        assert (await client.definitions.usage(by=by)).data == ()
    assert (await client.definitions.runs("drawn")).data == ()
