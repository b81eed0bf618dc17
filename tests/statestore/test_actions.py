"""Actions: recorded, registered by workers, linked to definitions."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from flowkeep.contracts import Action, ActionPatch, NewAction, Visibility
from flowkeep.errors import Conflict, Forbidden, InvalidInput, NotFound, RevisionMismatch
from flowkeep.statestore import Store
from tests.statestore.definitions import new_definition, stored
from tests.statestore.records import OTHER, TENANT, new_id


def new_action(ref: str = "files.copy", **fields: Any) -> NewAction:
    return NewAction(ref=ref, **fields)


async def made(store: Store, ref: str = "files.copy", **fields: Any) -> Action:
    return await store.actions.create(TENANT, new_action(ref, **fields))


def refs(page: Any) -> list[str]:
    return [action.ref for action in page]


async def test_an_action_comes_back_as_it_was_recorded(store: Store) -> None:
    """Everything given is returned, by id and by ref; the label defaults to the ref."""
    one = await made(store, label="Copy", app_id="a", description="d", param_schema={"a": 1})
    assert (one.label, one.revision, one.is_workflow) == ("Copy", 0, False)
    assert await store.actions.get(TENANT, one.id) == one
    assert await store.actions.get_by_ref(TENANT, "files.copy") == one
    assert (await made(store, "x")).label == "x"
    for call in (
        store.actions.get(TENANT, new_id()),
        store.actions.get_by_ref(TENANT, "gone"),
        store.actions.get(OTHER, one.id),
        store.actions.get_by_ref(OTHER, "files.copy"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_repeating_a_creation_returns_the_stored_action(store: Store) -> None:
    """One ref is one action: the same content is the same action, other content is refused."""
    one = await made(store, param_schema={"n": 1})
    assert await made(store, param_schema={"n": 1}) == one
    for fields in ({"label": "x"}, {"param_schema": {"n": True}}, {"id": new_id()}):
        with pytest.raises(Conflict, match=next(iter(fields))):
            await made(store, **{"param_schema": {"n": 1}, **fields})
    with pytest.raises(Conflict, match="ref"):
        await made(store, "other", id=one.id, param_schema={"n": 1})
    with pytest.raises(Forbidden):
        await store.actions.create(OTHER, new_action(id=one.id))
    assert (await store.actions.create(OTHER, new_action())).id != one.id


async def test_concurrent_creations_make_one_action(store: Store, second: Store) -> None:
    """Whoever is later gets the action of the one who was first."""
    found = await asyncio.gather(*(made((store, second)[n % 2]) for n in range(10)))
    assert len({action.id for action in found}) == 1


async def test_malformed_actions_are_refused(store: Store) -> None:
    """The field is named, and nothing is recorded."""
    for fields, message in [
        ({"ref": "a b"}, "ref"),
        ({"label": ""}, "label"),
        ({"param_schema": {"a": "\x00"}}, r"param_schema\.a"),
        ({"out_schema": {"a": "x" * 300_000}}, "out_schema has"),
        ({"definition_id": new_id()}, None),
    ]:
        with pytest.raises(InvalidInput if message else NotFound, match=message):
            await store.actions.create(TENANT, new_action(**{"ref": "x", **fields}))
    assert refs(await store.actions.list(TENANT)) == []


async def test_lists_page_and_filter(store: Store) -> None:
    """Actions are listed newest first, by app, by definition, or those that are workflows."""
    definition = await stored(store)
    for n in range(5):
        await made(
            store, f"a{n}", app_id=f"app{n % 2}", definition_id=definition.id if n > 2 else None
        )
    first = await store.actions.list(TENANT, limit=2)
    assert (refs(first), first.has_more) == (["a4", "a3"], True)
    rest = await store.actions.list(TENANT, limit=3, last_id=first.data[-1].id)
    assert (refs(rest), rest.has_more) == (["a2", "a1", "a0"], False)
    assert refs(await store.actions.list(TENANT, app_id="app1")) == ["a3", "a1"]
    assert refs(await store.actions.find_workflows(TENANT)) == ["a4", "a3"]
    assert refs(await store.actions.find_by_definition(TENANT, definition.id, limit=1)) == ["a4"]
    assert refs(await store.actions.find_by_definition(TENANT, new_id())) == []
    with pytest.raises(InvalidInput, match="last_id"):
        await store.actions.list(TENANT, last_id=new_id())
    with pytest.raises(InvalidInput, match="limit"):
        await store.actions.find_workflows(TENANT, limit=0)


async def test_patches_leave_set_and_clear(store: Store) -> None:
    """Only what is given changes; a stale revision or nothing to do writes nothing."""
    one = await made(store, label="Copy", app_id="a", description="d", param_schema={"a": 1})

    async def change(revision: int, **fields: Any) -> Action:
        patch = ActionPatch(**fields)
        return await store.actions.update(TENANT, one.id, patch, expected_revision=revision)

    assert await change(0) == one
    assert await change(0, label="Copy", param_schema={"a": 1}) == one
    two = await change(0, description=None, param_schema=None, label="Move")
    assert (two.description, two.param_schema, two.label) == (None, {}, "Move")
    assert (two.app_id, two.revision) == ("a", 1)
    with pytest.raises(RevisionMismatch):
        await change(0, label="Late")
    with pytest.raises(ValidationError, match="label"):
        ActionPatch(label=None)
    assert await store.actions.get(TENANT, one.id) == two


async def test_links_to_definitions(store: Store) -> None:
    """An action may stand for its tenant's or a shared definition, and for none again."""
    mine = await stored(store)
    closed = await store.definitions.create(OTHER, new_definition("closed"))
    shared = await store.definitions.create(
        OTHER, new_definition("shared", visibility=Visibility.SHARED)
    )
    one = await made(store)
    linked = await store.actions.link_definition(TENANT, one.id, mine.id)
    assert (linked.definition_id, linked.is_workflow, linked.revision) == (mine.id, True, 1)
    assert await store.actions.link_definition(TENANT, one.id, mine.id) == linked
    with pytest.raises(NotFound):
        await store.actions.link_definition(TENANT, one.id, closed.id)
    with pytest.raises(RevisionMismatch):
        await store.actions.link_definition(TENANT, one.id, None, expected_revision=0)
    with pytest.raises(Conflict, match=r"files\.copy"):
        await store.definitions.delete(TENANT, mine.id)
    await store.actions.link_definition(TENANT, one.id, shared.id)
    assert (await store.definitions.delete(TENANT, mine.id)).value == "removed"
    assert (await store.definitions.delete(OTHER, shared.id)).value == "hidden"
    none = await store.actions.link_definition(TENANT, one.id, None)
    assert (none.definition_id, none.revision) == (None, 3)
    assert (await store.definitions.delete(OTHER, shared.id)).value == "removed"


async def test_of_two_links_at_once_one_waits(store: Store, second: Store) -> None:
    """While one link is open another waits; under a revision, the later one is told."""
    definition = await stored(store)
    one = await made(store)
    async with store.transaction() as tx:
        await tx.actions.link_definition(TENANT, one.id, definition.id, expected_revision=0)
        late = asyncio.create_task(
            second.actions.link_definition(TENANT, one.id, None, expected_revision=0)
        )
        deletion = asyncio.create_task(second.definitions.delete(TENANT, definition.id))
        done, _ = await asyncio.wait({late, deletion}, timeout=0.2)
        assert not done
    with pytest.raises(RevisionMismatch):
        await late
    with pytest.raises(Conflict):
        await deletion
    assert (await store.actions.get(TENANT, one.id)).definition_id == definition.id


async def test_workers_register_what_they_serve(store: Store) -> None:
    """New actions appear, known ones are seen; only other content bumps the revision."""
    definition = await stored(store)
    await made(store, "b", label="Old", definition_id=definition.id)
    served = [new_action("c"), new_action("b", label="New"), new_action("a")]
    first = await store.actions.register(TENANT, served, worker="w1")
    assert [(a.ref, a.revision, a.registered_by) for a in first] == [
        ("c", 0, "w1"),
        ("b", 1, "w1"),
        ("a", 0, "w1"),
    ]
    assert (first[1].label, first[1].definition_id) == ("New", definition.id)
    again = await store.actions.register(TENANT, served, worker="w2")
    for before, after in zip(first, again, strict=True):
        assert after.last_seen_at > before.last_seen_at  # type: ignore[operator]
        changed = {"last_seen_at": after.last_seen_at, "registered_by": "w2"}
        assert before.evolve(**changed) == after
    assert await store.actions.register(TENANT, [], worker="w1") == []
    for actions in (
        [new_action("x"), new_action("x")],
        [new_action("x", id=new_id())],
        [new_action(f"x{n}") for n in range(1001)],
    ):
        with pytest.raises(InvalidInput):
            await store.actions.register(TENANT, actions, worker="w1")


async def test_workers_may_register_at_once(store: Store, second: Store) -> None:
    """Concurrent workers of the same actions, in any order, wait for each other and succeed."""
    served = [new_action(f"a{n}") for n in range(30)]
    orders = (served, served[::-1], served[10:] + served[:10])
    await asyncio.gather(
        *(
            (store, second)[n % 2].actions.register(TENANT, orders[n % 3], worker=f"w{n}")
            for n in range(12)
        )
    )
    assert len(await store.actions.list(TENANT, limit=100)) == 30


async def test_delete(store: Store) -> None:
    """A removed action is gone; removing it again is no error."""
    one = await made(store)
    with pytest.raises(Forbidden):
        await store.actions.delete(OTHER, one.id)
    assert await store.actions.delete(TENANT, one.id) is True
    assert await store.actions.delete(TENANT, one.id) is False
    with pytest.raises(NotFound):
        await store.actions.link_definition(TENANT, one.id, None)
