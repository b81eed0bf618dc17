"""Storing, changing, listing and deleting definitions."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from flowkeep.contracts import (
    Definition,
    DefinitionPatch,
    Deleted,
    NewApp,
    Problem,
    Visibility,
)
from flowkeep.errors import Conflict, Forbidden, InvalidInput, NotFound, RevisionMismatch
from flowkeep.statestore import Store
from tests.statestore.definitions import CANVAS, execute, names_of, new_definition, stored
from tests.statestore.records import OTHER, TENANT, new_id, new_run


async def test_a_definition_comes_back_as_it_was_stored(store: Store) -> None:
    """Everything given is returned; the canvas with its keys in the order they were drawn in."""
    new = new_definition(
        app_id="sales",
        description="größe 🙂",
        version="2.1",
        spec={"tasks": [{"name": "a", "action": "files.copy"}]},
        canvas=CANVAS,
        param_schema={"type": "object"},
        out_schema={"type": "array"},
        tags=["b", "a", "b"],
        owner="ana",
        created_by="cli:ana",
        visibility=Visibility.PRIVATE,
    )
    made = await store.definitions.create(TENANT, new)
    assert made == await store.definitions.get(TENANT, made.id)
    assert made == await store.definitions.get_by_ref(TENANT, "sales-report")
    kept = ("app_id", "description", "version", "spec", "param_schema", "out_schema", "owner")
    assert [getattr(made, n) for n in kept] == [getattr(new, n) for n in kept]
    assert json.dumps(made.canvas) == json.dumps(CANVAS)
    assert (made.ref, made.slug, made.tags) == ("sales-report", "sales-report", ("b", "a"))
    assert (made.revision, made.version_revision, made.execution_count) == (0, 0, 0)
    assert (made.enabled, made.draft, made.errors) == (True, False, ())
    assert made.visibility is Visibility.PRIVATE
    assert made.modules_used == ["data-loader", "data-processor"]
    assert made.steps_in_modules == {
        "data-loader": ["csv-reader", "excel-reader"],
        "data-processor": ["clean-data"],
    }


async def test_names_are_made_from_the_name(store: Store) -> None:
    """Missing refs and slugs follow from the name, with numbers where they are taken."""
    name = "Data Analysis - Q4 Report - 10/13/2025, 3:45:00 PM"
    one = await stored(store, name)
    assert one.slug == "data-analysis-q4-report-10-13-2025-3-45-00-pm"
    assert [(await stored(store, "Über uns")).ref for _ in range(8)] == [
        "uber-uns",
        *(f"uber-uns-{n}" for n in range(2, 9)),
    ]
    other = await stored(store, "Über uns", app_id="elsewhere")
    assert (other.ref, other.slug) == ("uber-uns-9", "uber-uns")
    foreign = await store.definitions.create(OTHER, new_definition("Über uns"))
    assert foreign.ref == "uber-uns"
    assert (await stored(store, "🙂")).ref == "definition"
    assert (await stored(store, "売上 レポート")).slug == "売上-レポート"


async def test_given_names_that_are_taken_are_a_conflict(store: Store) -> None:
    """A ref is unique in the tenant, a slug in the app; the other one is named."""
    one = await stored(store, "One", ref="a.b", slug="one", app_id="x")
    with pytest.raises(Conflict, match=f"ref 'a.b' belongs to definition {one.id}"):
        await stored(store, "Two", ref="a.b")
    with pytest.raises(Conflict, match="slug 'one'"):
        await stored(store, "Two", slug="one", app_id="x")
    two = await stored(store, "Two", slug="one", app_id="y")
    with pytest.raises(Conflict, match="slug"):
        await change(store, two, app_id="x")
    with pytest.raises(Conflict, match="ref"):
        await change(store, two, ref="a.b")
    assert names_of(await store.definitions.list(TENANT)) == ["Two", "One"]
    assert await store.definitions.get(TENANT, two.id) == two


async def test_concurrent_creations_of_one_name_get_names_of_their_own(
    store: Store, second: Store
) -> None:
    """Whoever is later by a moment gets the next number; none fails, none is lost."""
    made = await asyncio.gather(
        *(stored((store, second)[n % 2], "Popular", description=str(n)) for n in range(8))
    )
    expected = {"popular", *(f"popular-{n}" for n in range(2, 9))}
    assert {one.ref for one in made} == {one.slug for one in made} == expected


async def test_repeating_a_creation_returns_the_stored_definition(store: Store) -> None:
    """The same id with the same content is one definition; with other content it is refused."""
    new = new_definition(id=new_id(), canvas=CANVAS)
    made = await store.definitions.create(TENANT, new)
    assert await store.definitions.create(TENANT, new) == made
    with pytest.raises(Conflict, match="spec"):
        await store.definitions.create(TENANT, new.evolve(spec={"tasks": [], "vars": {}}))
    with pytest.raises(Forbidden):
        await store.definitions.create(OTHER, new)
    plain = new_definition(id=new_id(), modules_used=["loader"])
    await store.definitions.create(TENANT, plain)
    with pytest.raises(Conflict, match="modules or steps"):
        await store.definitions.create(TENANT, plain.evolve(modules_used=["writer"]))
    await change(store, made, name="Renamed")
    with pytest.raises(Conflict, match="changed since"):
        await store.definitions.create(TENANT, new)
    assert len(await store.definitions.list(TENANT)) == 2


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name has 201"),
    ({"ref": "a b"}, "ref is 'a b'"),
    ({"slug": "No Slug"}, "for example 'no-slug'"),
    ({"slug": "a" * 250}, "slug has 250"),
    ({"tags": ["ok", "nul\x00"]}, r"tags\[1\]"),
    ({"tags": [str(n) for n in range(65)]}, "at most 64"),
    ({"app_id": ""}, "app_id"),
    ({"owner": "\n"}, "owner"),
    ({"description": "\ud800"}, "description"),
    ({"spec": {"a": [{"b": "nul\x00"}]}}, r"spec\.a\[0\]\.b"),
    ({"spec": {"a": "\udfff"}}, r"spec\.a"),
    ({"spec": {"a": "x" * 1024 * 1024}}, r"spec has 1048584 bytes"),
    ({"canvas": {"nodes": [], "big": "x" * 1024 * 1024}}, "canvas has"),
    ({"canvas": {"a": float("nan")}}, r"canvas\.a"),
    ({"param_schema": {"a": "x" * 256 * 1024}}, "param_schema has"),
    ({"canvas": []}, "canvas is a list"),
    ({"canvas": {"nodes": [{"id": "a"}, {"id": "a"}]}}, r"canvas\.nodes\[1\]\.id repeats 'a'"),
    ({"errors": [Problem(path="spec.x", message="is odd")]}, "spec.x is odd"),
]


async def test_what_cannot_be_stored_is_named(store: Store) -> None:
    """Malformed, unstorable or too big: the field is named, and nothing is stored or changed."""
    made = await stored(store, "Old", canvas={"nodes": []})
    for fields, message in MALFORMED:
        with pytest.raises(InvalidInput, match=message):
            await store.definitions.create(TENANT, new_definition(**fields))
        with pytest.raises(InvalidInput, match=message):
            await change(store, made, **fields)
    assert names_of(await store.definitions.list(TENANT)) == ["Old"]
    assert await store.definitions.get(TENANT, made.id) == made


async def test_a_spec_just_below_the_limit_is_stored(store: Store) -> None:
    """A mebibyte of JSON is room enough, and comes back whole."""
    spec = {"a": "x" * (1024 * 1024 - 8)}
    made = await stored(store, spec=spec)
    assert made.spec == spec


async def test_drafts_may_have_errors(store: Store) -> None:
    """A draft keeps its problems listed; published, it must have none."""
    broken = {"nodes": [{"data": {}}], "edges": [{"source": "a", "target": 7}]}
    found = Problem(path="spec.tasks[0].when", message="does not parse")
    draft = await stored(store, canvas=broken, draft=True, errors=[found])
    assert [error.path for error in draft.errors] == [
        "canvas.nodes[0].id",
        "canvas.edges[0].source",
        "canvas.edges[0].target",
        "spec.tasks[0].when",
    ]
    with pytest.raises(InvalidInput, match=r"canvas\.nodes\[0\]\.id is missing"):
        await change(store, draft, draft=False)
    draft = await change(store, draft, canvas=CANVAS, errors=[found])
    with pytest.raises(InvalidInput, match="does not parse"):
        await change(store, draft, draft=False)
    mended = await change(store, draft, spec={"tasks": [], "vars": {}})
    assert mended.errors == ()
    published = await change(store, mended, draft=False)
    assert (published.draft, published.version_revision) == (False, mended.revision)


async def change(store: Store, current: Definition, **fields: Any) -> Definition:
    """Patch a definition at the revision that was read."""
    return await store.definitions.update(
        current.tenant_id,
        current.id,
        DefinitionPatch(**fields),
        expected_revision=current.revision,
    )


async def test_patches_leave_set_and_clear(store: Store) -> None:
    """What is not given stays, a value is set, null clears; what must have a value refuses null."""
    made = await stored(
        store, app_id="x", description="d", version="1", owner="ana", tags=["t"], canvas=CANVAS
    )
    named = await change(store, made, name="Other", enabled=False)
    same = {"name", "enabled", "revision", "updated_at"}
    assert named.model_dump(exclude=same) == made.model_dump(exclude=same)
    assert (named.name, named.enabled, named.revision) == ("Other", False, 1)
    assert named.updated_at > made.updated_at
    empty = await change(
        store,
        named,
        app_id=None,
        description=None,
        version=None,
        owner=None,
        tags=None,
        canvas=None,
    )
    assert (empty.app_id, empty.description, empty.version, empty.owner) == (None,) * 4
    assert (empty.tags, empty.canvas, empty.components) == ((), None, ())
    assert empty.spec == made.spec
    for field in ("name", "ref", "slug", "enabled", "draft", "visibility"):
        with pytest.raises(ValidationError, match="cannot be null"):
            DefinitionPatch(**{field: None})


async def test_what_it_uses_follows_its_content(store: Store) -> None:
    """Tasks that go take their steps along, names or no names; what the caller said stays."""
    made = await stored(store, spec={"tasks": [{"action": "copy"}]})
    assert [component.step for component in made.components] == ["copy"]
    assert (await change(store, made, spec={"tasks": []})).components == ()
    said = await stored(store, name="Said", modules_used=["loader"])
    kept = await change(store, said, spec={"tasks": [], "vars": {"n": 1}})
    assert kept.components == said.components
    assert kept.modules_used == ["loader"]


async def test_nothing_to_do_writes_nothing(store: Store) -> None:
    """A patch that gives nothing new changes neither revision nor updated_at."""
    made = await stored(store, canvas=CANVAS, tags=["t"])
    assert await change(store, made) == made
    again = {"name": made.name, "spec": made.spec, "canvas": CANVAS, "tags": ["t"], "enabled": True}
    assert await change(store, made, **again) == made
    assert await change(store, made, description=None, errors=[]) == made


async def test_of_two_writers_of_one_revision_one_wins(store: Store, second: Store) -> None:
    """While one update is open another of the same revision waits, and then is told."""
    made = await stored(store)
    async with store.transaction() as tx:
        patch = DefinitionPatch(name="First", spec={"a": 1})
        first = await tx.definitions.update(TENANT, made.id, patch, expected_revision=0)
        late = asyncio.create_task(change(second, made, name="Second"))
        done, _ = await asyncio.wait({late}, timeout=0.2)
        assert not done
    with pytest.raises(RevisionMismatch, match="at revision 1, not 0"):
        await late
    assert await store.definitions.get(TENANT, made.id) == first


async def test_lists_filter(store: Store) -> None:
    """Each filter leaves exactly the definitions it describes, newest first."""
    await store.apps.create(TENANT, NewApp(id="a1", name="Sales Dashboard", parent="Analytics"))
    await stored(store, "one", app_id="a1", owner="ana", tags=["x", "y"], canvas=CANVAS)
    await stored(store, "two", enabled=False, tags=["y"], description="monthly 50% OFF")
    await stored(store, "three", draft=True, steps_in_modules={"other": ["csv-reader"]})
    await store.definitions.create(OTHER, new_definition("foreign", tags=["x"]))

    async def found(**filters: Any) -> list[str]:
        return names_of(await store.definitions.list(TENANT, **filters))

    assert await found() == ["three", "two", "one"]
    assert await found(app_id="a1") == ["one"]
    assert await found(app_name="Sales Dashboard") == ["one"]
    assert await found(app_name="a1") == []
    assert await found(parent="Analytics") == ["one"]
    assert await found(owner="ana") == ["one"]
    assert await found(tag="y") == ["two", "one"]
    assert await found(enabled=False) == ["two"]
    assert await found(draft=True) == ["three"]
    assert await found(module="data-loader") == ["one"]
    assert await found(step="csv-reader") == ["three", "one"]
    assert await found(step="csv-reader", module="other") == ["three"]
    assert await found(step="clean-data", module="data-loader") == []
    assert await found(text="50% off") == ["two"]
    assert await found(text="%") == ["two"]
    assert await found(tag="y", enabled=True, module="data-loader", text="ONE") == ["one"]
    definitions = store.definitions
    assert names_of(await definitions.find_by_app(TENANT, "a1")) == ["one"]
    assert names_of(await definitions.find_enabled(TENANT)) == ["three", "one"]
    assert names_of(await definitions.find_by_tag(TENANT, "x")) == ["one"]
    assert names_of(await definitions.find_by_module(TENANT, "other")) == ["three"]
    assert names_of(await definitions.find_by_step(TENANT, "csv-reader")) == ["three", "one"]
    assert names_of(await definitions.find_by_step(TENANT, "csv-reader", "other")) == ["three"]


async def test_lists_page(store: Store) -> None:
    """Pages follow each other without a gap, also behind a definition that was hidden meanwhile."""
    made = [await stored(store, f"d{n}", tags=["t"]) for n in range(5)]
    await execute(store, made[3].id)
    first = await store.definitions.list(TENANT, limit=2, tag="t")
    assert (names_of(first), first.has_more, first.limit) == (["d4", "d3"], True, 2)
    assert await store.definitions.delete(TENANT, made[3].id) is Deleted.HIDDEN
    rest = await store.definitions.list(TENANT, limit=3, tag="t", last_id=first.data[-1].id)
    assert (names_of(rest), rest.has_more) == (["d2", "d1", "d0"], False)
    for limit in (0, 101, True):
        with pytest.raises(InvalidInput, match="limit"):
            await store.definitions.list(TENANT, limit=limit)
    for last_id in (new_id(), "x", (await store.definitions.create(OTHER, new_definition())).id):
        with pytest.raises(InvalidInput, match="last_id"):
            await store.definitions.list(TENANT, last_id=last_id)  # type: ignore[arg-type]
    for filters in ({"tag": "a\x00"}, {"text": 7}, {"enabled": "yes"}):
        with pytest.raises(InvalidInput, match=next(iter(filters))):
            await store.definitions.list(TENANT, **filters)  # type: ignore[arg-type]


async def test_shared_definitions_are_read_by_all_and_changed_by_their_own(store: Store) -> None:
    """Another tenant reads what is shared, lists it on request, and never writes it."""
    mine = await stored(store, "mine", canvas=CANVAS)
    shared = await store.definitions.create(
        OTHER, new_definition("shared", visibility=Visibility.SHARED, canvas=CANVAS)
    )
    await store.definitions.create(OTHER, new_definition("closed"))
    assert await store.definitions.get(TENANT, shared.id) == shared
    assert await store.definitions.get_by_ref(TENANT, "shared", of_tenant=OTHER) == shared
    for call in (
        store.definitions.get_by_ref(TENANT, "shared"),
        store.definitions.get_by_ref(TENANT, "closed", of_tenant=OTHER),
    ):
        with pytest.raises(NotFound):
            await call
    listed = store.definitions.list
    assert names_of(await listed(TENANT)) == ["mine"]
    assert names_of(await listed(TENANT, include_shared=True)) == ["shared", "mine"]
    both = await listed(TENANT, include_shared=True, module="data-loader", step="csv-reader")
    assert names_of(both) == ["shared", "mine"]
    behind = await listed(TENANT, include_shared=True, last_id=shared.id)
    assert names_of(behind) == ["mine"]
    assert names_of(await listed(OTHER, include_shared=True)) == ["closed", "shared"]
    patch = DefinitionPatch(name="x")
    with pytest.raises(Forbidden):
        await store.definitions.update(TENANT, shared.id, patch, expected_revision=0)
    with pytest.raises(Forbidden):
        await store.definitions.delete(TENANT, shared.id)
    await change(store, shared, visibility=Visibility.TENANT)
    with pytest.raises(NotFound):
        await store.definitions.get(TENANT, shared.id)
    assert names_of(await listed(TENANT, include_shared=True)) == [mine.name]


async def test_delete_removes_what_nothing_needs(store: Store) -> None:
    """An unused definition is gone with all it had; its names are free."""
    made = await stored(store, canvas=CANVAS)
    with pytest.raises(RevisionMismatch):
        await store.definitions.delete(TENANT, made.id, expected_revision=3)
    assert await store.definitions.delete(TENANT, made.id, expected_revision=0) is Deleted.REMOVED
    for call in (
        store.definitions.get(TENANT, made.id),
        store.definitions.version(TENANT, made.id, 0),
        store.definitions.delete(TENANT, made.id),
        store.definitions.update(TENANT, made.id, DefinitionPatch(), expected_revision=0),
    ):
        with pytest.raises(NotFound, match=str(made.id)):
            await call
    assert (await stored(store)).ref == made.ref


async def test_delete_hides_what_runs_pin(store: Store) -> None:
    """A definition with runs leaves every list, keeps its versions, and goes with its last run."""
    made = await stored(store, canvas=CANVAS)
    run_id = await execute(store, made.id)
    assert await store.definitions.delete(TENANT, made.id) is Deleted.HIDDEN
    assert await store.definitions.delete(TENANT, made.id) is Deleted.HIDDEN
    with pytest.raises(NotFound):
        await store.definitions.get(TENANT, made.id)
    assert names_of(await store.definitions.find_by_module(TENANT, "data-loader")) == []
    assert await store.definitions.most_executed(TENANT) == []
    assert (await store.definitions.version(TENANT, made.id, 0)).canvas == CANVAS
    assert (await stored(store)).ref == made.ref
    with pytest.raises(NotFound):
        await execute(store, made.id)
    async with store.transaction() as tx:
        for table, column in (("run_event", "run_id"), ("run", "id")):
            await tx.connection.execute(
                text(f"DELETE FROM flowkeep.{table} WHERE {column} = :id"),
                {"id": run_id},
            )
    assert await store.definitions.delete(TENANT, made.id) is Deleted.REMOVED


async def test_a_deletion_waits_for_a_run_that_is_being_created(
    store: Store, second: Store
) -> None:
    """No run is left with a definition that is gone: the deletion sees it and hides instead."""
    made = await stored(store)
    async with store.transaction() as tx:
        await tx.runs.create(TENANT, new_run(definition_id=made.id))
        deletion = asyncio.create_task(second.definitions.delete(TENANT, made.id))
        done, _ = await asyncio.wait({deletion}, timeout=0.2)
        assert not done
    assert await deletion is Deleted.HIDDEN
