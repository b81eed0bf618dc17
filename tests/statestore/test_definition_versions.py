"""Versions: made by new content alone, immutable, pinned by runs."""

from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.contracts import Definition, DefinitionPatch, Visibility
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore import Store
from tests.statestore.definitions import CANVAS, execute, new_definition, stored
from tests.statestore.records import OTHER, TENANT, new_id, new_run


async def change(store: Store, current: Definition, **fields: Any) -> Definition:
    return await store.definitions.update(
        current.tenant_id,
        current.id,
        DefinitionPatch(**fields),
        expected_revision=current.revision,
        actor="ana",
    )


async def revisions(store: Store, made: Definition) -> list[int]:
    page = await store.definitions.versions(made.tenant_id, made.id, limit=100)
    return [version.revision for version in page]


async def test_only_new_content_makes_a_version(store: Store) -> None:
    """Spec, canvas and schemas make versions; names, tags and switches do not."""
    made = await stored(store, canvas=CANVAS)
    for fields in ({"name": "x"}, {"tags": ["t"]}, {"enabled": False}, {"version": "2"}):
        made = await change(store, made, **fields)
    assert await revisions(store, made) == [0]
    for fields in (
        {"spec": {"tasks": [], "n": 1}},
        {"spec": {"tasks": [], "n": True}},
        {"spec": {"n": True, "tasks": []}},
        {"canvas": dict(reversed(CANVAS.items()))},
        {"param_schema": {"type": "object"}},
        {"out_schema": {"type": "object"}},
    ):
        made = await change(store, made, **fields)
        assert made.version_revision == made.revision
    assert await revisions(store, made) == [10, 9, 8, 7, 6, 5, 0]
    first, third = [await store.definitions.version(TENANT, made.id, n) for n in (0, 8)]
    assert list(third.spec) == ["n", "tasks"]
    assert list(first.canvas) == list(CANVAS)
    assert list(third.canvas) == list(reversed(CANVAS))
    assert (first.created_by, third.created_by, third.version) == (None, "ana", "2")
    assert (await store.definitions.version(TENANT, made.id, 5)).spec == {"tasks": [], "n": 1}


async def test_versions_page(store: Store) -> None:
    """Versions are listed newest first, in pages, without their content."""
    made = await stored(store)
    for n in range(4):
        made = await change(store, made, spec={"n": n})
    page = await store.definitions.versions(TENANT, made.id, limit=2)
    assert ([v.revision for v in page], page.has_more) == ([4, 3], True)
    rest = await store.definitions.versions(TENANT, made.id, before=3)
    assert ([v.revision for v in rest], rest.has_more) == ([2, 1, 0], False)
    for call in (
        store.definitions.versions(TENANT, new_id()),
        store.definitions.version(TENANT, made.id, 9),
    ):
        with pytest.raises(NotFound):
            await call
    for revision in (-1, True, "0", 2**63):
        with pytest.raises(InvalidInput, match="revision"):
            await store.definitions.version(TENANT, made.id, revision)  # type: ignore[arg-type]


async def test_a_draft_has_one_version(store: Store) -> None:
    """However often a draft is saved its last content is kept; what runs may pin stays for ever."""
    made = await stored(store, spec={"n": 0}, draft=True)
    made = await change(store, made, spec={"n": 1})
    made = await change(store, made, spec={"n": 2})
    assert await revisions(store, made) == [2]
    assert (await store.definitions.version(TENANT, made.id, 2)).draft is True
    made = await change(store, made, draft=False)
    assert await revisions(store, made) == [2]
    assert (await store.definitions.version(TENANT, made.id, 2)).draft is False
    made = await change(store, made, draft=True, spec={"n": 3})
    made = await change(store, made, spec={"n": 4})
    made = await change(store, made, draft=False)
    assert await revisions(store, made) == [5, 2]
    assert (await store.definitions.version(TENANT, made.id, 2)).spec == {"n": 2}


async def test_runs_pin_the_version_they_start_with(store: Store) -> None:
    """The newest version is filled in, an older one may be named; later saves change neither."""
    made = await stored(store, spec={"n": 0})
    one = await execute(store, made.id)
    made = await change(store, made, spec={"n": 1})
    made = await change(store, made, name="Renamed")
    two = await execute(store, made.id)
    three = await execute(store, made.id, definition_revision=0)
    pinned = [(await store.runs.get(TENANT, run)).definition_revision for run in (one, two, three)]
    assert pinned == [0, 1, 0]
    run = await store.runs.get(TENANT, one)
    with pytest.raises(InvalidInput, match="definition_revision"):
        await store.runs.update_with_revision(TENANT, run.evolve(definition_revision=1))


async def test_runs_need_a_definition_that_can_be_executed(store: Store) -> None:
    """Unknown, foreign, disabled, draft, or without that version: no run is recorded."""
    made = await stored(store)
    foreign = await store.definitions.create(OTHER, new_definition())
    off = await stored(store, "off", enabled=False)
    draft = await stored(store, "draft", draft=True)
    republished = await stored(store, "again", spec={"n": 0})
    republished = await change(store, republished, draft=True, spec={"n": 1})
    for definition, revision, error, message in [
        (new_id(), None, NotFound, "does not exist"),
        (foreign.id, None, NotFound, "does not exist"),
        (made.id, 7, NotFound, "no version 7"),
        (off.id, None, InvalidInput, "disabled"),
        (draft.id, None, InvalidInput, "draft"),
        (republished.id, 0, InvalidInput, "draft"),
    ]:
        new = new_run(definition_id=definition, definition_revision=revision, arguments={"a": 1})
        with pytest.raises(error, match=message):
            await store.runs.create(TENANT, new)
        assert await store.runs.get_run_by_id(TENANT, None, new.id) is None
        with pytest.raises(NotFound):
            await store.state.get_arguments(TENANT, new.id)
    async with store.transaction() as tx:
        noted = await tx.connection.execute(
            text("SELECT count(*) FROM flowkeep.definition_execution")
        )
        assert noted.scalar_one() == 0


async def test_a_repeated_request_is_answered_whatever_became_of_the_definition(
    store: Store,
) -> None:
    """Creating the same run again returns it, also when its definition is disabled since."""
    made = await stored(store)
    new = new_run(definition_id=made.id)
    run = await store.runs.create(TENANT, new)
    made = await change(store, made, enabled=False)
    assert await store.runs.create(TENANT, new) == run
    await store.definitions.delete(TENANT, made.id)
    assert await store.runs.create(TENANT, new) == run
    assert await store.runs.save(TENANT, run) == run


async def test_who_ran_a_shared_definition_keeps_its_version(store: Store) -> None:
    """A run belongs to its tenant, and what it pins stays readable when sharing ends."""
    shared = await store.definitions.create(
        OTHER, new_definition("shared", spec={"n": 1}, visibility=Visibility.SHARED)
    )
    run = await execute(store, shared.id)
    assert (await store.runs.get(TENANT, run)).definition_id == shared.id
    changed = await change(store, shared, spec={"n": 2}, visibility=Visibility.PRIVATE)
    assert (await store.definitions.version(TENANT, shared.id, 0)).spec == {"n": 1}
    for call in (
        store.definitions.version(TENANT, shared.id, changed.revision),
        store.definitions.version("third", shared.id, 0),
        store.definitions.versions(TENANT, shared.id),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        await execute(store, shared.id)
