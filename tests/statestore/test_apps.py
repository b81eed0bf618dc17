"""Apps: recorded, renamed, removed when empty."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.errors import Conflict, InvalidInput, NotFound
from flowkeep.statestore import Store
from tests.statestore.definitions import execute, stored
from tests.statestore.records import OTHER, TENANT, new_run


async def made(store: Store, app_id: str = "sales", **fields: Any) -> App:
    return await store.apps.create(TENANT, NewApp(id=app_id, **fields))


async def test_an_app_comes_back_as_it_was_recorded(store: Store) -> None:
    """Everything given is returned; ref and name default to the id."""
    one = await made(store, ref="s", name="Sales", parent="Analytics")
    assert await store.apps.get(TENANT, "sales") == one
    assert await store.apps.get_by_ref(TENANT, "s") == one
    two = await made(store, "plain")
    assert (two.ref, two.name, two.parent) == ("plain", "plain", None)
    for call in (
        store.apps.get(OTHER, "sales"),
        store.apps.get_by_ref(OTHER, "s"),
        store.apps.get(TENANT, "gone"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_creating_twice(store: Store, second: Store) -> None:
    """The same app once more is the same app; other content, or a taken ref, is refused."""
    found = await asyncio.gather(*(made((store, second)[n % 2], name="S") for n in range(8)))
    assert all(app == found[0] for app in found)
    with pytest.raises(Conflict, match="name"):
        await made(store, name="Other")
    with pytest.raises(Conflict, match="belongs to app 'sales'"):
        await made(store, "other", ref="sales")
    await store.apps.create(OTHER, NewApp(id="sales", name="Theirs"))
    assert (await store.apps.get(TENANT, "sales")).name == "S"


async def test_lists_page(store: Store) -> None:
    """Apps are listed by id, in pages, and by parent."""
    for name in "cabd":
        await made(store, name, parent="p" if name in "ad" else None)
    first = await store.apps.list(TENANT, limit=3)
    assert ([app.id for app in first], first.has_more) == (["a", "b", "c"], True)
    rest = await store.apps.list(TENANT, limit=3, last_id="c")
    assert ([app.id for app in rest], rest.has_more) == (["d"], False)
    assert [app.id for app in await store.apps.list(TENANT, parent="p")] == ["a", "d"]
    assert len(await store.apps.list(OTHER)) == 0
    for fields in ({"limit": 0}, {"limit": 101}, {"last_id": "\x00"}):
        with pytest.raises(InvalidInput):
            await store.apps.list(TENANT, **fields)  # type: ignore[arg-type]


async def test_rename(store: Store) -> None:
    """A patch leaves, sets and clears; one with nothing to do writes nothing."""
    one = await made(store, name="Sales", parent="p")
    await made(store, "other")
    assert await store.apps.update(TENANT, "sales", AppPatch()) == one
    assert await store.apps.update(TENANT, "sales", AppPatch(name="Sales", parent="p")) == one
    two = await store.apps.update(TENANT, "sales", AppPatch(name="Revenue", parent=None))
    assert (two.id, two.ref, two.name, two.parent) == ("sales", "sales", "Revenue", None)
    assert two.updated_at > one.updated_at
    with pytest.raises(Conflict, match="other"):
        await store.apps.update(TENANT, "sales", AppPatch(ref="other"))
    with pytest.raises(NotFound):
        await store.apps.update(OTHER, "sales", AppPatch(name="x"))
    with pytest.raises(ValidationError, match="name"):
        AppPatch(name=None)
    assert await store.apps.get(TENANT, "sales") == two


async def test_two_patches_at_once_are_both_applied(store: Store, second: Store) -> None:
    """The later one waits for the first, and keeps what it set."""
    await made(store)
    async with store.transaction() as tx:
        await tx.apps.update(TENANT, "sales", AppPatch(name="Revenue"))
        late = asyncio.create_task(second.apps.update(TENANT, "sales", AppPatch(parent="p")))
        done, _ = await asyncio.wait({late}, timeout=0.2)
        assert not done
    both = await late
    assert (both.name, both.parent) == ("Revenue", "p")


async def test_only_an_empty_app_is_removed(store: Store) -> None:
    """What is still in an app is named, with the way out."""
    await made(store, "app")
    definition = await stored(store, app_id="app")
    await store.runs.create(TENANT, new_run(app_id="app"))
    with pytest.raises(Conflict, match=r"still holds runs, definitions .*delete_runs_by_app"):
        await store.apps.delete(TENANT, "app")
    await made(store, "empty")
    await store.apps.delete(TENANT, "empty")
    with pytest.raises(NotFound):
        await store.apps.delete(TENANT, "empty")
    with pytest.raises(NotFound):
        await store.apps.delete(OTHER, "app")
    hidden = await made(store, "hidden")
    pinned = await stored(store, "pinned", app_id=hidden.id)
    await execute(store, pinned.id, app_id=None)
    await store.definitions.delete(TENANT, pinned.id)
    await store.apps.delete(TENANT, "hidden")
    assert (await store.definitions.get(TENANT, definition.id)).app_id == "app"


@pytest.mark.parametrize("app_id", ["", "a\x00", "x" * 201])
async def test_malformed_ids_are_refused(store: Store, app_id: str) -> None:
    """An app's id is printable, not empty and not long."""
    with pytest.raises(InvalidInput, match="id"):
        await made(store, app_id)
